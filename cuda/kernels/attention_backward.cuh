// Backward pass. With P_ij = exp(s_ij - lse_i), delta_i = dout_i . out_i (which is sum_j P_ij dout_i . v_j) and
//     dP_ij = dout_i . v_j      dS_ij = P_ij (dP_ij - delta_i)
// the gradients are
//     dq_i = scale sum_j dS_ij k_j      dk_j = scale sum_i dS_ij q_i      dv_j = sum_i P_ij dout_i
// sums over i taking in all query heads of the key head's group. Nothing is added by two blocks: one pass goes over
// tiles of queries and writes dq, another over tiles of keys and writes or adds dk and dv, and both compute P anew.
// Before them, attention_rows.cu writes the numbers of every row and head,
//     sums (n, 4H): lse log2 e, delta, tangent of lse, tangent of delta (the last two only for the tangent's passes)
//     own (n, 2H): dS_ii, tangent of dS_ii (predicted stream)
// and dk and dv of the own keys and values.
#pragma once
#include "attention_keys.cuh"
#include "attention_relations.cuh"

// The four numbers of a row and head.
__device__ __forceinline__ float4 sums_of(const Attention& p, const float* sums, int row, int head) {
    if (row < 0) return float4{0.0f, 0.0f, 0.0f, 0.0f};
    return *reinterpret_cast<const float4*>(sums + (i64(row) * p.heads + head) * 4);
}

// dq, over tiles of keys; and the sums of dS by class, where they are asked for. The sum of dS over a row is 0, but with a
// delta from a rounded out it is not, and sums over large classes would be mostly that error: for them delta is computed
// anew, in a walk of its own. Of the blocks of further classes the dq is not written.
template <int D, class Sight>
__device__ __forceinline__ void attention_backward_queries(
    const Attention& p, const Sight& sight, const S* qkv, const S* memory, const S* dout, const float* sums,
    const float* own, S* dqkv, const BiasSums& bias_sums) {
    constexpr int N = columns_of<D, QUERIES>();
    SHARED_MEMORY(shared);
    Place at = place(p, p.heads);
    at.tile = p.tiles - 1 - at.tile;
    const int t0 = at.tile * block_rows(), group_head = at.head / p.group;
    const int sequence_row = at.sequence * p.context;
    const int stride = qkv_stride(p), out_stride = p.heads * p.width, column = at.head * p.width;
    const VisibleKeys<Sight> visible(p, sequence_row, t0);
    const QueryRelations<Sight> relations(sight, t0, at.head);
    const Queries queries(p, sequence_row, t0);

    float lse[2], delta[2], dq[D / 8][4] = {};
    for (int i = 0; i < 2; i++) {
        const float4 four_sums = sums_of(p, sums, queries.row[i], at.head);
        lse[i] = four_sums.x, delta[i] = four_sums.y;
    }
    S* const q_tile = reinterpret_cast<S*>(shared);
    S* const dout_tile = q_tile + block_rows() * PITCH<D>;
    S* const staged = dout_tile + block_rows() * PITCH<D>;
    float* const scratch = warp_scratch<N>(staged + 2 * p.stages * N * PITCH<D>);
    const auto by_class = relations.sums(bias_sums, behind_scratch<N>(staged + 2 * p.stages * N * PITCH<D>));
    if (visible.first <= visible.last) {
        load_tile<D, 64>(p, q_tile, qkv + i64(sequence_row) * stride + column, stride, t0, block_rows());
        load_tile<D, 64>(p, dout_tile, dout + i64(sequence_row) * out_stride + column, out_stride, t0, block_rows());
    }
    AFragment<D> q_left, dout_left;
    auto ready = [&] {
        q_left.load(q_tile + warp_row() * PITCH<D>);
        dout_left.load(dout_tile + warp_row() * PITCH<D>);
    };
    // dS of a tile, for a given delta
    auto derivatives = [&](float (&s)[N / 8][4], const S* k, const S* v, int u) {
        float dp[N / 8][4];
        scores<N, D>(s, q_left, k);
        relations.template add<N>(p, s, visible, u);
        scores<N, D>(dp, dout_left, v);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) {
                const float weight = fast_exp2(fmaf(s[j][c], p.scale2, -lse[c / 2]));
                s[j][c] = weight * (dp[j][c] - delta[c / 2]);
            }
        if (!visible.all(p, u, N)) visible.template mask<N>(s, u, 0.0f);
    };
    const Keys keys = keys_of(p, qkv, memory, group_head, at.sequence);
    if constexpr (Sight::AHEAD)
        if (by_class.count > 0) {
            float rest[2] = {0.0f, 0.0f};
            auto measure = [&](const S* k, const S* v, int u) {
                if (!visible.any(p, u, N)) return;
                float s[N / 8][4];
                derivatives(s, k, v, u);
                add_rows<N>(rest, s);
            };
            over_keys<D, N>(p, keys, visible.first, visible.last, staged, ready, measure);
            for (int i = 0; i < 2; i++) delta[i] += quad_sum(rest[i]);
            __syncthreads();
        }
    auto each = [&](const S* k, const S* v, int u) {
        if (!visible.any(p, u, N)) return;
        float s[N / 8][4];
        derivatives(s, k, v, u);
        relations.template collect<N>(by_class, s, visible, u);
        mix<D, N, D>(dq, s, k, scratch);
    };
    over_keys<D, N>(p, keys, visible.first, visible.last, staged, ready, each);

    if (own) {
        const S* k[2];
        queries.of(qkv, stride, (p.heads + group_head) * p.width, k);
        float ds[2];
        for (int i = 0; i < 2; i++) ds[i] = k[i] ? own[(i64(queries.row[i]) * p.heads + at.head) * 2] : 0.0f;
        mix_rows<D>(p, dq, k, ds);
    }
    relations.write(p, by_class, bias_sums, at);
    if (Sight::AHEAD && blockIdx.y > 0) return;
    S* rows[2];
    const float factor[2] = {p.scale, p.scale};
    queries.of(dqkv, stride, column, rows);
    store_rows<D>(p, rows, dq, factor);
}

