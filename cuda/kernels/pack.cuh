// Runs of W consecutive elements (W = 8 or 4 where addresses are 16-byte aligned, else 1), sweeps over them, and sums
// over the threads that share a row.
#pragma once
#include "common.cuh"

template <int N> struct Width {
    static constexpr int value = N;
};

// W elements as they lie in memory: 8 half-width numbers take one access of 16 bytes, 8 floats two.
template <class T, int W> struct Pack;
template <class T> struct Pack<T, 1> {
    T value;
};
template <class T> struct Pack<T, 8> {
    uint4 part[sizeof(T) / 2];
};
// 4 elements as two words of 32 bits (half-width numbers) or four (floats).
template <class T> struct Pack<T, 4> {
    u64 part[sizeof(T) / 2];
};

template <int W, class T> __device__ __forceinline__ Pack<T, W> load(const T* p) {
    Pack<T, W> pack;
    if constexpr (W == 1) {
        pack.value = *p;
    } else if constexpr (W == 4 && sizeof(T) == 2) {
        pack.part[0] = *reinterpret_cast<const u64*>(p);
    } else if constexpr (W == 4) {
        const uint4 words = *reinterpret_cast<const uint4*>(p);
        pack.part[0] = words.x | (u64)words.y << 32;
        pack.part[1] = words.z | (u64)words.w << 32;
    } else {
#pragma unroll
        for (int i = 0; i < (int)sizeof(T) / 2; i++) pack.part[i] = reinterpret_cast<const uint4*>(p)[i];
    }
    return pack;
}

template <class T, int W> __device__ __forceinline__ void open(const Pack<T, W>& pack, float (&v)[W]) {
    if constexpr (W == 1) {
        v[0] = to_float(pack.value);
    } else if constexpr (W == 4 && sizeof(T) == 2) {
        const float2 low = unpack<T>((u32)pack.part[0]), high = unpack<T>((u32)(pack.part[0] >> 32));
        v[0] = low.x;
        v[1] = low.y;
        v[2] = high.x;
        v[3] = high.y;
    } else if constexpr (W == 4) {
#pragma unroll
        for (int i = 0; i < 4; i++) v[i] = __uint_as_float((u32)(pack.part[i / 2] >> 32 * (i % 2)));
    } else if constexpr (sizeof(T) == 4) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            v[4 * i] = __uint_as_float(pack.part[i].x);
            v[4 * i + 1] = __uint_as_float(pack.part[i].y);
            v[4 * i + 2] = __uint_as_float(pack.part[i].z);
            v[4 * i + 3] = __uint_as_float(pack.part[i].w);
        }
    } else {
        const u32 words[4] = {pack.part[0].x, pack.part[0].y, pack.part[0].z, pack.part[0].w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const float2 two = unpack<T>(words[i]);
            v[2 * i] = two.x;
            v[2 * i + 1] = two.y;
        }
    }
}

template <int W, class T> __device__ __forceinline__ void read(const T* p, float (&v)[W]) {
    open(load<W>(p), v);
}

template <class T, int W> __device__ __forceinline__ void write(T* p, const float (&v)[W]) {
    if constexpr (W == 1) {
        *p = from_float<T>(v[0]);
    } else if constexpr (W == 4 && sizeof(T) == 2) {
        *reinterpret_cast<u64*>(p) = pack<T>(v[0], v[1]) | (u64)pack<T>(v[2], v[3]) << 32;
    } else if constexpr (sizeof(T) == 4) {
#pragma unroll
        for (int i = 0; i < W / 4; i++) {
            reinterpret_cast<float4*>(p)[i] = make_float4(v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]);
        }
    } else {
        uint4 words;
        words.x = pack<T>(v[0], v[1]);
        words.y = pack<T>(v[2], v[3]);
        words.z = pack<T>(v[4], v[5]);
        words.w = pack<T>(v[6], v[7]);
        *reinterpret_cast<uint4*>(p) = words;
    }
}

// Storage types known only when a kernel runs; the numbers are those of the host's enumeration.
static constexpr u32 KIND_F32 = 0, KIND_BF16 = 1, KIND_F16 = 2;

template <int W> __device__ __forceinline__ void read_any(const void* p, u32 kind, u64 at, float (&v)[W]) {
    if (kind == KIND_F32) {
        read(static_cast<const float*>(p) + at, v);
    } else if (kind == KIND_BF16) {
        read(static_cast<const bf16*>(p) + at, v);
    } else {
        read(static_cast<const f16*>(p) + at, v);
    }
}

// Row and column of element `at` of a matrix.
__device__ __forceinline__ void locate(u64 at, u32 columns, u64& row, u32& column) {
    if (at >> 32 == 0) {
        row = (u32)at / columns;
        column = (u32)at % columns;
    } else {
        row = at / columns;
        column = (u32)(at % columns);
    }
}

// Calls f(Width<W>, at) for `count` elements, shared among all threads of the grid. Where columns matter to f and the
// sweep is wide, the number of columns is a multiple of 8; N (4 or 8) is the width then.
template <int N = 8, class F> __device__ __forceinline__ void flat(u64 count, bool wide, F f) {
    const u64 thread = (u64)blockIdx.x * blockDim.x + threadIdx.x, threads = (u64)gridDim.x * blockDim.x;
    if (wide) {
        const u64 whole = count & ~(u64)(N - 1);
        for (u64 at = N * thread; at < whole; at += N * threads) f(Width<N>(), at);
        if (thread < count - whole) f(Width<1>(), whole + thread);
    } else {
        for (u64 at = thread; at < count; at += threads) f(Width<1>(), at);
    }
}

// The threads of one row: `group` of them, a power of two from 32 to the size of the block.
struct Place {
    u32 lane, group, columns;
    u64 row;
    // Whether the row exists; threads without one still take part in reductions.
    bool live;
};

__device__ __forceinline__ Place place(u32 rows, u32 columns, u32 group) {
    Place p;
    p.lane = threadIdx.x % group;
    p.group = group;
    p.columns = columns;
    p.row = (u64)blockIdx.x * (blockDim.x / group) + threadIdx.x / group;
    p.live = p.row < rows;
    return p;
}

// Calls f(i, at) for this thread's runs of the row: run i is kept in registers where N > 0 (the row has at most
// N W group columns); with N = 0 the row has any length and i is 0.
template <int N, int W, class F> __device__ __forceinline__ void sweep(const Place& p, F f) {
    if (!p.live) return;
    if constexpr (N > 0) {
#pragma unroll
        for (int i = 0; i < N; i++) {
            const u32 at = W * (p.lane + i * p.group);
            if (at < p.columns) f(i, at);
        }
    } else {
        for (u32 at = W * p.lane; at < p.columns; at += W * p.group) f(0, at);
    }
}

// Sum (or maximum) over the threads of a row, the same bits in all of them; all threads of the block must call.
template <bool MAX> __device__ __forceinline__ float over_row(float v, const Place& p) {
    v = MAX ? warp_max(v) : warp_sum(v);
    if (p.group > 32) {
        __shared__ float warps[32];
        const u32 warp = threadIdx.x >> 5, each = p.group >> 5, first = warp / each * each;
        __syncthreads();
        if ((threadIdx.x & 31) == 0) warps[warp] = v;
        __syncthreads();
        v = warps[first];
        for (u32 i = 1; i < each; i++) v = MAX ? fmaxf(v, warps[first + i]) : v + warps[first + i];
    }
    return v;
}
__device__ __forceinline__ float row_sum(float v, const Place& p) {
    return over_row<false>(v, p);
}
__device__ __forceinline__ float row_max(float v, const Place& p) {
    return over_row<true>(v, p);
}
