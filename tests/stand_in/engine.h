// What the scheduler's files share: the state of a launch under way.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "fiber.h"
#include "threads.h"

namespace stand_in {

// What a launch needs; engines are reused, one launch at a time each.
struct Engine {
    const Launch* launch;
    Block block;
    unsigned count = 0, warps = 0;
    uint64_t block_number, blocks, random;
    std::vector<Thread> threads;
    std::vector<Warp> warp;
    std::vector<Thread*> order;
    // segments of `order` are run as far as they come before the next
    unsigned segment, cursor, begin, idle_segments;
    bool progress, shuffled;
    std::vector<std::unique_ptr<Fiber>> fibers;
    size_t fibers_used;
    std::vector<Fiber*> idle;
    Context host;
    unsigned char* shared_map = nullptr;

    Fiber* fiber();
    Thread* pick();
    bool next_block();
    void arrange(unsigned schedule);
};

// The engine of the launch that this system thread runs; null outside launches.
extern thread_local Engine* engine;

// Goes on with another thread, or with this one if it is its turn again.
void give_way();
// Lets the threads at the block's barrier go on.
void release_barrier(Engine& e);

// Ends the launch: nothing can go on.
[[noreturn]] void deadlock(Engine& e);
// The sentence of the launch's failure; null if it did not fail.
const char* kept_failure();
void forget_failure();
// Makes faults of kernels failures of their launch, once a process and once a system thread.
void prepare_signals();

// The thread-local memory of the library with this function, which is its static shared variables. None for the library
// that the scheduler is in: its thread-local variables are the scheduler's own.
void find_statics(void* function, Block& block);

}  // namespace stand_in
