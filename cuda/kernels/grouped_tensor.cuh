// Tensor cores: 4 warps, each a quarter of the tile (TILE/2)^2; the sum runs in steps of 32 through 3 stages of shared
// memory. Rows of a stage are padded by 8 elements, so that the 8 rows of an ldmatrix lie in different banks.
#pragma once
#include "grouped.cuh"

static constexpr int THREADS = 128, STEP = 32, STAGES = 3;

template <int TILE, bool DEEP> struct Stage {
    static constexpr int ROWS = DEEP ? STEP : TILE, WIDTH = DEEP ? TILE : STEP, PITCH = WIDTH + 8, SIZE = ROWS * PITCH;
};

// A thread's share of the copies of an operand: COUNT runs of 8 neighbouring elements in every step, RISE rows apart.
template <int TILE, bool DEEP, bool ALIGNED> struct Loader {
    typedef Stage<TILE, DEEP> L;
    static constexpr u32 RUNS = L::WIDTH / 8, RISE = THREADS / RUNS, COUNT = L::ROWS / RISE;
    const S* from; // first run of the next step
    u64 rise, advance;
    u32 to;      // of the first run in a stage
    u32 k, end;  // first element of the run along the sum, and the end of the sum
    u32 along;   // elements of the run inside of the matrix, at most 8 (DEEP)
    u32 inside;  // bit c: row of run c inside of the matrix (not DEEP)

    __device__ __forceinline__ Loader(const Operand& o, u32 first, u32 last) {
        const u32 r = threadIdx.x / RUNS, q = threadIdx.x % RUNS * 8, i = o.begin + (DEEP ? q : r);
        k = first + (DEEP ? r : q);
        end = last;
        from = DEEP ? o.base + k * o.stride + i : o.base + i * o.stride + k;
        rise = RISE * o.stride;
        advance = DEEP ? STEP * o.stride : STEP;
        to = r * L::PITCH + q;
        along = i >= o.end ? 0 : o.end - i < 8 ? o.end - i : 8;
        inside = 0;
#pragma unroll
        for (u32 c = 0; c < COUNT; c++) inside |= i + c * RISE < o.end ? 1u << c : 0;
    }

    // Starts the copies of one step; what is outside of the matrix becomes zero.
    __device__ __forceinline__ void load(S* stage) {
#pragma unroll
        for (u32 c = 0; c < COUNT; c++) {
            S* const target = stage + to + c * RISE * L::PITCH;
            const S* const source = from + c * rise;
            if (ALIGNED) {
                const bool valid = DEEP ? along > 0 && k + c * RISE < end : (inside >> c & 1u) && k < end;
                copy_async16(target, source, valid);
            } else {
                u32 count = end - k < 8 ? end - k : 8;
                if (DEEP) count = k + c * RISE < end ? along : 0;
                else if (!(inside >> c & 1u) || k >= end) count = 0;
                u32 words[4];
#pragma unroll
                for (u32 i = 0; i < 4; i++) {
                    const u32 low = 2 * i < count ? source[2 * i].bits : 0;
                    const u32 high = 2 * i + 1 < count ? source[2 * i + 1].bits : 0;
                    words[i] = low | high << 16;
                }
                *reinterpret_cast<uint4*>(target) = make_uint4(words[0], words[1], words[2], words[3]);
            }
        }
        from += advance;
        k += STEP;
    }
};

template <int TILE, Form FORM, bool ALIGNED> __device__ __forceinline__ void product(const Grouped& p, const Tile& t) {
    constexpr bool ADEEP = FORM == TN, BDEEP = FORM != NT;
    typedef Stage<TILE, ADEEP> LA;
    typedef Stage<TILE, BDEEP> LB;
    constexpr int HALF = TILE / 2, M = HALF / 16, N = HALF / 8;
    SHARED_MEMORY(memory);
    S* const as = reinterpret_cast<S*>(memory);
    S* const bs = as + STAGES * LA::SIZE;
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int wm = warp / 2 * HALF, wn = warp % 2 * HALF, l8 = lane & 7, q1 = lane >> 3 & 1, q2 = lane >> 4;
    Loader<TILE, ADEEP, ALIGNED> a(left<FORM>(p, t), t.first, t.end);
    Loader<TILE, BDEEP, ALIGNED> b(right<FORM>(p, t), t.first, t.end);
    float sum[M][N][4] = {};
    const int steps = (t.end - t.first + STEP - 1) / STEP;
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) {
            a.load(as + s * LA::SIZE);
            b.load(bs + s * LB::SIZE);
        }
        copy_commit();
    }
    int now = 0, next = STAGES - 1;
    for (int s = 0; s < steps; s++) {
        copy_wait<STAGES - 2>();
        __syncthreads();
        if (s + STAGES - 1 < steps) {
            a.load(as + next * LA::SIZE);
            b.load(bs + next * LB::SIZE);
        }
        copy_commit();
        const S* const ta = as + now * LA::SIZE;
        const S* const tb = bs + now * LB::SIZE;
#pragma unroll
        for (int k = 0; k < STEP; k += 16) {
            u32 fa[M][4], fb[N][2];
#pragma unroll
            for (int i = 0; i < M; i++) {
                const int m = wm + 16 * i;
                if (ADEEP) {
                    ldmatrix_x4_trans(fa[i], ta + (k + q2 * 8 + l8) * LA::PITCH + m + q1 * 8);
                } else {
                    ldmatrix_x4(fa[i], ta + (m + q1 * 8 + l8) * LA::PITCH + k + q2 * 8);
                }
            }
#pragma unroll
            for (int j = 0; j < N; j += 2) {
                const int n = wn + 8 * j;
                u32 r[4];
                if (BDEEP) {
                    ldmatrix_x4_trans(r, tb + (k + q1 * 8 + l8) * LB::PITCH + n + q2 * 8);
                } else {
                    ldmatrix_x4(r, tb + (n + q2 * 8 + l8) * LB::PITCH + k + q1 * 8);
                }
                fb[j][0] = r[0];
                fb[j][1] = r[1];
                fb[j + 1][0] = r[2];
                fb[j + 1][1] = r[3];
            }
#pragma unroll
            for (int i = 0; i < M; i++) {
#pragma unroll
                for (int j = 0; j < N; j++) mma<S>(sum[i][j], fa[i], fb[j]);
            }
        }
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
    }
#pragma unroll
    for (int i = 0; i < M; i++) {
#pragma unroll
        for (int j = 0; j < N; j++) {
            const u32 row = t.row + wm + 16 * i + lane / 4, column = t.column + wn + 8 * j + lane % 4 * 2;
            store<FORM, ALIGNED>(p, t, row, column, sum[i][j][0], sum[i][j][1]);
            store<FORM, ALIGNED>(p, t, row + 8, column, sum[i][j][2], sum[i][j][3]);
        }
    }
}