// dk and dv of the keys read, over tiles of queries: into dqkv, or added to dmemory (n, 2 K d) where there is one.
template <int D, class Sight>
__device__ __forceinline__ void attention_backward_keys(
    const Attention& p, const Sight& sight, const S* qkv, const S* memory, const S* dout, const float* sums, S* dqkv, float* dmemory) {
    constexpr int N = columns_of<D, KEYS>();
    typedef KeyPass<Sight, D, N, 2> Walk;
    const Walk pass(p, qkv, memory);
    float dk[Walk::E / 8][4] = {}, dv[Walk::E / 8][4] = {};
    const S* const from[2] = {qkv, dout};
    AFragment<D> k_left, v_left;
    pass.left(k_left, v_left);
    auto each = [&](const S* const (&tiles)[2], const float4* numbers, const Columns<Sight>& columns) {
        float s[N / 8][4], dp[N / 8][4];
        scores<N, D>(s, k_left, tiles[0]);
        columns.template add<N>(p, sight, s);
        scores<N, D>(dp, v_left, tiles[1]);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 2; c++) {
                const float log_sum = numbers[score_column(j) + c].x;
                s[j][c] = fast_exp2(fmaf(s[j][c], p.scale2, -log_sum));
                s[j][c + 2] = fast_exp2(fmaf(s[j][c + 2], p.scale2, -log_sum));
            }
        columns.template mask<N>(p, s);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 2; c++) {
                const float delta = numbers[score_column(j) + c].y;
                dp[j][c] = s[j][c] * (dp[j][c] - delta);
                dp[j][c + 2] = s[j][c + 2] * (dp[j][c + 2] - delta);
            }
        pass.mix(dk, dp, tiles[0]);
        pass.mix(dv, s, tiles[1]);
    };
    pass.over_queries(from, sums, each);
    if (dmemory)
        pass.add(dmemory, dk, dv);
    else
        pass.write(dqkv, dk, dv);
}
