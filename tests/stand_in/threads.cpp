// Scheduler of fibers, see threads.h and engine.h.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>

#include "engine.h"
#include "memory.h"

#ifndef STAND_IN_UCONTEXT
asm(R"(
.text
.globl stand_in_switch
.hidden stand_in_switch
.type stand_in_switch,@function
stand_in_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size stand_in_switch,.-stand_in_switch
)");
#endif

namespace stand_in {

thread_local Thread* current = nullptr;
thread_local Engine* engine = nullptr;

namespace {

constexpr size_t MOST_SHARED = 232448;
thread_local unsigned schedule_of_thread = ~0u;

std::mutex pool_lock;
std::vector<std::unique_ptr<Engine>> pool;

uint64_t next_random(uint64_t& state) {
    state += 0x9E3779B97F4A7C15ull;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

}  // namespace

static void fiber_main();

Fiber* Engine::fiber() {
    if (!idle.empty()) {
        Fiber* f = idle.back();
        idle.pop_back();
        return f;
    }
    if (fibers_used == fibers.size()) {
        fibers.push_back(std::make_unique<Fiber>(fibers.size()));
        if (!fibers.back()->stack) abort();
    }
    Fiber* f = fibers[fibers_used++].get();
    f->prepare(fiber_main);
    return f;
}

// Sets the order of threads: warps in some order, their lanes in some order.
void Engine::arrange(unsigned schedule) {
    const bool eager = schedule % 2 == 1;
    shuffled = schedule > 1;
    segment = eager ? 32 : count;
    order.resize(count);
    for (unsigned i = 0; i < count; i++) order[i] = &threads[schedule == 1 ? count - 1 - i : i];
}

// The next thread that can go on; null if none can.
Thread* Engine::pick() {
    for (;;) {
        const unsigned end = begin + segment < count ? begin + segment : count;
        while (cursor < end) {
            Thread* t = order[cursor++];
            const bool runnable =
                t->state <= State::ready || (t->state == State::at_meeting && t->meeting->operation != t->operation);
            if (!runnable) continue;
            progress = true;
            idle_segments = 0;
            return t;
        }
        if (progress) {
            progress = false;
            cursor = begin;
            continue;
        }
        if (++idle_segments > (count + segment - 1) / segment) return nullptr;
        begin = end == count ? 0 : end;
        cursor = begin;
    }
}

// Prepares the next block; false after the last.
bool Engine::next_block() {
    if (block_number == blocks) return false;
    const Index3& g = launch->grid;
    const uint64_t number = block_number++;
    block.index = {static_cast<unsigned>(number % g.x), static_cast<unsigned>(number / g.x % g.y),
                   static_cast<unsigned>(number / g.x / g.y)};
    block.live = count;
    block.waiting = block.votes = 0;
    if (block.shared_bytes) memset(block.shared, 0xFF, block.shared_bytes);
    const bool often = block.statics_bytes <= (16 << 10);
    if (block.statics_bytes && (often || number < 4 || number % 16 == 0))
        memset(block.statics, 0xFF, block.statics_bytes);
    for (unsigned w = 0; w < warps; w++) {
        warp[w].exited = 0;
        for (Meeting& m : warp[w].meetings) m.mask = m.arrived = m.unread = 0;
    }
    for (Thread& t : threads) {
        t.state = State::fresh;
        t.fiber = nullptr;
        t.group = 0;
        t.copies.clear();
    }
    if (shuffled) {
        // whole warps, then lanes within each warp; an incomplete warp stays last
        const unsigned whole = count / 32;
        std::vector<unsigned> place(whole);
        for (unsigned i = 0; i < whole; i++) {
            const unsigned j = static_cast<unsigned>(next_random(random) % (i + 1));
            place[i] = place[j];
            place[j] = i;
        }
        for (unsigned i = 0; i < count; i++) order[i] = &threads[i / 32 < whole ? place[i / 32] * 32 + i % 32 : i];
        for (unsigned w = 0; w < count; w += 32) {
            const unsigned lanes = count - w < 32 ? count - w : 32;
            for (unsigned i = lanes - 1; i > 0; i--) {
                const unsigned j = static_cast<unsigned>(next_random(random) % (i + 1));
                std::swap(order[w + i], order[w + j]);
            }
        }
    }
    begin = cursor = idle_segments = 0;
    progress = false;
    return true;
}

// Runs threads from their start to their end, one after another, until one with a fiber of its own is to go on.
static void fiber_main() {
    for (;;) {
        Engine& e = *engine;
        Thread* me = current;
        me->state = State::ready;
        e.launch->body(e.launch->arguments);
        me = current;
        Fiber* mine = me->fiber;
        me->state = State::done;
        me->warp->exited |= 1u << me->lane;
        for (const Meeting& m : me->warp->meetings)
            if (m.arrived && (m.mask >> me->lane & 1))
                fail("exits while lanes of its warp wait for it at %s with mask %08x", m.site, m.mask);
        e.block.live--;
        if (e.block.live && e.block.waiting == e.block.live) release_barrier(e);
        if (!e.block.live && !e.next_block()) {
            switch_context(mine->context, e.host);
            abort();
        }
        Thread* next = e.pick();
        if (!next) deadlock(e);
        current = next;
        if (!next->fiber) {
            next->fiber = mine;
            continue;
        }
        e.idle.push_back(mine);
        switch_context(mine->context, next->fiber->context);
    }
}

static unsigned initial_schedule() {
    const char* text = getenv("EBT_STAND_IN_SCHEDULE");
    return text ? static_cast<unsigned>(strtoul(text, nullptr, 10)) : 0;
}

void release_barrier(Engine& e) {
    for (Thread& t : e.threads)
        if (t.state == State::at_barrier) t.state = State::ready;
    e.block.last_votes = e.block.votes;
    e.block.waiting = e.block.votes = 0;
}

// Goes on with another thread, or with this one if it is its turn again.
void give_way() {
    Engine& e = *engine;
    Thread* me = current;
    Thread* next = e.pick();
    if (next == me) {
        me->state = State::ready;
        return;
    }
    if (!next) deadlock(e);
    if (!next->fiber) next->fiber = e.fiber();
    current = next;
    switch_context(me->fiber->context, next->fiber->context);
}

void set_schedule(unsigned schedule) { schedule_of_thread = schedule; }

const char* run(const Launch& launch) {
    const unsigned count = launch.threads.x * launch.threads.y * launch.threads.z;
    if (launch.shared_bytes > MOST_SHARED) return "more dynamic shared memory than a block can have";
    if (count == 0 || count > 1024) return "a block must have 1 to 1024 threads";
    prepare_signals();
    std::unique_ptr<Engine> own;
    {
        std::lock_guard<std::mutex> guard(pool_lock);
        if (!pool.empty()) {
            own = std::move(pool.back());
            pool.pop_back();
        }
    }
    if (!own) own = std::make_unique<Engine>();
    Engine& e = *own;
    if (!e.shared_map) e.shared_map = static_cast<unsigned char*>(map_guarded(MOST_SHARED));
    e.launch = &launch;
    const bool reshaped = e.count != count || e.threads.empty() || e.block.threads.x != launch.threads.x ||
                          e.block.threads.y != launch.threads.y;
    e.block = Block();
    e.block.threads = launch.threads;
    e.block.grid = launch.grid;
    // ends at an inaccessible page, give or take the alignment
    e.block.shared_bytes = launch.shared_bytes;
    e.block.shared = e.shared_map + (MOST_SHARED - (launch.shared_bytes + 15) / 16 * 16);
    if (launch.touch) {
        launch.touch();
        find_statics(reinterpret_cast<void*>(launch.body), e.block);
    }
    if (reshaped) {
        e.count = count;
        e.warps = (count + 31) / 32;
        e.threads = std::vector<Thread>(count);
        e.warp = std::vector<Warp>(e.warps);
        for (unsigned i = 0; i < count; i++) {
            Thread& t = e.threads[i];
            t.index = {i % launch.threads.x, i / launch.threads.x % launch.threads.y,
                       i / launch.threads.x / launch.threads.y};
            t.lane = i % 32;
            t.warp = &e.warp[i / 32];
            t.warp->exists |= 1u << t.lane;
        }
    }
    for (Thread& t : e.threads) t.block = &e.block;
    if (schedule_of_thread == ~0u) schedule_of_thread = initial_schedule();
    e.random = schedule_of_thread;
    e.arrange(schedule_of_thread);
    e.block_number = 0;
    e.blocks = static_cast<uint64_t>(launch.grid.x) * launch.grid.y * launch.grid.z;
    e.fibers_used = 0;
    e.idle.clear();
    forget_failure();
    if (e.next_block()) {
        engine = &e;
        Thread* first = e.pick();
        first->fiber = e.fiber();
        current = first;
        switch_context(e.host, first->fiber->context);
        current = nullptr;
        engine = nullptr;
    }
    std::lock_guard<std::mutex> guard(pool_lock);
    pool.push_back(std::move(own));
    return kept_failure();
}

}  // namespace stand_in
