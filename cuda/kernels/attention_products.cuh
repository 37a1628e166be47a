// The products of the storage type, and what the passes over queries share.
#pragma once
#if defined(STORAGE_BF16) || defined(STORAGE_F16)
#include "attention_mma.cuh"
#else
#include "attention_fma.cuh"
#endif

// Columns of scores that a pass computes at a time: as many as leave its arrays in registers. The host computes the
// shared memory with the same numbers (`Pass::columns` in op/attention.rs).
enum Pass { FORWARD, QUERIES, KEYS, TANGENT_QUERIES, TANGENT_KEYS };
template <int D, Pass PASS> __device__ constexpr int columns_of() {
    if (sizeof(S) == 4) return D > 128 ? 8 : D > 64 || PASS == TANGENT_KEYS ? 16 : 32;
    if (PASS == FORWARD) return D > 128 ? 32 : 64;
    if (PASS == QUERIES && D <= 64) return 64;
    return D > 128 || PASS == TANGENT_KEYS || (PASS == TANGENT_QUERIES && D > 64) ? 16 : 32;
}

// As KERNEL, with the blocks of 4 warps that are to fit a multiprocessor: a bound on registers.
#undef KERNEL
#define KERNEL(threads, name) extern "C" __global__ void __launch_bounds__(threads, BLOCKS) JOIN(name, STORAGE_NAME)

template <bool FIRST, class A, class B> struct Choose {
    typedef A Type;
};
template <class A, class B> struct Choose<false, A, B> {
    typedef B Type;
};

// Scratch of the calling warp, behind the tiles of a block.
template <int N> __device__ __forceinline__ float* warp_scratch(S* behind) {
    return reinterpret_cast<float*>(behind) + warp_row() * SCRATCH_PITCH<N>;
}

// What lies behind the scratch of all warps.
template <int N> __device__ __forceinline__ float* behind_scratch(S* behind) {
    return reinterpret_cast<float*>(behind) + block_rows() * SCRATCH_PITCH<N>;
}

// sum_i += the lane's elements of its rows i = 0, 1 of a fragment of scores.
template <int N> __device__ __forceinline__ void add_rows(float (&sum)[2], const float (&s)[N / 8][4]) {
#pragma unroll
    for (int j = 0; j < N / 8; j++)
#pragma unroll
        for (int c = 0; c < 4; c++) sum[c / 2] += s[j][c];
}

// Sums over the columns of two rows in global memory for the lane's rows i = 0, 1 (rows null: 0): <a_i, b_i>.
template <int D>
__device__ __forceinline__ void row_products(
    const Attention& p, const S* const (&a)[2], const S* const (&b)[2], float (&sum)[2]) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
        sum[i] = 0.0f;
        if (a[i])
            for (int j = 0; j < D / 8; j++) {
                const float2 x = pair(a[i], mixed_column(j), p.width, p.vector);
                const float2 y = pair(b[i], mixed_column(j), p.width, p.vector);
                sum[i] = fmaf(x.x, y.x, fmaf(x.y, y.y, sum[i]));
            }
        sum[i] = quad_sum(sum[i]);
    }
}

// mixed_i += factor_i row_i for the lane's rows.
template <int D>
__device__ __forceinline__ void mix_rows(
    const Attention& p, float (&mixed)[D / 8][4], const S* const (&rows)[2], const float (&factor)[2]) {
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const float2 x = rows[i] ? pair(rows[i], mixed_column(j), p.width, p.vector) : make_float2(0.0f, 0.0f);
            mixed[j][2 * i] = fmaf(factor[i], x.x, mixed[j][2 * i]);
            mixed[j][2 * i + 1] = fmaf(factor[i], x.y, mixed[j][2 * i + 1]);
        }
}

// Writes factor_i mixed_i to the lane's rows.
template <int D>
__device__ __forceinline__ void store_rows(
    const Attention& p, S* const (&rows)[2], const float (&mixed)[D / 8][4], const float (&factor)[2]) {
#pragma unroll
    for (int i = 0; i < 2; i++)
        if (rows[i])
#pragma unroll
            for (int j = 0; j < D / 8; j++) {
                const float x = factor[i] * mixed[j][2 * i], y = factor[i] * mixed[j][2 * i + 1];
                store_pair(rows[i], mixed_column(j), p.width, p.vector, x, y);
            }
}

// The lane's two queries.
struct Queries {
    // Row of the whole batch, or -1 outside the sequence.
    int row[2];

    __device__ __forceinline__ Queries(const Attention& p, int sequence_row, int t0) {
        for (int i = 0; i < 2; i++) {
            const int t = t0 + warp_row() + lane_id() / 4 + 8 * i;
            row[i] = t < p.context ? sequence_row + t : -1;
        }
    }
    // Column `column` of the rows of a matrix `stride` wide; null outside the sequence.
    template <class T> __device__ __forceinline__ void of(T* base, int stride, int column, T* (&rows)[2]) const {
        for (int i = 0; i < 2; i++) rows[i] = row[i] < 0 ? nullptr : base + i64(row[i]) * stride + column;
    }
};

// Walks a block's queries over tiles of N keys, each of M matrices of keys and values; `each(tiles of keys and values,
// first key)` computes with one, tiles N rows apart: keys, values, keys, values; where M is 1, `each(tile of keys, tile of
// values, first key)`. The row tiles are on their way when this is called (one group of copies is then open) and have come
// when `ready` runs.
template <int D, int N, int M, class Ready, class Each>
__device__ __forceinline__ void over_all_keys(
    const Attention& p, const Keys (&keys)[M], int first, int last, S* staged, Ready ready, Each each) {
    constexpr int TILE = N * PITCH<D>;
    if (first > last) return;
    auto load = [&](int stage, int u) {
#pragma unroll
        for (int i = 0; i < M; i++) {
            load_tile<D, N>(p, staged + 2 * (M * stage + i) * TILE, keys[i].k, keys[i].stride, u);
            load_tile<D, N>(
                p, staged + (2 * (M * stage + i) + 1) * TILE, keys[i].k + keys[i].apart, keys[i].stride, u);
        }
        copy_commit();
    };
    auto arrive = [&] {
        copy_wait<0>();
        __syncthreads();
    };
    load(0, first);
    arrive();
    ready();
    for (int u = first, stage = 0; u <= last; u += N) {
        const bool more = u + N <= last;
        if (more && p.stages == 2) load(stage ^ 1, u + N);
        if constexpr (M == 1)
            each(staged + 2 * stage * TILE, staged + (2 * stage + 1) * TILE, u);
        else
            each(staged + 2 * M * stage * TILE, u);
        if (more) {
            if (p.stages == 2)
                stage ^= 1;
            else {
                __syncthreads();
                load(0, u + N);
            }
            arrive();
        }
    }
}

// The same for one matrix of keys and values.
template <int D, int N, class Ready, class Each>
__device__ __forceinline__ void over_keys(
    const Attention& p, const Keys& keys, int first, int last, S* staged, Ready ready, Each each) {
    const Keys all[1] = {keys};
    over_all_keys<D, N>(p, all, first, last, staged, ready, each);
}
