// How launches fail: sentences, deadlock, and the processor's faults in kernels.
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#include "engine.h"
#include "memory.h"

namespace stand_in {
namespace {

thread_local std::string failure;
thread_local bool failed = false;

[[noreturn]] void leave_failed() {
    failed = true;
    Context lost;
    switch_context(lost, engine->host);
    abort();
}

struct sigaction old_segv, old_bus, old_fpe;

void on_signal(int number, siginfo_t* info, void* context) {
    if (engine && current) {
        if (number == SIGFPE) fail("divides an integer by zero");
        const std::string where = describe(info->si_addr);
        fail("touches address %p, %s", info->si_addr, where.c_str());
    }
    struct sigaction& old = number == SIGSEGV ? old_segv : number == SIGBUS ? old_bus : old_fpe;
    if (old.sa_flags & SA_SIGINFO) {
        old.sa_sigaction(number, info, context);
    } else if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN) {
        old.sa_handler(number);
    } else {
        signal(number, SIG_DFL);
        raise(number);
    }
}

// An alternative stack for system threads that have none: the fiber's may be what overflowed.
struct SignalStack {
    void* memory = nullptr;
    void ensure() {
        stack_t now;
        if (memory || sigaltstack(nullptr, &now) != 0 || !(now.ss_flags & SS_DISABLE)) return;
        memory = malloc(64 << 10);
        stack_t own = {};
        own.ss_sp = memory;
        own.ss_size = 64 << 10;
        sigaltstack(&own, nullptr);
    }
    ~SignalStack() {
        if (!memory) return;
        stack_t none = {};
        none.ss_flags = SS_DISABLE;
        sigaltstack(&none, nullptr);
        free(memory);
    }
};
thread_local SignalStack signal_stack;

void install_handlers() {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action = {};
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        sigaction(SIGSEGV, &action, &old_segv);
        sigaction(SIGBUS, &action, &old_bus);
        sigaction(SIGFPE, &action, &old_fpe);
    });
}

}  // namespace

const char* kept_failure() { return failed ? failure.c_str() : nullptr; }

void forget_failure() { failed = false; }

void prepare_signals() {
    install_handlers();
    signal_stack.ensure();
}

void fail(const char* format, ...) {
    char what[512], text[768];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    const Index3 b = current->block->index, t = current->index;
    snprintf(text, sizeof text, "kernel %s, block (%u,%u,%u), thread (%u,%u,%u): %s", engine->launch->kernel, b.x, b.y,
             b.z, t.x, t.y, t.z, what);
    failure = text;
    leave_failed();
}

void deadlock(Engine& e) {
    unsigned exited = 0, at_barrier = 0, at_meeting = 0;
    const Thread* first = nullptr;
    for (const Thread& t : e.threads) {
        exited += t.state == State::done;
        at_barrier += t.state == State::at_barrier;
        at_meeting += t.state == State::at_meeting;
        if (!first && t.state != State::done) first = &t;
    }
    const Index3 b = e.block.index;
    char text[640];
    snprintf(text, sizeof text,
             "kernel %s, block (%u,%u,%u): deadlock: %u threads have exited, %u wait at a block barrier, %u at a warp "
             "operation; the first, thread (%u,%u,%u), waits at %s",
             e.launch->kernel, b.x, b.y, b.z, exited, at_barrier, at_meeting, first ? first->index.x : 0,
             first ? first->index.y : 0, first ? first->index.z : 0, first && first->site ? first->site : "?");
    failure = text;
    leave_failed();
}

}  // namespace stand_in
