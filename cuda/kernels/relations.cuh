// Classes of the relations of queries to keys of the same sequence, and sums by class, always in the same order.
#pragma once
#include "common.cuh"

struct Relations {
    // Queries that are related to keys see keys ahead of their own row too.
    static constexpr bool AHEAD = true;

    // Class of query t and key u: classes[origin + t step + u]; null where no relations are known.
    const u32* classes;
    // What is added to scores, by class and head (count, heads); not read where sums are asked for.
    const float* bias;
    int origin, step;
    // Number of classes; a relation of any other class has no bias and is in no sum.
    u32 count;
    // sqrt(d): a bias times this is added to scores that are not yet scaled.
    float unscale;

    // Classes of query t, to be read at the keys of its sequence.
    __device__ __forceinline__ const u32* of(int t) const { return classes + (origin + i64(t) * step); }
};

// Sums over a block by class, for one head: a column of shared memory a thread, of which each thread fills its own.
struct ClassSums {
    // First class of the block, and how many it has; none where no sums are wanted.
    u32 first, count;
    float* column;

    // `most` classes from most blockIdx.y on, in most blockDim.x floats of `shared`; none without `wanted`.
    __device__ __forceinline__ ClassSums(bool wanted, const Relations& r, u32 most, float* shared) {
        first = most * blockIdx.y;
        count = !wanted ? 0 : r.count - first < most ? r.count - first : most;
        column = shared + threadIdx.x;
        for (u32 i = 0; i < count; i++) column[i * blockDim.x] = 0.0f;
    }
    __device__ __forceinline__ void add(u32 of, float value) const {
        if (of - first < count) column[(of - first) * blockDim.x] += value;
    }
    // Writes the sums to column `head` of the block's classes in a row of (count, heads); all threads must call.
    __device__ __forceinline__ void write(float* row, u32 heads, u32 head) const {
        __syncthreads();
        const u32 lane = threadIdx.x & 31;
        const float* const all = column - threadIdx.x;
        for (u32 i = threadIdx.x / 32; i < count; i += blockDim.x / 32) {
            float sum = 0.0f;
            for (u32 thread = lane; thread < blockDim.x; thread += 32) sum += all[i * blockDim.x + thread];
            sum = warp_sum(sum);
            if (lane == 0) row[u64(first + i) * heads + head] = sum;
        }
    }
};
