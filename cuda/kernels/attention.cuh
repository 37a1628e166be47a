// Shared by the attention kernels: geometry, tiles in shared memory, visible keys.
//
// A projection qkv is (n, (H + 2K) d): H query heads, K key heads, K value heads, each d wide; n rows are sequences of
// `context` positions. Query head h reads key head h / group. The observed stream attends to the keys of its own
// projection (`memory` null); the predicted stream to `memory` (n, 2 K d), keys then values, and to its own key and
// value besides. Position t sees the keys u of its sequence with max(t - slots + 1, starts[t], 0) <= u <= t; in
// attention among all positions, whose memory is null too, with u < t + slots.
//
// A block works for 16 rows a warp (queries, or keys in the passes over keys) and walks over tiles of the other side.
// Heads are padded to D columns in shared memory, with zeros; a tile row is PITCH<D> elements apart from the next, an
// odd number of 16-byte units, so that eight rows at one column lie in different banks. The dynamic shared memory is
//     row tiles | tiles walked over, `stages` times | scratch of the warps (single precision only) | columns' numbers
#pragma once
#include "relations.cuh"

static constexpr float LOG2_E = 1.4426950408889634f;
static constexpr float LN_2 = 0.6931471805599453f;
static constexpr int NO_KEY = 0x7fffffff;
// The log-sum-exp of a row that sees no key.
static constexpr float EMPTY_LSE = -1e30f;

struct Attention {
    // First visible index of every row inside its sequence, or null for 0.
    const u32* starts;
    int context, heads, kv_heads, group, width, slots;
    // Blocks along a sequence.
    int tiles;
    // Elements that a move may carry everywhere: 16 bytes, 2 elements or 1.
    int vector;
    // 2: the next tile is copied while one is computed with; 1 where shared memory is short.
    int stages;
    // 1 / sqrt(d), and times log2 e.
    float scale, scale2;
};

// What queries see, the argument `Sight` of the passes: nothing ahead of their own row, or keys ahead as far as behind,
// with biases by relation (`Relations`).
struct Past {
    static constexpr bool AHEAD = false;
};
// Keys ahead of its own that a query sees.
template <class Sight> __device__ __forceinline__ int ahead(const Attention& p) {
    return Sight::AHEAD ? p.slots - 1 : 0;
}
// Last key that position t of a sequence sees, t inside it.
template <class Sight> __device__ __forceinline__ int last_visible(const Attention& p, int t) {
    return Sight::AHEAD ? (t + p.slots < p.context ? t + p.slots : p.context) - 1 : t;
}

// Keys and values of one key head of one sequence.
struct Keys {
    const S* k;
    // Distance of the values from the keys, and of rows.
    int apart, stride;
};

// What a block works for: a tile of 16 rows a warp of one head of one sequence.
struct Place {
    int tile, head, sequence;
};

static constexpr int MOVE = 16 / sizeof(S);
template <int D> static constexpr int PITCH = D + MOVE;

__device__ __forceinline__ int lane_id() { return threadIdx.x & 31; }
__device__ __forceinline__ int block_rows() { return blockDim.x / 2; }
// First of the 16 rows of the calling warp inside its block.
__device__ __forceinline__ int warp_row() { return threadIdx.x / 32 * 16; }
// Column of element 0 of group j of a fragment of scores: a lane holds rows lane / 4 (elements 0, 1) and lane / 4 + 8
// (elements 2, 3) at two neighbouring columns.
__device__ __forceinline__ int score_column(int j) { return 8 * j + 2 * (threadIdx.x & 3); }
// Sums and maxima over the four lanes that share the rows of a fragment.
__device__ __forceinline__ float quad_sum(float v) {
    v += __shfl_xor_sync(ALL_LANES, v, 1);
    return v + __shfl_xor_sync(ALL_LANES, v, 2);
}
__device__ __forceinline__ float quad_max(float v) {
    v = fmaxf(v, __shfl_xor_sync(ALL_LANES, v, 1));
    return fmaxf(v, __shfl_xor_sync(ALL_LANES, v, 2));
}
__device__ __forceinline__ int smaller(int a, int b) { return a < b ? a : b; }
__device__ __forceinline__ int larger(int a, int b) { return a > b ? a : b; }
__device__ __forceinline__ int warp_smallest(int v) {
    for (int o = 16; o > 0; o >>= 1) v = smaller(v, __shfl_xor_sync(ALL_LANES, v, o));
    return v;
}
__device__ __forceinline__ int warp_largest(int v) {
    for (int o = 16; o > 0; o >>= 1) v = larger(v, __shfl_xor_sync(ALL_LANES, v, o));
    return v;
}

