// Single precision: 256 threads, each (TILE/16)^2 elements; the sum runs in steps of 16 through two stages of shared
// memory stored with k outermost, filled from registers that were loaded while the stage before was multiplied.
#pragma once
#include "grouped.cuh"

static constexpr int THREADS = 256, STEP = 16;

// Elements (i, k) of a tile, neighbours in memory to neighbouring threads.
template <int TILE, bool DEEP>
__device__ __forceinline__ void fetch(float (&r)[TILE / 16], const Operand& o, u32 first, u32 end) {
#pragma unroll
    for (int c = 0; c < TILE / 16; c++) {
        const int at = c * THREADS + threadIdx.x, i = DEEP ? at % TILE : at / STEP, k = DEEP ? at / TILE : at % STEP;
        const u32 x = o.begin + i, y = first + k;
        const bool valid = x < o.end && y < end;
        r[c] = valid ? o.base[DEEP ? y * o.stride + x : x * o.stride + y] : 0.0f;
    }
}
template <int TILE, bool DEEP> __device__ __forceinline__ void keep(float* stage, const float (&r)[TILE / 16]) {
#pragma unroll
    for (int c = 0; c < TILE / 16; c++) {
        const int at = c * THREADS + threadIdx.x, i = DEEP ? at % TILE : at / STEP, k = DEEP ? at / TILE : at % STEP;
        stage[k * (TILE + 4) + i] = r[c];
    }
}

template <int TILE, Form FORM, bool ALIGNED> __device__ __forceinline__ void product(const Grouped& p, const Tile& t) {
    constexpr bool ADEEP = FORM == TN, BDEEP = FORM != NT;
    constexpr int OWN = TILE / 16, QUADS = OWN / 4, PITCH = TILE + 4, SIZE = STEP * PITCH;
    SHARED_MEMORY(memory);
    float* const as = reinterpret_cast<float*>(memory);
    float* const bs = as + 2 * SIZE;
    const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    const Operand a = left<FORM>(p, t), b = right<FORM>(p, t);
    float sum[OWN][OWN] = {}, ra[TILE / 16], rb[TILE / 16];
    if (t.first < t.end) {
        fetch<TILE, ADEEP>(ra, a, t.first, t.end);
        fetch<TILE, BDEEP>(rb, b, t.first, t.end);
    }
    int now = 0;
    for (u32 first = t.first; first < t.end; first += STEP, now ^= 1) {
        keep<TILE, ADEEP>(as + now * SIZE, ra);
        keep<TILE, BDEEP>(bs + now * SIZE, rb);
        __syncthreads();
        if (t.end - first > STEP) {
            fetch<TILE, ADEEP>(ra, a, first + STEP, t.end);
            fetch<TILE, BDEEP>(rb, b, first + STEP, t.end);
        }
        const float* const ta = as + now * SIZE + ty * 4;
        const float* const tb = bs + now * SIZE + tx * 4;
#pragma unroll
        for (int k = 0; k < STEP; k++) {
            float4 fa[QUADS], fb[QUADS];
#pragma unroll
            for (int q = 0; q < QUADS; q++) {
                fa[q] = *reinterpret_cast<const float4*>(ta + k * PITCH + 64 * q);
                fb[q] = *reinterpret_cast<const float4*>(tb + k * PITCH + 64 * q);
            }
#pragma unroll
            for (int i = 0; i < QUADS; i++) {
#pragma unroll
                for (int j = 0; j < QUADS; j++) {
                    const float u[4] = {fa[i].x, fa[i].y, fa[i].z, fa[i].w};
                    const float v[4] = {fb[j].x, fb[j].y, fb[j].z, fb[j].w};
#pragma unroll
                    for (int m = 0; m < 4; m++) {
#pragma unroll
                        for (int n = 0; n < 4; n++) {
                            float& s = sum[4 * i + m][4 * j + n];
                            s = fmaf(u[m], v[n], s);
                        }
                    }
                }
            }
        }
    }
#pragma unroll
    for (int i = 0; i < OWN; i++) {
#pragma unroll
        for (int j = 0; j < OWN; j += 2) {
            const u32 row = t.row + i / 4 * 64 + ty * 4 + i % 4, column = t.column + j / 4 * 64 + tx * 4 + j % 4;
            store<FORM, ALIGNED>(p, t, row, column, sum[i][j], sum[i][j + 1]);
        }
    }
}
