// The CPU's version of cuda/kernels/device/device.cuh: the same names in plain C++ over the threads of threads.h.
//
// Stricter than a device where that finds mistakes: warp operations must be reached by exactly the lanes of their mask
// and at the same place, barriers by all threads at the same place, matrix rows must lie in shared memory and be
// aligned, asynchronous copies arrive no earlier than at the wait, shared memory starts as not-a-number. Not faithful:
// memory order, warps in lock step, `fast_exp2` (exact here), the order of sums within `mma`.
#pragma once
#include <cmath>
#include <cstdio>
#include <cstring>

#include "threads.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __constant__ static
#define __shared__ static thread_local

#define threadIdx (stand_in::current->index)
#define blockIdx (stand_in::current->block->index)
#define blockDim (stand_in::current->block->threads)
#define gridDim (stand_in::current->block->grid)
#define warpSize 32

#define STAND_IN_TEXT_(x) #x
#define STAND_IN_TEXT(x) STAND_IN_TEXT_(x)
#define STAND_IN_SITE __FILE__ ":" STAND_IN_TEXT(__LINE__)

#define INFINITY_F __uint_as_float(0x7f800000u)
#define SHARED_MEMORY(name) unsigned char* const name = stand_in::current->block->shared

struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) int2 {
    int x, y;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
struct alignas(8) uint2 {
    u32 x, y;
};
struct uint3 {
    u32 x, y, z;
};
struct alignas(16) uint4 {
    u32 x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(u32 x, u32 y) { return {x, y}; }
inline uint4 make_uint4(u32 x, u32 y, u32 z, u32 w) { return {x, y, z, w}; }

struct f16 {
    u16 bits;
};
struct bf16 {
    u16 bits;
};

#include "arithmetic.h"

// Barriers, votes and shuffles.
#define __syncthreads() static_cast<void>(stand_in::block_barrier(STAND_IN_SITE, false))
#define __syncthreads_or(p) (stand_in::block_barrier(STAND_IN_SITE, !!(p)) != 0 ? 1 : 0)
#define __syncthreads_and(p) (stand_in::block_barrier(STAND_IN_SITE, !(p)) == 0 ? 1 : 0)
#define __syncthreads_count(p) static_cast<int>(stand_in::block_barrier(STAND_IN_SITE, !!(p)))
#define __syncwarp \
    StandInSyncWarp { STAND_IN_SITE }
#define __shfl_sync(...) stand_in_shuffle(STAND_IN_SITE, __VA_ARGS__)
#define __shfl_xor_sync(...) stand_in_shuffle_xor(STAND_IN_SITE, __VA_ARGS__)
#define __shfl_down_sync(...) stand_in_shuffle_down(STAND_IN_SITE, __VA_ARGS__)
#define __shfl_up_sync(...) stand_in_shuffle_up(STAND_IN_SITE, __VA_ARGS__)
#define __ballot_sync(mask, p) stand_in_ballot(STAND_IN_SITE, mask, !!(p))
#define __any_sync(mask, p) (stand_in_ballot(STAND_IN_SITE, mask, !!(p)) != 0 ? 1 : 0)
#define __all_sync(mask, p) (stand_in_ballot(STAND_IN_SITE, mask, !(p)) == 0 ? 1 : 0)
#define __match_any_sync(mask, v) stand_in_match(STAND_IN_SITE, mask, v)

struct StandInSyncWarp {
    const char* site;
    void operator()(u32 mask = 0xffffffffu) const { stand_in::exchange(mask, 0, site); }
};

// The value of lane `source`; lanes that ask beyond their part of the warp keep their own.
template <class T> inline T stand_in_take(const char* site, u32 mask, T value, int source, bool within) {
    static_assert(sizeof(T) <= 8, "shuffles move at most 8 bytes");
    uint64_t word = 0;
    memcpy(&word, &value, sizeof value);
    const uint64_t* words = stand_in::exchange(mask, word, site);
    if (!within) return value;
    if (!(mask >> (source & 31) & 1))
        stand_in::fail("%s: reads lane %d, which is not in the mask %08x", site, source, mask);
    memcpy(&value, &words[source & 31], sizeof value);
    return value;
}
inline int stand_in_part(int width) {
    const int lane = static_cast<int>(stand_in::current->lane);
    return lane & ~(width - 1);
}
template <class T> inline T stand_in_shuffle(const char* site, u32 mask, T v, int source, int width = 32) {
    return stand_in_take(site, mask, v, stand_in_part(width) + (source & (width - 1)), true);
}
template <class T> inline T stand_in_shuffle_xor(const char* site, u32 mask, T v, int bits, int width = 32) {
    const int source = static_cast<int>(stand_in::current->lane) ^ bits;
    return stand_in_take(site, mask, v, source, source < stand_in_part(width) + width);
}
template <class T> inline T stand_in_shuffle_down(const char* site, u32 mask, T v, u32 distance, int width = 32) {
    const int source = static_cast<int>(stand_in::current->lane + distance);
    return stand_in_take(site, mask, v, source, source < stand_in_part(width) + width);
}
template <class T> inline T stand_in_shuffle_up(const char* site, u32 mask, T v, u32 distance, int width = 32) {
    const int source = static_cast<int>(stand_in::current->lane) - static_cast<int>(distance);
    return stand_in_take(site, mask, v, source, source >= stand_in_part(width));
}
inline u32 stand_in_ballot(const char* site, u32 mask, bool vote) {
    const uint64_t* words = stand_in::exchange(mask, vote, site);
    u32 votes = 0;
    for (int lane = 0; lane < 32; lane++)
        if (mask >> lane & 1) votes |= static_cast<u32>(words[lane]) << lane;
    return votes;
}
template <class T> inline u32 stand_in_match(const char* site, u32 mask, T value) {
    uint64_t word = 0;
    memcpy(&word, &value, sizeof value);
    const uint64_t* words = stand_in::exchange(mask, word, site);
    u32 same = 0;
    for (int lane = 0; lane < 32; lane++)
        if ((mask >> lane & 1) && words[lane] == word) same |= 1u << lane;
    return same;
}

// Atomic by construction: a block's threads take turns, and blocks run one after another.
template <class T, class F> inline T stand_in_replace(T* p, F change) {
    const T old = *p;
    *p = change(old);
    return old;
}
template <class T> struct StandInSame {
    typedef T Type;
};
template <class T> inline T atomicAdd(T* p, typename StandInSame<T>::Type v) {
    return stand_in_replace(p, [=](T o) { return static_cast<T>(o + v); });
}
template <class T> inline T atomicSub(T* p, typename StandInSame<T>::Type v) {
    return stand_in_replace(p, [=](T o) { return static_cast<T>(o - v); });
}
template <class T> inline T atomicMax(T* p, typename StandInSame<T>::Type v) {
    return stand_in_replace(p, [=](T o) { return o < v ? v : o; });
}
template <class T> inline T atomicMin(T* p, typename StandInSame<T>::Type v) {
    return stand_in_replace(p, [=](T o) { return v < o ? v : o; });
}
template <class T> inline T atomicOr(T* p, typename StandInSame<T>::Type v) {
    return stand_in_replace(p, [=](T o) { return static_cast<T>(o | v); });
}
template <class T> inline T atomicAnd(T* p, typename StandInSame<T>::Type v) {
    return stand_in_replace(p, [=](T o) { return static_cast<T>(o & v); });
}
template <class T> inline T atomicExch(T* p, typename StandInSame<T>::Type v) {
    return stand_in_replace(p, [=](T) { return v; });
}
template <class T> inline T atomicCAS(T* p, typename StandInSame<T>::Type c, typename StandInSame<T>::Type v) {
    return stand_in_replace(p, [=](T o) { return o == c ? v : o; });
}
inline void __threadfence() {}
inline void __threadfence_block() {}
template <class T> inline T __ldg(const T* p) { return *p; }

// Matrix instructions. The lane that comes last computes for the warp.
namespace stand_in {
struct Fragments {
    float* d;
    const u32 *a, *b;
};
struct Rows {
    u32* out;
    const void* row;
};
void mma_f16(const uint64_t* lanes);
void mma_bf16(const uint64_t* lanes);
void load_rows(const uint64_t* lanes, int matrices, bool transpose);
template <int N, bool TRANSPOSE> inline void load(u32* out, const void* row, const char* site) {
    if (static_cast<int>(current->lane) < 8 * N) {
        if (reinterpret_cast<uintptr_t>(row) & 15) fail("%s: the row of a matrix is not aligned to 16 bytes", site);
        if (!is_shared(row, 16)) fail("%s: the row of a matrix does not lie in shared memory", site);
    }
    Rows mine = {out, row};
    together([](const uint64_t* lanes) { load_rows(lanes, N, TRANSPOSE); }, &mine, site);
}
}  // namespace stand_in

template <class T> inline void mma(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]);
template <> inline void mma<f16>(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    stand_in::Fragments mine = {d, a, b};
    stand_in::together(stand_in::mma_f16, &mine, "mma<f16>");
}
template <> inline void mma<bf16>(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    stand_in::Fragments mine = {d, a, b};
    stand_in::together(stand_in::mma_bf16, &mine, "mma<bf16>");
}
inline void ldmatrix_x4(u32 (&r)[4], const void* row) { stand_in::load<4, false>(r, row, "ldmatrix_x4"); }
inline void ldmatrix_x4_trans(u32 (&r)[4], const void* row) { stand_in::load<4, true>(r, row, "ldmatrix_x4_trans"); }
inline void ldmatrix_x2(u32 (&r)[2], const void* row) { stand_in::load<2, false>(r, row, "ldmatrix_x2"); }
inline void ldmatrix_x2_trans(u32 (&r)[2], const void* row) { stand_in::load<2, true>(r, row, "ldmatrix_x2_trans"); }

inline void copy_async16(void* shared, const void* global, bool valid) { stand_in::copy_start(shared, global, valid); }
inline void copy_commit() { stand_in::current->group++; }
template <int N> inline void copy_wait() { stand_in::copy_finish(N); }