__device__ __forceinline__ Place place(const Attention& p, int heads) {
    const u32 rest = blockIdx.x / p.tiles;
    return {static_cast<int>(blockIdx.x % p.tiles), static_cast<int>(rest % heads), static_cast<int>(rest / heads)};
}
// Columns of a projection.
__device__ __forceinline__ int qkv_stride(const Attention& p) { return (p.heads + 2 * p.kv_heads) * p.width; }

__device__ __forceinline__ Keys keys_of(const Attention& p, const S* qkv, const S* memory, int head, int sequence) {
    const int apart = p.kv_heads * p.width, stride = memory ? 2 * apart : qkv_stride(p);
    const S* const base = memory ? memory : qkv + p.heads * p.width;
    return {base + i64(sequence * p.context) * stride + head * p.width, apart, stride};
}

// First key that position t of a sequence sees.
__device__ __forceinline__ int first_visible(const Attention& p, int sequence_row, int t) {
    const int low = larger(t - p.slots + 1, 0);
    if (!p.starts) return low;
    const u32 start = p.starts[sequence_row + t];
    return start > u32(p.context) ? p.context : larger(low, int(start));
}

// Columns c and c + 1 of a row; zero from `width` on. c is even.
__device__ __forceinline__ float2 pair(const float* row, int c, int width, int vector) {
    if (vector > 1) return c < width ? *reinterpret_cast<const float2*>(row + c) : make_float2(0.0f, 0.0f);
    return make_float2(c < width ? row[c] : 0.0f, c + 1 < width ? row[c + 1] : 0.0f);
}
template <class T> __device__ __forceinline__ float2 pair(const T* row, int c, int width, int vector) {
    if (vector > 1) return c < width ? unpack<T>(*reinterpret_cast<const u32*>(row + c)) : make_float2(0.0f, 0.0f);
    return make_float2(c < width ? to_float(row[c]) : 0.0f, c + 1 < width ? to_float(row[c + 1]) : 0.0f);
}
__device__ __forceinline__ void store_two(float* to, float x, float y) {
    *reinterpret_cast<float2*>(to) = make_float2(x, y);
}
template <class T> __device__ __forceinline__ void store_two(T* to, float x, float y) {
    *reinterpret_cast<u32*>(to) = pack<T>(x, y);
}
__device__ __forceinline__ void store_pair(S* row, int c, int width, int vector, float x, float y) {
    if (vector > 1) {
        if (c < width) store_two(row + c, x, y);
        return;
    }
    if (c < width) row[c] = from_float<S>(x);
    if (c + 1 < width) row[c + 1] = from_float<S>(y);
}

// `load_tile` for any number of threads and any alignment. Rows that allow no moves of 16 bytes are read by a warp each,
// four of them before the first is stored.
template <int D>
__device__ __noinline__ void load_tile_any(
    S* tile, const S* from, int stride, int first, int rows, int context, int width, int vector) {
    if (vector == MOVE) {
#pragma unroll 1
        for (int i = threadIdx.x; i < rows * (D / MOVE); i += blockDim.x) {
            const int r = i / (D / MOVE), c = i % (D / MOVE) * MOVE;
            const bool inside = first + r < context && c < width;
            copy_async16(tile + r * PITCH<D> + c, from + i64(inside ? first + r : 0) * stride + c, inside);
        }
        return;
    }
    constexpr int BATCH = 4;
    const int step = blockDim.x / 32;
#pragma unroll 1
    for (int c = 2 * lane_id(); c < D; c += 64)
#pragma unroll 1
        for (int r = threadIdx.x / 32; r < rows; r += BATCH * step) {
            float2 x[BATCH];
#pragma unroll
            for (int i = 0; i < BATCH; i++) {
                const int row = first + r + i * step;
                const bool inside = r + i * step < rows && row < context;
                x[i] = pair(from + i64(inside ? row : 0) * stride, c, inside ? width : 0, vector);
            }
#pragma unroll
            for (int i = 0; i < BATCH; i++)
                if (r + i * step < rows) store_two(tile + (r + i * step) * PITCH<D> + c, x[i].x, x[i].y);
        }
}

