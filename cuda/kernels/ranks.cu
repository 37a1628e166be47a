// Sums over ranks in an order that does not depend on how many ranks there are.
#include "pack.cuh"

// Ranks of a sum are below 2 to this power.
static constexpr u32 LEVELS = 12;

// out_i = tree of parts[rank][i] over all ranks, tree(n) = tree(p) + tree(n - p) with p the largest power of two below n;
// parts (ranks, count). Sums of 2^l ranks wait at level l for another.
KERNEL(256, add_ranks)
(float* out, const float* parts, u64 count, u32 ranks, u32 wide) {
    flat<4>(count, wide, [=](auto width, u64 at) {
        constexpr int W = decltype(width)::value;
        float waiting[LEVELS][W], sum[W];
        for (u32 rank = 0; rank < ranks; rank++) {
            read(parts + rank * count + at, sum);
            bool carried = true;
#pragma unroll
            for (u32 level = 0; level < LEVELS; level++) {
                const bool full = rank >> level & 1;
#pragma unroll
                for (int i = 0; i < W; i++) {
                    if (carried && full) sum[i] = waiting[level][i] + sum[i];
                    if (carried && !full) waiting[level][i] = sum[i];
                }
                carried = carried && full;
            }
        }
        bool first = true;
#pragma unroll
        for (u32 level = 0; level < LEVELS; level++) {
            const bool full = ranks >> level & 1;
#pragma unroll
            for (int i = 0; i < W; i++)
                if (full) sum[i] = first ? waiting[level][i] : waiting[level][i] + sum[i];
            first = first && !full;
        }
        write(out + at, sum);
    });
}
