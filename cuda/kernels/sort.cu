// Stable counting sort of keys by one digit, in three launches: `sort_count` counts the digits of every chunk,
// `sort_scan` turns the counts of a digit into the numbers of equal digits in earlier chunks, and `sort_place` (or
// `sort_route`) moves every item to
//     start of its digit + equal digits in earlier chunks + equal digits before it in its own chunk.
// The last number is read from a bit set: items are taken 256 at a time, item t sets bit t of its digit's set, and the
// ones below t are counted. All of it is integer arithmetic, so the result does not depend on the order of execution.
// Several digits from the lowest up make a radix sort. A chunk is a multiple of 256 items.
#include "common.cuh"

static constexpr u32 WORDS = 8; // of 32 bits: one step of 256 items

// Keys of at least `limit` count as `limit`, which no target has.
__device__ __forceinline__ u32 limited(u32 key, u32 limit) { return key < limit ? key : limit; }

// Exclusive prefix sum over the 256 threads of a block, and the sum of all.
__device__ __forceinline__ u32 block_scan(u32 v, u32& sum) {
    __shared__ u32 warps[8];
    const u32 lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    u32 inclusive = v;
    for (u32 o = 1; o < 32; o <<= 1) {
        const u32 before = __shfl_up_sync(ALL_LANES, inclusive, o);
        if (lane >= o) inclusive += before;
    }
    __syncthreads();
    if (lane == 31) warps[warp] = inclusive;
    __syncthreads();
    u32 before = 0;
    sum = 0;
    for (u32 w = 0; w < 8; w++) {
        if (w < warp) before += warps[w];
        sum += warps[w];
    }
    return before + inclusive - v;
}

__device__ __forceinline__ u32* shared_words() {
    SHARED_MEMORY(memory);
    return reinterpret_cast<u32*>(memory);
}

// counts[b, c] = number of keys with digit b in chunk c.
KERNEL(256, sort_count)(u32* counts, const u32* keys, u32 n, u32 limit, u32 shift, u32 mask, u32 buckets, u32 chunk) {
    u32* const count = shared_words();
    for (u32 b = threadIdx.x; b < buckets; b += 256) count[b] = 0;
    __syncthreads();
    const u32 first = blockIdx.x * chunk, end = n - first < chunk ? n : first + chunk;
    for (u32 i = first + threadIdx.x; i < end; i += 256) {
        atomicAdd(&count[(limited(keys[i], limit) >> shift) & mask], 1u);
    }
    __syncthreads();
    for (u32 b = threadIdx.x; b < buckets; b += 256) counts[static_cast<u64>(b) * gridDim.x + blockIdx.x] = count[b];
}

// One block a digit b: counts[b, .] becomes its exclusive prefix sum, totals[b] its sum.
KERNEL(256, sort_scan)(u32* counts, u32* totals, u32 chunks) {
    u32* const row = counts + static_cast<u64>(blockIdx.x) * chunks;
    u32 before = 0;
    for (u32 first = 0; first < chunks; first += 256) {
        const u32 c = first + threadIdx.x;
        u32 sum;
        const u32 scan = block_scan(c < chunks ? row[c] : 0, sum);
        if (c < chunks) row[c] = before + scan;
        before += sum;
    }
    if (threadIdx.x == 0) totals[blockIdx.x] = before;
}

// Moves the items of a chunk; `put(place, item, key, digit)` stores one. `offsets`, if given, gets where digits start.
template <class Put>
__device__ __forceinline__ void place(const u32* counts, const u32* totals, const u32* keys, u32 n, u32 limit,
                                      u32 shift, u32 mask, u32 buckets, u32 chunk, u32* offsets, Put put) {
    u32* const next = shared_words(); // place of the next item of every digit
    u32* const set = next + buckets;  // (buckets, WORDS)
    u32 before = 0;
    for (u32 first = 0; first < buckets; first += 256) {
        const u32 b = first + threadIdx.x;
        u32 sum;
        const u32 start = before + block_scan(b < buckets ? totals[b] : 0, sum);
        if (b < buckets) next[b] = start + counts[static_cast<u64>(b) * gridDim.x + blockIdx.x];
        if (b < buckets && offsets && blockIdx.x == 0) offsets[b] = start;
        before += sum;
    }
    if (offsets && blockIdx.x == 0 && threadIdx.x == 0) offsets[buckets] = before;
    const u32 begin = blockIdx.x * chunk, end = n - begin < chunk ? n : begin + chunk;
    const u32 word = threadIdx.x >> 5, bit = threadIdx.x & 31;
    for (u32 first = begin; first < end; first += 256) {
        for (u32 w = threadIdx.x; w < buckets * WORDS; w += 256) set[w] = 0;
        __syncthreads();
        const u32 i = first + threadIdx.x;
        u32 key = 0, digit = 0;
        if (i < end) {
            key = limited(keys[i], limit);
            digit = (key >> shift) & mask;
            atomicAdd(&set[digit * WORDS + word], 1u << bit);
        }
        __syncthreads();
        if (i < end) {
            u32 rank = __popc(set[digit * WORDS + word] & ((1u << bit) - 1));
            for (u32 w = 0; w < word; w++) rank += __popc(set[digit * WORDS + w]);
            put(next[digit] + rank, i, key, digit);
        }
        __syncthreads();
        for (u32 b = threadIdx.x; b < buckets; b += 256) {
            u32 sum = 0;
            for (u32 w = 0; w < WORDS; w++) sum += __popc(set[b * WORDS + w]);
            next[b] += sum;
        }
        __syncthreads();
    }
}

// (keys_out, order_out) = (keys, order) sorted by the digit; without `order` the items are numbered.
KERNEL(256, sort_place)(u32* keys_out, u32* order_out, const u32* counts, const u32* totals, const u32* keys,
                        const u32* order, u32 n, u32 limit, u32 shift, u32 mask, u32 buckets, u32 chunk) {
    place(counts, totals, keys, n, limit, shift, mask, buckets, chunk, nullptr, [=](u32 at, u32 i, u32 key, u32) {
        keys_out[at] = key;
        order_out[at] = order ? order[i] : i;
    });
}

// Item i is token i / top_k sent to expert keys[i]; the slots sorted by expert, then by token.
KERNEL(256, sort_route)(u32* tokens, u32* gates, u32* offsets, const u32* counts, const u32* totals, const u32* keys,
                        u32 n, u32 top_k, u32 experts, u32 chunk) {
    place(counts, totals, keys, n, experts, 0, ALL_LANES, experts, chunk, offsets, [=](u32 at, u32 i, u32, u32 expert) {
        const u32 token = i / top_k;
        tokens[at] = token;
        gates[at] = token * experts + expert;
    });
}
