// Products of a warp by matrix instructions, 16-bit storage. A fragment holds rows lane / 4 (elements 0, 1 of each
// group of four) and lane / 4 + 8 (elements 2, 3) at columns 8 j + 2 (lane % 4) + {0, 1}.
#pragma once
#include "attention.cuh"

// Column of element 0 of group j of a fragment of mixed rows.
__device__ __forceinline__ int mixed_column(int j) { return 8 * j + 2 * (threadIdx.x & 3); }

template <int D> __device__ __forceinline__ const S* left_address(const S* rows, int k) {
    return rows + (lane_id() & 15) * PITCH<D> + k * 16 + (lane_id() >> 4) * 8;
}

// The left operand of `scores`, kept in registers.
template <int D> struct Held {
    u32 part[D / 16][4];
    __device__ __forceinline__ void load(const S* rows) {
#pragma unroll
        for (int k = 0; k < D / 16; k++) ldmatrix_x4(part[k], left_address<D>(rows, k));
    }
    __device__ __forceinline__ void get(int k, u32 (&a)[4]) const {
#pragma unroll
        for (int i = 0; i < 4; i++) a[i] = part[k][i];
    }
};
// The left operand read from shared memory at every use.
template <int D> struct AFragment {
    const S* rows;
    __device__ __forceinline__ void load(const S* from) { rows = from; }
    __device__ __forceinline__ void get(int k, u32 (&a)[4]) const { ldmatrix_x4(a, left_address<D>(rows, k)); }
};

// s (16, N) += a (16, D) b (N, D)^T.
template <int N, int D, class Left>
__device__ __forceinline__ void add_scores(float (&s)[N / 8][4], const Left& left, const S* b) {
    const S* const at = b + ((lane_id() & 7) + (lane_id() >> 4) * 8) * PITCH<D> + (lane_id() >> 3 & 1) * 8;
#pragma unroll
    for (int k = 0; k < D / 16; k++) {
        u32 a[4];
        left.get(k, a);
#pragma unroll
        for (int j = 0; j < N / 8; j += 2) {
            u32 r[4];
            ldmatrix_x4(r, at + j * 8 * PITCH<D> + k * 16);
            const u32 b0[2] = {r[0], r[1]}, b1[2] = {r[2], r[3]};
            mma<S>(s[j], a, b0);
            mma<S>(s[j + 1], a, b1);
        }
    }
}

// s (16, N) = a (16, D) b (N, D)^T.
template <int N, int D, class Left>
__device__ __forceinline__ void scores(float (&s)[N / 8][4], const Left& left, const S* b) {
#pragma unroll
    for (int j = 0; j < N / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) s[j][i] = 0.0f;
    add_scores<N, D>(s, left, b);
}

// mixed (16, E) += s (16, N) b (N, columns 0 .. E of D); s is rounded to the storage type.
template <int E, int N, int D>
__device__ __forceinline__ void mix(float (&mixed)[E / 8][4], const float (&s)[N / 8][4], const S* b, float*) {
    const S* const at = b + (lane_id() & 15) * PITCH<D> + (lane_id() >> 4) * 8;
#pragma unroll
    for (int k = 0; k < N / 16; k++) {
        const u32 a[4] = {pack<S>(s[2 * k][0], s[2 * k][1]), pack<S>(s[2 * k][2], s[2 * k][3]),
                          pack<S>(s[2 * k + 1][0], s[2 * k + 1][1]), pack<S>(s[2 * k + 1][2], s[2 * k + 1][3])};
#pragma unroll
        for (int j = 0; j < E / 8; j += 2) {
            u32 r[4];
            ldmatrix_x4_trans(r, at + k * 16 * PITCH<D> + j * 8);
            const u32 b0[2] = {r[0], r[1]}, b1[2] = {r[2], r[3]};
            mma<S>(mixed[j], a, b0);
            mma<S>(mixed[j + 1], a, b1);
        }
    }
}

// Floats of scratch a row.
template <int N> static constexpr int SCRATCH_PITCH = 0;
