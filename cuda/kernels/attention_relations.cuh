// Biases by relation in the passes over queries, and their gradients: the derivative by a score is that by its bias.
#pragma once
#include "attention_products.cuh"

// Where the gradients of the biases go: sums by class of a block's queries and head, in rows of (sequences * tiles,
// classes * heads); null: nowhere.
struct BiasSums {
    float* rows;
    // Classes of a block at most; those of further blocks (blockIdx.y) follow.
    u32 classes;
};

// The relations of the lane's two queries.
template <class Sight> struct QueryRelations;

template <> struct QueryRelations<Past> {
    struct Sums {};

    __device__ __forceinline__ QueryRelations(const Past&, int, int) {}
    template <int N>
    __device__ __forceinline__ void add(const Attention&, float (&)[N / 8][4], const VisibleKeys<Past>&, int) const {}
    __device__ __forceinline__ Sums sums(const BiasSums&, float*) const { return {}; }
    template <int N>
    __device__ __forceinline__ void collect(
        const Sums&, const float (&)[N / 8][4], const VisibleKeys<Past>&, int) const {}
    __device__ __forceinline__ void write(const Attention&, const Sums&, const BiasSums&, const Place&) const {}
};

template <> struct QueryRelations<Relations> {
    typedef ClassSums Sums;

    const Relations& relations;
    // Classes of the rows' keys, and the head's biases; null without relations.
    const u32* classes[2];
    const float* bias;

    __device__ __forceinline__ QueryRelations(const Relations& r, int t0, int head) : relations(r) {
        for (int i = 0; i < 2; i++) classes[i] = r.of(t0 + warp_row() + lane_id() / 4 + 8 * i);
        bias = r.classes ? r.bias + head : nullptr;
    }
    // Class of key `key` and row c / 2; no class (`count`) where it is not seen.
    __device__ __forceinline__ u32 of(const VisibleKeys<Relations>& visible, int c, int key) const {
        return visible.sees(c, key) ? classes[c / 2][key] : relations.count;
    }
    // Adds the biases to scores, not yet scaled, of keys from u on.
    template <int N>
    __device__ __forceinline__ void add(
        const Attention& p, float (&s)[N / 8][4], const VisibleKeys<Relations>& visible, int u) const {
        if (!bias) return;
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) {
                const u32 known = of(visible, c, u + score_column(j) + (c & 1));
                if (known < relations.count) s[j][c] = fmaf(bias[i64(known) * p.heads], relations.unscale, s[j][c]);
            }
    }
    // Empty sums in `shared`, which holds a number a thread and class of the block.
    __device__ __forceinline__ ClassSums sums(const BiasSums& to, float* shared) const {
        return ClassSums(to.rows != nullptr, relations, to.classes, shared);
    }
    // Adds derivatives by the scores of keys from u on to the sums by class.
    template <int N>
    __device__ __forceinline__ void collect(
        const ClassSums& sums, const float (&ds)[N / 8][4], const VisibleKeys<Relations>& visible, int u) const {
        if (sums.count == 0) return;
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) sums.add(of(visible, c, u + score_column(j) + (c & 1)), ds[j][c]);
    }
    __device__ __forceinline__ void write(
        const Attention& p, const ClassSums& sums, const BiasSums& to, const Place& at) const {
        if (!to.rows) return;
        const i64 row = i64(at.sequence) * p.tiles + at.tile;
        sums.write(to.rows + row * relations.count * p.heads, p.heads, at.head);
    }
};
