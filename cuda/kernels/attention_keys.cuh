// A pass over tiles of keys: a block keeps 16 keys and values a warp and walks over the tiles of N queries that see
// some of them, for every query head of the group, with A matrices (two: queries and dout; four: their tangents too).
// Where KEPT is 4 it keeps tangents of keys and values too.
// Rows of fragments are keys, columns are queries. Where D is 256 a block writes half of the columns, since both
// gradients at full width would not fit the registers.
#pragma once
#include "attention_products.cuh"

// The queries of a tile, as the two keys of a lane are seen by them.
template <class Sight> struct Columns {
    // First key that every query sees, in shared memory.
    const int* low;
    int t, key[2];
    bool all;
    // Query head.
    int head;

    // Adds the biases to scores that are not yet scaled.
    template <int N>
    __device__ __forceinline__ void add(const Attention& p, const Sight& sight, float (&s)[N / 8][4]) const {
        if constexpr (Sight::AHEAD) {
            if (!sight.classes) return;
            const float* const bias = sight.bias + head;
#pragma unroll
            for (int j = 0; j < N / 8; j++)
#pragma unroll
                for (int c = 0; c < 2; c++) {
                    const int column = score_column(j) + c, from = low[column];
                    const int to = last_visible<Sight>(p, t + column);
                    const u32* const classes = sight.of(t + column);
#pragma unroll
                    for (int i = 0; i < 2; i++) {
                        const u32 known = key[i] < from || key[i] > to ? sight.count : classes[key[i]];
                        if (known < sight.count)
                            s[j][c + 2 * i] = fmaf(bias[i64(known) * p.heads], sight.unscale, s[j][c + 2 * i]);
                    }
                }
        }
    }

    // Puts zeros in the place of weights of keys that are not seen.
    template <int N> __device__ __forceinline__ void mask(const Attention& p, float (&s)[N / 8][4]) const {
        if (all) return;
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 2; c++) {
                const int column = score_column(j) + c, from = low[column], to = t + column + ahead<Sight>(p);
                if (key[0] < from || key[0] > to) s[j][c] = 0.0f;
                if (key[1] < from || key[1] > to) s[j][c + 2] = 0.0f;
            }
    }
};

