// CUDA threads on the CPU: the interface that kernels (through device.cuh) and the stand-in libraries share.
//
// Every CUDA thread of a block is a fiber; blocks run one after another on the calling system thread. A fiber gives way
// only at barriers, warp operations and `fail`, so code between those is not interleaved: there is NO memory model
// here. A thread that meets no barrier is an ordinary function call on the fiber of the thread before it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace stand_in {

struct Index3 {
    unsigned x, y, z;
};

// Lanes of a warp that named the same mask. Values are kept for two operations in turn, because lanes that are ahead
// publish for the next one while others have not yet read this one.
struct Meeting {
    uint32_t mask = 0, arrived = 0, unread = 0;
    uint64_t operation = 0;
    const char* site = nullptr;
    uint64_t value[2][32];
};

struct Warp {
    static constexpr unsigned MEETINGS = 8;
    uint32_t exists = 0, exited = 0;
    Meeting meetings[MEETINGS];
};

// An asynchronous copy under way. Data are read and written as late as allowed: at the wait.
struct Copy {
    void* shared;
    const void* global;
    unsigned group;
    bool valid;
};

struct Block {
    Index3 index, threads, grid;
    unsigned live, waiting;
    unsigned votes, last_votes;
    const char* site;
    unsigned char* shared;
    size_t shared_bytes;
    void* statics;
    size_t statics_bytes;
};

struct Fiber;
enum class State : uint8_t {
    fresh,
    ready,
    at_barrier,
    at_meeting,
    done
};

struct Thread {
    Index3 index;
    unsigned lane;
    State state;
    Warp* warp;
    Block* block;
    Fiber* fiber;
    const char* site;
    Meeting* meeting;
    uint64_t operation;
    unsigned group;
    std::vector<Copy> copies;
};

// The running CUDA thread of this system thread; null outside kernels.
extern __attribute__((tls_model("initial-exec"))) thread_local Thread* current;

// Ends the launch with a sentence that names kernel, block and thread.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

// Waits for all threads of the block that have not exited; returns how many of them voted yes.
unsigned block_barrier(const char* site, bool vote);

// Publishes a word and waits for all lanes of the mask; returns everybody's words by lane.
const uint64_t* exchange(uint32_t mask, uint64_t value, const char* site);

// As `exchange` over the full warp; the lane that comes last acts for all.
void together(void (*act)(const uint64_t* values), void* value, const char* site);

bool is_shared(const void* address, size_t bytes);
void copy_start(void* shared, const void* global, bool valid);
void copy_finish(unsigned groups_left);

// A launch. `body` runs one thread; `touch` returns an address among the static shared variables of the kernel's
// library.
struct Launch {
    const char* kernel;
    Index3 grid, threads;
    size_t shared_bytes;
    void (*body)(void** arguments);
    void** arguments;
    void* (*touch)();
};

// Runs a launch to its end; null, or a sentence about the failure (kept until the thread's next launch).
const char* run(const Launch& launch);

// Order of threads for launches of this system thread: 0 ascending, 1 descending, others are seeds of random orders;
// odd seeds run a warp as far as it comes, even ones (and 0) advance all warps side by side.
void set_schedule(unsigned schedule);

}  // namespace stand_in