// Rows first .. first + rows of `from` as a tile; rows from `context` on and columns from `width` on are zeros. Copies
// are asynchronous where they can be, and done for all after copy_commit, copy_wait and a barrier. ROWS is the number
// of rows that a block of 4 warps has; `rows` differs where a block has fewer warps.
template <int D, int ROWS>
__device__ __forceinline__ void load_tile(
    const Attention& p, S* tile, const S* from, int stride, int first, int rows = ROWS) {
    constexpr int MOVES = D / MOVE;
    constexpr int LANES = MOVES > 16 ? 32 : MOVES > 8 ? 16 : MOVES > 4 ? 8 : MOVES > 2 ? 4 : 2, STEP = 128 / LANES;
    if (p.vector != MOVE || blockDim.x != 128)
        return load_tile_any<D>(tile, from, stride, first, rows, p.context, p.width, p.vector);
    const int row = threadIdx.x / LANES, left = p.context - first;
#pragma unroll
    for (int m = 0; m < MOVES; m += LANES) {
        const int c = (m + threadIdx.x % LANES) * MOVE;
        if (MOVES % LANES != 0 && c >= D) continue;
        S* const to = tile + row * PITCH<D> + c;
        const S* const source = from + i64(first + row) * stride + c;
#pragma unroll
        for (int i = 0; i < ROWS; i += STEP)
            if (ROWS % STEP == 0 || row + i < ROWS)
                copy_async16(to + i * PITCH<D>, source + i64(i) * stride, row + i < left && c < p.width);
    }
}

// What the queries of a block see. A lane holds rows lane / 4 and lane / 4 + 8 of its warp.
template <class Sight> struct VisibleKeys {
    // Keys that some query of the block sees: first .. last, none if first > last.
    int first, last;
    // The lane's two rows see keys low .. low + span; a row that sees none has low = NO_KEY.
    int low[2];
    u32 span[2];
    // First row of the warp, first key that some row of it sees (NO_KEY: none), first key that all of them see.
    int warp_first, warp_low, warp_low_most;

    __device__ __forceinline__ VisibleKeys(const Attention& p, int sequence_row, int t0) {
        const int lane = lane_id(), rows = block_rows(), warp = warp_row();
        first = NO_KEY;
        for (int r = lane; r < rows; r += 32)
            if (t0 + r < p.context) first = smaller(first, first_visible(p, sequence_row, t0 + r));
        first = warp_smallest(first);
        last = smaller(t0 + rows + ahead<Sight>(p), p.context) - 1;
        int least = NO_KEY, most = -1;
        for (int i = 0; i < 2; i++) {
            const int t = t0 + warp + lane / 4 + 8 * i;
            const int from = t < p.context ? first_visible(p, sequence_row, t) : -1;
            const int to = last_visible<Sight>(p, t);
            low[i] = from < 0 || from > to ? NO_KEY : from;
            span[i] = low[i] == NO_KEY ? 0 : to - from;
            least = smaller(least, low[i]);
            most = larger(most, from < 0 ? -1 : low[i]);
        }
        warp_low = warp_smallest(least);
        warp_low_most = warp_largest(most);
        warp_first = t0 + warp;
    }
    // Whether row c / 2 of the lane sees key `key`, c the number of an element of a fragment.
    __device__ __forceinline__ bool sees(int c, int key) const { return u32(key - low[c / 2]) <= span[c / 2]; }
    // Puts `value` in the place of scores of keys from u on that are not seen.
    template <int N> __device__ __forceinline__ void mask(float (&s)[N / 8][4], int u, float value) const {
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 4; c++)
                if (!sees(c, u + score_column(j) + (c & 1))) s[j][c] = value;
    }
    // Whether the warp sees anything of keys u .. u + count, and whether all its rows see all of them.
    __device__ __forceinline__ bool any(const Attention& p, int u, int count) const {
        return u <= warp_first + 15 + ahead<Sight>(p) && u + count > warp_low;
    }
    __device__ __forceinline__ bool all(const Attention& p, int u, int count) const {
        return u >= warp_low_most && u + count - 1 <= last_visible<Sight>(p, warp_first);
    }
};