template <class Sight, int D, int N, int A, int KEPT = 2> struct KeyPass {
    static constexpr int E = D < 128 ? D : 128, PARTS = D / E, TILE = N * PITCH<D>;
    const Attention& p;
    const S* memory;
    int sequence_row;
    // Key head, first column of the part, first key of the block, last key of the block inside the sequence.
    int head, part, u0, last;
    S *k_tile, *staged;
    float* scratch;
    float4* numbers;
    int* lows;

    __device__ __forceinline__ KeyPass(const Attention& p, const S* qkv, const S* memory, const S* qkvt = nullptr)
        : p(p), memory(memory) {
        SHARED_MEMORY(shared);
        const Place at = place(p, p.kv_heads * PARTS);
        sequence_row = at.sequence * p.context;
        head = at.head / PARTS;
        part = at.head % PARTS * E;
        u0 = at.tile * block_rows();
        last = smaller(u0 + block_rows(), p.context) - 1;
        k_tile = reinterpret_cast<S*>(shared);
        staged = k_tile + KEPT * block_rows() * PITCH<D>;
        float* const behind = reinterpret_cast<float*>(staged + A * p.stages * TILE);
        scratch = behind + warp_row() * SCRATCH_PITCH<N>;
        numbers = reinterpret_cast<float4*>(behind + block_rows() * SCRATCH_PITCH<N>);
        lows = reinterpret_cast<int*>(numbers + p.stages * N);
#pragma unroll
        for (int i = 0; i < KEPT; i += 2) {
            const Keys keys = keys_of(p, i ? qkvt : qkv, memory, head, at.sequence);
            load_tile<D, 64>(p, kept(i), keys.k, keys.stride, u0, block_rows());
            load_tile<D, 64>(p, kept(i + 1), keys.k + keys.apart, keys.stride, u0, block_rows());
        }
    }

    // Keys, values and their tangents of the block.
    __device__ __forceinline__ S* kept(int i) const { return k_tile + i * block_rows() * PITCH<D>; }
    // The keys and values (or, from 2 on, their tangents) of the warp as left operands; to be used once the walk has begun.
    __device__ __forceinline__ void left(AFragment<D>& k, AFragment<D>& v, int from = 0) const {
        k.load(kept(from) + warp_row() * PITCH<D>);
        v.load(kept(from + 1) + warp_row() * PITCH<D>);
    }
    // mixed += s tile, over the columns of the block's part.
    __device__ __forceinline__ void mix(float (&mixed)[E / 8][4], const float (&s)[N / 8][4], const S* tile) const {
        ::mix<E, N, D>(mixed, s, tile + part, scratch);
    }

    // A tile of queries and, per lane, what queries lane and lane + 32 of it see.
    struct Cursor {
        int t, member, low[2], least, most;
    };
    // From `t` on, the first tile of queries of which one sees a key of the block.
    __device__ __forceinline__ Cursor find(int t, int end) const {
        Cursor c;
        c.member = 0;
        for (c.t = t; c.t < end; c.t += N) {
            c.least = NO_KEY, c.most = -1;
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const int column = lane_id() + 32 * i;
                if (column >= N) continue;
                c.low[i] = c.t + column < p.context ? first_visible(p, sequence_row, c.t + column) : NO_KEY;
                c.least = smaller(c.least, c.low[i]);
                c.most = larger(c.most, c.low[i]);
            }
            if (!p.starts) {
                c.least = first_visible(p, sequence_row, c.t);
                c.most = c.t + N <= p.context ? first_visible(p, sequence_row, c.t + N - 1) : NO_KEY;
                break;
            }
            c.least = warp_smallest(c.least);
            c.most = warp_largest(c.most);
            if (c.least <= last) break;
        }
        return c;
    }

    __device__ __forceinline__ void load(
        int stage, const Cursor& c, const S* const (&from)[A], const float* sums) const {
        const int q_head = head * p.group + c.member;
#pragma unroll
        for (int a = 0; a < A; a++) {
            // queries and their tangents lie in projections, dout and its tangent in matrices of heads only
            const int stride = a % 2 ? p.heads * p.width : qkv_stride(p);
            const S* const rows = from[a] + i64(sequence_row) * stride + q_head * p.width;
            load_tile<D, N>(p, staged + (stage * A + a) * TILE, rows, stride, c.t);
        }
        for (int i = threadIdx.x; i < N; i += blockDim.x) {
            const bool inside = c.t + i < p.context;
            const int row = sequence_row + (inside ? c.t + i : 0);
            copy_async16(numbers + stage * N + i, sums + (i64(row) * p.heads + q_head) * 4, inside);
        }
        if (threadIdx.x < 32)
#pragma unroll
            for (int i = 0; i < 2; i++)
                if (lane_id() + 32 * i < N) lows[stage * N + lane_id() + 32 * i] = c.low[i];
        copy_commit();
    }

    // Calls `each(tiles, numbers of the queries, columns)` for every tile of queries that sees keys of the warp.
    template <class Each>
    __device__ __forceinline__ void over_queries(const S* const (&from)[A], const float* sums, Each each) const {
        const int end = smaller(p.context, last + p.slots), warp_u = u0 + warp_row();
        auto arrive = [&] {
            copy_wait<0>();
            __syncthreads();
        };
        Cursor c = find(Sight::AHEAD ? larger(u0 - ahead<Sight>(p), 0) : u0, end);
        if (c.t < end) {
            load(0, c, from, sums);
            arrive();
        }
        for (int stage = 0; c.t < end;) {
            Cursor next = c;
            if (++next.member == p.group) next = find(c.t + N, end);
            const bool more = next.t < end;
            if (more && p.stages == 2) load(stage ^ 1, next, from, sums);
            const int top = warp_u + 15;
            const int before = warp_u - ahead<Sight>(p);
            if (warp_u <= last && c.t + N > before && c.t < top + p.slots && c.least <= top) {
                const S* tiles[A];
#pragma unroll
                for (int a = 0; a < A; a++) tiles[a] = staged + (stage * A + a) * TILE;
                const int key = warp_u + lane_id() / 4;
                const bool all = c.most <= warp_u && top <= c.t + ahead<Sight>(p);
                const int q_head = head * p.group + c.member;
                each(tiles, numbers + stage * N, Columns<Sight>{lows + stage * N, c.t, {key, key + 8}, all, q_head});
            }
            if (more) {
                if (p.stages == 2)
                    stage ^= 1;
                else {
                    __syncthreads();
                    load(0, next, from, sums);
                }
                arrive();
            }
            c = next;
        }
    }

    // Writes the gradients of the lane's keys into the key and value columns of a projection.
    __device__ __forceinline__ void write(S* dqkv, const float (&dk)[E / 8][4], const float (&dv)[E / 8][4]) const {
        const int stride = qkv_stride(p), column = (p.heads + head) * p.width, apart = p.kv_heads * p.width;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int u = u0 + warp_row() + lane_id() / 4 + 8 * i;
            if (u > last) continue;
            S* const to = dqkv + i64(sequence_row + u) * stride + column;
#pragma unroll
            for (int j = 0; j < E / 8; j++) {
                const int c = part + mixed_column(j);
                store_pair(to, c, p.width, p.vector, p.scale * dk[j][2 * i], p.scale * dk[j][2 * i + 1]);
                store_pair(to + apart, c, p.width, p.vector, dv[j][2 * i], dv[j][2 * i + 1]);
            }
        }
    }
    // Adds them to the rows of a matrix (n, 2 K d).
    __device__ __forceinline__ void add(
        float* dmemory, const float (&dk)[E / 8][4], const float (&dv)[E / 8][4]) const {
        const int apart = p.kv_heads * p.width;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int u = u0 + warp_row() + lane_id() / 4 + 8 * i;
            if (u > last) continue;
            float* const to = dmemory + i64(sequence_row + u) * (2 * apart) + head * p.width;
#pragma unroll
            for (int j = 0; j < E / 8; j++) {
                const int c = part + mixed_column(j);
                add_pair(to, c, p.scale * dk[j][2 * i], p.scale * dk[j][2 * i + 1]);
                add_pair(to + apart, c, dv[j][2 * i], dv[j][2 * i + 1]);
            }
        }
    }
    __device__ __forceinline__ void add_pair(float* to, int c, float x, float y) const {
        if (p.vector > 1) {
            if (c >= p.width) return;
            const float2 before = *reinterpret_cast<const float2*>(to + c);
            store_two(to + c, before.x + x, before.y + y);
            return;
        }
        if (c < p.width) to[c] += x;
        if (c + 1 < p.width) to[c + 1] += y;
    }
};
