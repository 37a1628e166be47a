// Tangents along qt, kt, vt of the predicted stream; the memory is a constant. A tangent is written with a trailing t.
//     st_ij = scale (qt_i . k_j)          st_ii = scale (qt_i . k_i + q_i . kt_i)       P_ij = exp(s_ij - lse_i)
//     lset_i = sum_j P_ij st_ij           Pt_ij = P_ij (st_ij - lset_i)
//     outt_i = sum_j Pt_ij v_j + P_ii vt_i = sum_j P_ij st_ij v_j + P_ii vt_i - lset_i out_i
// Forward, lse and out are known, so one walk over the keys is enough and nothing is rescaled.
// Of the gradients in attention_backward.cuh, with dout's tangent doutt,
//     deltat_i = doutt_i . out_i + dout_i . outt_i
//     dPt_ij = doutt_i . v_j          dPt_ii = doutt_i . v_i + dout_i . vt_i
//     dSt_ij = Pt_ij (dP_ij - delta_i) + P_ij (dPt_ij - deltat_i)
//     dqt_i = scale (sum_j dSt_ij k_j + dS_ii kt_i)
//     dkt_j = scale sum_i (dSt_ij q_i + dS_ij qt_i)       dvt_j = sum_i (Pt_ij dout_i + P_ij doutt_i)
// where the sums take in the own key and value. The own dkt and dvt are written by attention_rows.cu.
#pragma once
#include "attention_backward.cuh"

// outt and lset.
template <int D>
__device__ __forceinline__ void attention_forward_tangent(
    const Attention& p, const S* qkv, const S* qkvt, const S* memory, const S* out, const float* lse, S* outt,
    float* lset) {
    constexpr int N = columns_of<D, QUERIES>();
    SHARED_MEMORY(shared);
    Place at = place(p, p.heads);
    at.tile = p.tiles - 1 - at.tile;
    const int t0 = at.tile * block_rows(), group_head = at.head / p.group;
    const int sequence_row = at.sequence * p.context;
    const int stride = qkv_stride(p), out_stride = p.heads * p.width, column = at.head * p.width;
    const VisibleKeys<Past> visible(p, sequence_row, t0);
    const Queries queries(p, sequence_row, t0);

    float log_sum[2], along[2] = {0.0f, 0.0f}, mixed[D / 8][4] = {};
    for (int i = 0; i < 2; i++)
        log_sum[i] = queries.row[i] < 0 ? 0.0f : lse[i64(queries.row[i]) * p.heads + at.head] * LOG2_E;

    S* const q_tile = reinterpret_cast<S*>(shared);
    S* const qt_tile = q_tile + block_rows() * PITCH<D>;
    S* const staged = qt_tile + block_rows() * PITCH<D>;
    float* const scratch = warp_scratch<N>(staged + 2 * p.stages * N * PITCH<D>);
    if (visible.first <= visible.last) {
        load_tile<D, 64>(p, q_tile, qkv + i64(sequence_row) * stride + column, stride, t0, block_rows());
        load_tile<D, 64>(p, qt_tile, qkvt + i64(sequence_row) * stride + column, stride, t0, block_rows());
    }
    AFragment<D> q_left, qt_left;
    auto ready = [&] {
        q_left.load(q_tile + warp_row() * PITCH<D>);
        qt_left.load(qt_tile + warp_row() * PITCH<D>);
    };
    auto each = [&](const S* k, const S* v, int u) {
        if (!visible.any(p, u, N)) return;
        float s[N / 8][4], st[N / 8][4];
        scores<N, D>(s, q_left, k);
        scores<N, D>(st, qt_left, k);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 4; c++)
                s[j][c] = fast_exp2(fmaf(s[j][c], p.scale2, -log_sum[c / 2])) * (st[j][c] * p.scale);
        if (!visible.all(p, u, N)) visible.mask<N>(s, u, 0.0f);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) along[c / 2] += s[j][c];
        mix<D, N, D>(mixed, s, v, scratch);
    };
    over_keys<D, N>(
        p, keys_of(p, qkv, memory, group_head, at.sequence), visible.first, visible.last, staged, ready, each);

    {
        const S *q[2], *qt[2], *k[2], *kt[2], *v[2], *vt[2];
        const int k_column = (p.heads + group_head) * p.width, v_column = k_column + p.kv_heads * p.width;
        queries.of(qkv, stride, column, q);
        queries.of(qkvt, stride, column, qt);
        queries.of(qkv, stride, k_column, k);
        queries.of(qkvt, stride, k_column, kt);
        queries.of(qkv, stride, v_column, v);
        queries.of(qkvt, stride, v_column, vt);
        float s[2], left[2], right[2], weight[2];
        row_products<D>(p, q, k, s);
        row_products<D>(p, qt, k, left);
        row_products<D>(p, q, kt, right);
        for (int i = 0; i < 2; i++) {
            weight[i] = fast_exp2(s[i] * p.scale2 - log_sum[i]);
            left[i] = weight[i] * (left[i] + right[i]) * p.scale;
            along[i] += (threadIdx.x & 3) == 0 ? left[i] : 0.0f;
        }
        mix_rows<D>(p, mixed, v, left);
        mix_rows<D>(p, mixed, vt, weight);
    }
    const S* known[2];
    S* rows[2];
    float minus[2];
    for (int i = 0; i < 2; i++) {
        along[i] = quad_sum(along[i]);
        minus[i] = -along[i];
        if ((threadIdx.x & 3) == 0 && queries.row[i] >= 0) lset[i64(queries.row[i]) * p.heads + at.head] = along[i];
    }
    const float one[2] = {1.0f, 1.0f};
    queries.of(out, out_stride, column, known);
    queries.of(outt, out_stride, column, rows);
    mix_rows<D>(p, mixed, known, minus);
    store_rows<D>(p, rows, mixed, one);
}

