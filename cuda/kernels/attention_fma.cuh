// Products of a warp in exact single precision, from shared memory. Fragments are shared out among the lanes as by the
// matrix instructions (see attention_mma.cuh), so a lane has 2 x N / 4 results of `scores` and reads (2 + N / 4) groups
// of four numbers for each 4 x 2 x N / 4 multiplications. Rows that are mixed have another order of columns, which lets
// a lane read four neighbours at once: 16 (j / 2) + 4 (lane % 4) + 2 (j % 2) + {0, 1}.
#pragma once
#include "attention.cuh"

// Column of element 0 of group j of a fragment of mixed rows.
__device__ __forceinline__ int mixed_column(int j) { return 16 * (j / 2) + 4 * (threadIdx.x & 3) + 2 * (j & 1); }

__device__ __forceinline__ float4 four(const float* p) { return *reinterpret_cast<const float4*>(p); }

// The left operand of `scores`.
template <int D> struct AFragment {
    const S* rows;
    __device__ __forceinline__ void load(const S* from) { rows = from; }
};
template <int D> struct Held : AFragment<D> {};

// Groups of four columns that `scores` reads ahead: one where the assembler, given more, runs out of registers.
#if __CUDA_ARCH__ >= 1000
static constexpr int UNROLL = 1;
#else
static constexpr int UNROLL = 2;
#endif

// s (16, N) += a (16, D) b (N, D)^T.
template <int N, int D, class Left>
__device__ __forceinline__ void add_scores(float (&s)[N / 8][4], const Left& left, const S* b) {
    const float* const a0 = left.rows + lane_id() / 4 * PITCH<D>;
    const float* const a1 = a0 + 8 * PITCH<D>;
    const float* const b0 = b + score_column(0) * PITCH<D>;
#pragma unroll UNROLL
    for (int k = 0; k < D; k += 4) {
        const float4 x = four(a0 + k), y = four(a1 + k);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 2; c++) {
                const float4 z = four(b0 + (8 * j + c) * PITCH<D> + k);
                s[j][c] = fmaf(x.w, z.w, fmaf(x.z, z.z, fmaf(x.y, z.y, fmaf(x.x, z.x, s[j][c]))));
                s[j][2 + c] = fmaf(y.w, z.w, fmaf(y.z, z.z, fmaf(y.y, z.y, fmaf(y.x, z.x, s[j][2 + c]))));
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

// Floats of scratch a row.
template <int N> static constexpr int SCRATCH_PITCH = N + 4;

// mixed (16, E) += s (16, N) b (N, columns 0 .. E of D); `scratch` is the warp's own.
template <int E, int N, int D>
__device__ __forceinline__ void mix(float (&mixed)[E / 8][4], const float (&s)[N / 8][4], const S* b, float* scratch) {
    float* const own = scratch + lane_id() / 4 * SCRATCH_PITCH<N>;
    float* const lower = own + 8 * SCRATCH_PITCH<N>;
    __syncwarp(ALL_LANES);
#pragma unroll
    for (int j = 0; j < N / 8; j++) {
        store_two(own + score_column(j), s[j][0], s[j][1]);
        store_two(lower + score_column(j), s[j][2], s[j][3]);
    }
    __syncwarp(ALL_LANES);
    const float* const at = b + 4 * (threadIdx.x & 3);
#pragma unroll 1
    for (int k = 0; k < N; k += 4) {
        const float4 x4 = four(own + k), y4 = four(lower + k);
        const float x[4] = {x4.x, x4.y, x4.z, x4.w}, y[4] = {y4.x, y4.y, y4.z, y4.w};
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < E / 16; j++) {
                const float4 z = four(at + (k + i) * PITCH<D> + 16 * j);
                float(&m)[4] = mixed[2 * j], (&n)[4] = mixed[2 * j + 1];
                m[0] = fmaf(x[i], z.x, m[0]), m[1] = fmaf(x[i], z.y, m[1]);
                n[0] = fmaf(x[i], z.z, n[0]), n[1] = fmaf(x[i], z.w, n[1]);
                m[2] = fmaf(y[i], z.x, m[2]), m[3] = fmaf(y[i], z.y, m[3]);
                n[2] = fmaf(y[i], z.z, n[2]), n[3] = fmaf(y[i], z.w, n[3]);
            }
    }
}
