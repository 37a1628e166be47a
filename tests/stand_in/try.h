// Runs kernels from a C++ program, for trying them out:
//
//     g++ -std=c++17 -O1 -g -w -DSTORAGE_BF16 -fsanitize=alignment,bounds -I tests/stand_in -I cuda/kernels \
//         main.cpp tests/stand_in/{threads,meetings,faults,matrix,memory}.cpp -o main
//
// where main.cpp is, say,
//
//     #include "try.h"
//     #include "norm.cu"
//     int main() {
//         Buffer<S> x(rows * columns), y(rows * columns);
//         for (...) x[i] = from_float<S>(...);
//         for (unsigned schedule = 0; schedule < 6; schedule++) {   // results must be the same bits under all
//             stand_in::set_schedule(schedule);
//             RUN(norm_forward, {rows}, 128, 0, x, y, columns, 1e-5f);   // grid, threads, dynamic shared bytes,
//             arguments
//         }
//     }
#pragma once
#include <cstdio>
#include <cstdlib>
#include <string>
#include <tuple>

#include "device.cuh"
#include "launch.h"
#include "memory.h"

#define TRY_JOIN_(a, b) a##_##b
#define TRY_JOIN(a, b) TRY_JOIN_(a, b)
// Runs `name_<storage>` and ends the program with the stand-in's sentence if it fails.
#define RUN(name, grid, threads, shared, ...) \
    stand_in::start(#name, TRY_JOIN(name, STORAGE_NAME), stand_in::Grid grid, threads, shared, __VA_ARGS__)

// Device memory with an inaccessible page behind it, filled with 0xFF.
template <class T> struct Buffer {
    T* data;
    size_t size;
    explicit Buffer(size_t n) : data(reinterpret_cast<T*>(stand_in::allocate(n * sizeof(T)))), size(n) {}
    Buffer(const Buffer&) = delete;
    ~Buffer() {
        std::string note;
        if (!stand_in::release(reinterpret_cast<uint64_t>(data), note)) {
            fprintf(stderr, "%s\n", note.c_str());
            exit(1);
        }
    }
    T& operator[](size_t i) { return data[i]; }
    operator T*() { return data; }
};

namespace stand_in {

struct Grid {
    Index3 size;
    Grid(size_t x, size_t y = 1, size_t z = 1)
        : size{static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z)} {}
};

template <class... A, class... B>
inline void start(const char* name, void (*kernel)(A...), Grid grid, unsigned threads, size_t shared, B&&... given) {
    struct Call {
        void (*kernel)(A...);
        std::tuple<A...> arguments;
    } call = {kernel, std::tuple<A...>(static_cast<A>(given)...)};
    void* pointer = &call;
    Launch launch = {name, grid.size, {threads, 1, 1}, shared, nullptr, &pointer, nullptr};
    launch.body = [](void** p) {
        Call* c = static_cast<Call*>(*p);
        std::apply(c->kernel, c->arguments);
    };
    if (const char* failure = run(launch)) {
        fprintf(stderr, "%s\n", failure);
        exit(1);
    }
}

}  // namespace stand_in