// dqt, over tiles of keys.
template <int D>
__device__ __forceinline__ void attention_tangent_queries(
    const Attention& p, const S* qkv, const S* qkvt, const S* memory, const S* dout, const S* doutt, const float* sums,
    const float* own, S* dqkvt) {
    constexpr int N = columns_of<D, TANGENT_QUERIES>();
    SHARED_MEMORY(shared);
    Place at = place(p, p.heads);
    at.tile = p.tiles - 1 - at.tile;
    const int t0 = at.tile * block_rows(), group_head = at.head / p.group;
    const int sequence_row = at.sequence * p.context;
    const int stride = qkv_stride(p), out_stride = p.heads * p.width, column = at.head * p.width;
    const VisibleKeys<Past> visible(p, sequence_row, t0);
    const Queries queries(p, sequence_row, t0);

    float4 numbers[2];
    float dqt[D / 8][4] = {};
    for (int i = 0; i < 2; i++) numbers[i] = sums_of(p, sums, queries.row[i], at.head);

    const int tile = block_rows() * PITCH<D>, mine = warp_row() * PITCH<D>;
    S* const tiles = reinterpret_cast<S*>(shared);
    S* const staged = tiles + 4 * tile;
    float* const scratch = warp_scratch<N>(staged + 2 * p.stages * N * PITCH<D>);
    if (visible.first <= visible.last) {
        const i64 q_at = i64(sequence_row) * stride + column, dout_at = i64(sequence_row) * out_stride + column;
        load_tile<D, 64>(p, tiles, qkv + q_at, stride, t0, block_rows());
        load_tile<D, 64>(p, tiles + tile, qkvt + q_at, stride, t0, block_rows());
        load_tile<D, 64>(p, tiles + 2 * tile, dout + dout_at, out_stride, t0, block_rows());
        load_tile<D, 64>(p, tiles + 3 * tile, doutt + dout_at, out_stride, t0, block_rows());
    }
    AFragment<D> left[4];
    auto ready = [&] {
#pragma unroll
        for (int i = 0; i < 4; i++) left[i].load(tiles + i * tile + mine);
    };
    auto each = [&](const S* k, const S* v, int u) {
        if (!visible.any(p, u, N)) return;
        float s[N / 8][4], st[N / 8][4], dp[N / 8][4], dpt[N / 8][4];
        // in these orders the assembler finds registers for all of them, whatever the architecture
        if (D != 64) scores<N, D>(s, left[0], k), scores<N, D>(st, left[1], k);
        scores<N, D>(dp, left[2], v);
        scores<N, D>(dpt, left[3], v);
        if (D == 64) scores<N, D>(s, left[0], k), scores<N, D>(st, left[1], k);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) {
                const float4 x = numbers[c / 2];
                const float weight = fast_exp2(fmaf(s[j][c], p.scale2, -x.x));
                const float change = fmaf(st[j][c], p.scale, -x.z);
                s[j][c] = weight * fmaf(change, dp[j][c] - x.y, dpt[j][c] - x.w);
            }
        if (!visible.all(p, u, N)) visible.mask<N>(s, u, 0.0f);
        mix<D, N, D>(dqt, s, k, scratch);
    };
    over_keys<D, N>(
        p, keys_of(p, qkv, memory, group_head, at.sequence), visible.first, visible.last, staged, ready, each);

    const S *k[2], *kt[2];
    const int k_column = (p.heads + group_head) * p.width;
    queries.of(qkv, stride, k_column, k);
    queries.of(qkvt, stride, k_column, kt);
    float ds[2], dst[2];
    for (int i = 0; i < 2; i++) {
        const float* const of = own + (i64(queries.row[i]) * p.heads + at.head) * 2;
        ds[i] = k[i] ? of[0] : 0.0f;
        dst[i] = k[i] ? of[1] : 0.0f;
    }
    mix_rows<D>(p, dqt, k, dst);
    mix_rows<D>(p, dqt, kt, ds);
    S* rows[2];
    const float factor[2] = {p.scale, p.scale};
    queries.of(dqkvt, stride, column, rows);
    store_rows<D>(p, rows, dqt, factor);
}

