// Stacks of their own that are switched between: assembly on x86-64, ucontext elsewhere.
#pragma once
#include <cstddef>
#include <sys/mman.h>
#include <unistd.h>
#if !defined(__x86_64__) || defined(STAND_IN_UCONTEXT)
#define STAND_IN_UCONTEXT 1
#include <ucontext.h>
#endif

namespace stand_in {

#ifdef STAND_IN_UCONTEXT
typedef ucontext_t Context;
#else
typedef void* Context;
extern "C" void stand_in_switch(void** save, void* to);
#endif

inline void switch_context(Context& from, Context& to) {
#ifdef STAND_IN_UCONTEXT
    swapcontext(&from, &to);
#else
    stand_in_switch(&from, to);
#endif
}

// A stack with an inaccessible page below it.
struct Fiber {
    static constexpr size_t STACK = 64 << 10;
    Context context;
    char* stack;
    size_t size;

    // Stacks of different `number` start at different places in their pages, so that they do not compete for the same
    // lines of the processor's caches.
    explicit Fiber(size_t number) : size(STACK - number * 320 % 8192) {
        const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
        void* memory =
            mmap(nullptr, STACK + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        stack = memory == MAP_FAILED ? nullptr : static_cast<char*>(memory) + page;
        if (stack) mprotect(memory, page, PROT_NONE);
    }
    // The next switch to the fiber calls `entry`, which must not return.
    void prepare(void (*entry)()) {
#ifdef STAND_IN_UCONTEXT
        getcontext(&context);
        context.uc_stack.ss_sp = stack;
        context.uc_stack.ss_size = size;
        context.uc_link = nullptr;
        makecontext(&context, entry, 0);
#else
        void** top = reinterpret_cast<void**>(stack + size);
        *--top = nullptr;  // the return address of `entry`: aligns the stack as after a call
        *--top = reinterpret_cast<void*>(entry);
        for (int saved = 0; saved < 6; saved++) *--top = nullptr;
        context = top;
#endif
    }
};

}  // namespace stand_in
