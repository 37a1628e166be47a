// Tiles of products by expert: which expert a block works for, where its operands and its results lie.
#pragma once
#include "common.cuh"

struct Grouped {
    void* out;
    const S* x;
    const S* w;
    const u32* offsets;
    u64 part;       // TN: elements of one partial result
    u32 experts;
    u32 height;     // TN: rows of an expert's result
    u32 columns;
    u32 depth;      // NT, NN
    u32 accumulate; // TN: out += instead of =
    u32 parts;      // TN
};

// A tile of the result: rows `row ..` and columns `column ..`, and the range of the sum.
struct Tile {
    u32 expert, row, row_end, column, first, end;
    bool exists;
};

// Row tile `tile` of all experts' tiles; every warp looks by itself.
template <int TILE> __device__ __forceinline__ Tile find(const Grouped& p) {
    const u32 across = (p.columns + TILE - 1) / TILE, tile = blockIdx.x / across, lane = threadIdx.x & 31;
    u32 before = 0;
    Tile t;
    t.exists = false;
    for (u32 base = 0; base < p.experts; base += 32) {
        const u32 e = base + lane;
        const u32 start = e < p.experts ? p.offsets[e] : 0, stop = e < p.experts ? p.offsets[e + 1] : 0;
        const u32 count = (stop - start + TILE - 1) / TILE;
        u32 scan = count;
        for (u32 o = 1; o < 32; o <<= 1) {
            const u32 left = __shfl_up_sync(ALL_LANES, scan, o);
            if (lane >= o) scan += left;
        }
        const u32 sum = __shfl_sync(ALL_LANES, scan, 31);
        if (tile < before + sum) {
            const int owner = __popc(__ballot_sync(ALL_LANES, before + scan <= tile));
            t.expert = base + owner;
            t.row = __shfl_sync(ALL_LANES, start + (tile - before - (scan - count)) * TILE, owner);
            t.row_end = __shfl_sync(ALL_LANES, stop, owner);
            t.column = blockIdx.x % across * TILE;
            t.first = 0;
            t.end = p.depth;
            t.exists = true;
            return t;
        }
        before += sum;
    }
    return t;
}

// Tile blockIdx.x of the results of TN, part blockIdx.y of its slots.
template <int TILE> __device__ __forceinline__ Tile find_weight(const Grouped& p) {
    const u32 across = (p.columns + TILE - 1) / TILE, down = (p.height + TILE - 1) / TILE;
    const u32 tile = blockIdx.x / across;
    Tile t;
    t.expert = tile / down;
    t.row = tile % down * TILE;
    t.row_end = p.height;
    t.column = blockIdx.x % across * TILE;
    const u32 start = p.offsets[t.expert], stop = p.offsets[t.expert + 1];
    const u32 share = ((stop - start + p.parts - 1) / p.parts + 31) / 32 * 32;
    t.first = stop - start < blockIdx.y * share ? stop : start + blockIdx.y * share;
    t.end = stop - t.first < share ? stop : t.first + share;
    t.exists = t.first < t.end || !p.accumulate;
    return t;
}

// How an operand lies in memory: element (i, k) of its tile is p[i stride + k], or p[k stride + i] if DEEP.
struct Operand {
    const S* base;
    u64 stride;
    u32 begin, end; // of i
};

enum Form { NT, NN, TN };

template <Form FORM> __device__ __forceinline__ Operand left(const Grouped& p, const Tile& t) {
    return Operand{p.x, FORM == TN ? p.height : p.depth, t.row, t.row_end};
}
template <Form FORM> __device__ __forceinline__ Operand right(const Grouped& p, const Tile& t) {
    const u64 own = FORM == TN ? 0 : static_cast<u64>(t.expert) * p.columns * p.depth;
    return Operand{p.w + own, FORM == NT ? p.depth : p.columns, t.column, p.columns};
}

__device__ __forceinline__ void put_pair(S* out, float a, float b) {
#if defined(STORAGE_BF16) || defined(STORAGE_F16)
    *reinterpret_cast<u32*>(out) = pack<S>(a, b);
#else
    *reinterpret_cast<float2*>(out) = make_float2(a, b);
#endif
}

// Stores elements (row, column) and (row, column + 1) of the result.
template <Form FORM, bool ALIGNED>
__device__ __forceinline__ void store(const Grouped& p, const Tile& t, u32 row, u32 column, float a, float b) {
    if (row >= t.row_end || column >= p.columns) return;
    const bool two = column + 1 < p.columns;
    if (FORM == TN) {
        const u64 at = (static_cast<u64>(t.expert) * p.height + row) * p.columns + column;
        float* const out = static_cast<float*>(p.out) + blockIdx.y * p.part + at;
        if (ALIGNED) {
            float2* const pair = reinterpret_cast<float2*>(out);
            const float2 old = p.accumulate ? *pair : make_float2(0.0f, 0.0f);
            *pair = make_float2(old.x + a, old.y + b);
        } else {
            out[0] = p.accumulate ? out[0] + a : a;
            if (two) out[1] = p.accumulate ? out[1] + b : b;
        }
    } else {
        S* const out = static_cast<S*>(p.out) + static_cast<u64>(row) * p.columns + column;
        if (ALIGNED) {
            put_pair(out, a, b);
        } else {
            out[0] = from_float<S>(a);
            if (two) out[1] = from_float<S>(b);
        }
    }
}