// dkt and dvt of the memory, over tiles of queries, added to dmemory (n, 2 K d).
template <int D>
__device__ __forceinline__ void attention_tangent_keys(
    const Attention& p, const S* qkv, const S* qkvt, const S* memory, const S* dout, const S* doutt, const float* sums,
    float* dmemory) {
    constexpr int N = columns_of<D, TANGENT_KEYS>();
    typedef KeyPass<Past, D, N, 4> Walk;
    const Walk pass(p, qkv, memory);
    float dkt[Walk::E / 8][4] = {}, dvt[Walk::E / 8][4] = {};
    const S* const from[4] = {qkv, dout, qkvt, doutt};
    AFragment<D> k_left, v_left;
    pass.left(k_left, v_left);
    auto each = [&](const S* const (&tiles)[4], const float4* numbers, const Columns<Past>& columns) {
        float s[N / 8][4], dp[N / 8][4], st[N / 8][4], dpt[N / 8][4];
        scores<N, D>(s, k_left, tiles[0]);
        scores<N, D>(dp, v_left, tiles[1]);
        scores<N, D>(st, k_left, tiles[2]);
        scores<N, D>(dpt, v_left, tiles[3]);
        // s, st become P and Pt, dp and dpt become dS and dSt
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                s[j][i] = fast_exp2(fmaf(s[j][i], p.scale2, -numbers[score_column(j) + (i & 1)].x));
        columns.mask<N>(p, s);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 2; c++) {
                const float4 x = numbers[score_column(j) + c];
#pragma unroll
                for (int i = c; i < 4; i += 2) {
                    const float weight = s[j][i], inner = dp[j][i] - x.y;
                    const float weight_t = weight * fmaf(st[j][i], p.scale, -x.z);
                    st[j][i] = weight_t;
                    dp[j][i] = weight * inner;
                    dpt[j][i] = fmaf(weight_t, inner, weight * (dpt[j][i] - x.w));
                }
            }
        pass.mix(dkt, dpt, tiles[0]);
        pass.mix(dkt, dp, tiles[2]);
        pass.mix(dvt, st, tiles[1]);
        pass.mix(dvt, s, tiles[3]);
    };
    pass.over_queries(from, sums, each);
    pass.add(dmemory, dkt, dvt);
}
