// Kernels by name with the sizes of their arguments, which are known from their own types.
#pragma once
#include <type_traits>
#include <utility>

#include "threads.h"

namespace stand_in {

struct Kernel {
    const char* name;
    const char* source;  // hash of the file's text
    const char* storage;
    void (*body)(void** arguments);
    const unsigned* sizes;
    unsigned count;    // of arguments
    unsigned threads;  // most of a block
    void* (*touch)();
};

// Adds a kernel to those that modules are made of; false, so that a static variable may be initialised by the call.
bool enroll(const Kernel& kernel);

template <auto F> struct Entry;
template <class... A, void (*F)(A...)> struct Entry<F> {
    static_assert((std::is_trivially_copyable<A>::value && ...), "kernel arguments are passed as bytes");
    static constexpr unsigned count = sizeof...(A);
    static constexpr unsigned sizes[sizeof...(A) + 1] = {sizeof(A)..., 0};

    template <size_t... I> static void call(void** arguments, std::index_sequence<I...>) {
        F(*static_cast<A*>(arguments[I])...);
    }
    static void body(void** arguments) { call(arguments, std::index_sequence_for<A...>()); }
};

}  // namespace stand_in
