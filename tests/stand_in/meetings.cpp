// Where threads wait for each other (barriers and warp operations), and what memory they share.
#include <cstring>
#include <link.h>

#include "engine.h"

namespace stand_in {

unsigned block_barrier(const char* site, bool vote) {
    Block& b = *current->block;
    if (b.waiting == 0) {
        b.site = site;
    } else if (b.site != site && strcmp(b.site, site) != 0) {
        fail("waits at the barrier %s while others wait at the barrier %s", site, b.site);
    }
    b.votes += vote;
    current->site = site;
    current->state = State::at_barrier;
    // the last to come gives way too, so that the schedule orders the next phase
    if (++b.waiting == b.live) release_barrier(*engine);
    give_way();
    return current->block->last_votes;
}

static Meeting& meeting(uint32_t mask, const char* site) {
    Warp& w = *current->warp;
    if (!(mask >> current->lane & 1)) fail("%s: lane %u is not in its own mask %08x", site, current->lane, mask);
    if (mask & ~w.exists) fail("%s: mask %08x names lanes that the block does not have (%08x)", site, mask, w.exists);
    if (mask & w.exited) fail("%s: mask %08x names lanes that have exited (%08x)", site, mask, w.exited);
    Meeting* mine = nullptr;
    Meeting* free = nullptr;
    for (Meeting& m : w.meetings) {
        if (m.mask == mask) {
            mine = &m;
        } else if (m.arrived && (m.mask & mask)) {
            fail("%s: mask %08x overlaps mask %08x, at which lanes wait at %s", site, mask, m.mask, m.site);
        } else if (!free && !m.arrived && !m.unread) {
            free = &m;
        }
    }
    if (!mine) {
        if (!free) fail("%s: more than %u masks at a time in a warp", site, Warp::MEETINGS);
        mine = free;
        mine->mask = mask;
    }
    if (!mine->arrived) {
        mine->site = site;
    } else if (mine->site != site && strcmp(mine->site, site) != 0) {
        fail("%s: other lanes of the mask %08x wait at another place, %s", site, mask, mine->site);
    }
    return *mine;
}

// Arrives with a value; true for the last lane. The operation is over when its number has passed.
static bool arrive(Meeting& m, uint64_t value, const char* site) {
    m.value[m.operation & 1][current->lane] = value;
    m.arrived |= 1u << current->lane;
    current->site = site;
    return m.arrived == m.mask;
}

static void close(Meeting& m) {
    m.unread = static_cast<uint32_t>(__builtin_popcount(m.mask));
    m.arrived = 0;
    m.operation++;
}

static void wait_for(Meeting& m) {
    current->meeting = &m;
    current->operation = m.operation;
    current->state = State::at_meeting;
    give_way();
    current->state = State::ready;
}

const uint64_t* exchange(uint32_t mask, uint64_t value, const char* site) {
    Meeting& m = meeting(mask, site);
    const uint64_t* values = m.value[m.operation & 1];
    if (arrive(m, value, site)) {
        close(m);
    } else {
        wait_for(m);
    }
    m.unread--;
    return values;
}

void together(void (*act)(const uint64_t* values), void* value, const char* site) {
    Meeting& m = meeting(0xffffffffu, site);
    if (arrive(m, reinterpret_cast<uint64_t>(value), site)) {
        act(m.value[m.operation & 1]);
        close(m);
    } else {
        wait_for(m);
    }
    m.unread--;
}

namespace {

struct Statics {
    void* address;
    void* memory;
    size_t bytes;
};

int look_at(dl_phdr_info* info, size_t, void* data) {
    Statics* s = static_cast<Statics*>(data);
    bool theirs = false, mine = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) & h = info->dlpi_phdr[i];
        const auto inside = [&](const void* p) {
            const uintptr_t a = reinterpret_cast<uintptr_t>(p), start = info->dlpi_addr + h.p_vaddr;
            return h.p_type == PT_LOAD && a >= start && a - start < h.p_memsz;
        };
        theirs |= inside(s->address);
        mine |= inside(reinterpret_cast<void*>(look_at));
    }
    if (!theirs) return 0;
    for (int i = 0; i < info->dlpi_phnum && !mine; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS && info->dlpi_tls_data) {
            s->memory = info->dlpi_tls_data;
            s->bytes = info->dlpi_phdr[i].p_memsz;
        }
    return 1;
}

}  // namespace

void find_statics(void* function, Block& block) {
    Statics statics = {function, nullptr, 0};
    dl_iterate_phdr(look_at, &statics);
    block.statics = statics.memory;
    block.statics_bytes = statics.bytes;
}

bool is_shared(const void* address, size_t bytes) {
    const Block& b = *current->block;
    const char* p = static_cast<const char*>(address);
    const auto inside = [&](const void* start, size_t size) {
        const char* s = static_cast<const char*>(start);
        return p >= s && size >= bytes && static_cast<size_t>(p - s) <= size - bytes;
    };
    // without a library of their own, static shared variables cannot be told from others
    return inside(b.shared, b.shared_bytes) || !b.statics_bytes || inside(b.statics, b.statics_bytes);
}

}  // namespace stand_in
