// Tangents of attention among all positions, along qt, kt, vt; the biases are constants. A tangent is written with a
// trailing t, and names are those of attention_forward.cuh and attention_backward.cuh:
//     st_ij = scale (qt_i . k_j + q_i . kt_j)      lset_i = sum_j P_ij st_ij      Pt_ij = P_ij (st_ij - lset_i)
//     outt_i = sum_j (P_ij st_ij v_j + P_ij vt_j) - lset_i out_i
//     deltat_i = doutt_i . out_i + dout_i . outt_i      dPt_ij = doutt_i . v_j + dout_i . vt_j
//     dSt_ij = Pt_ij (dP_ij - delta_i) + P_ij (dPt_ij - deltat_i)
//     dqt_i = scale sum_j (dSt_ij k_j + dS_ij kt_j)
//     dkt_j = scale sum_i (dSt_ij q_i + dS_ij qt_i)      dvt_j = sum_i (Pt_ij dout_i + P_ij doutt_i)
// and the tangent of a bias's gradient is the sum of dSt over its class.
#pragma once
#include "attention_backward.cuh"

// outt and lset.
template <int D>
__device__ __forceinline__ void joint_forward_tangent(
    const Attention& p, const Relations& r, const S* qkv, const S* qkvt, const S* out, const float* lse, S* outt,
    float* lset) {
    constexpr int N = columns_of<D, TANGENT_QUERIES>(), TILE = N * PITCH<D>;
    SHARED_MEMORY(shared);
    const Place at = place(p, p.heads);
    const int t0 = at.tile * block_rows(), group_head = at.head / p.group;
    const int sequence_row = at.sequence * p.context;
    const int stride = qkv_stride(p), out_stride = p.heads * p.width, column = at.head * p.width;
    const VisibleKeys<Relations> visible(p, sequence_row, t0);
    const QueryRelations<Relations> relations(r, t0, at.head);
    const Queries queries(p, sequence_row, t0);

    float log_sum[2], along[2] = {0.0f, 0.0f}, mixed[D / 8][4] = {};
    for (int i = 0; i < 2; i++)
        log_sum[i] = queries.row[i] < 0 ? 0.0f : lse[i64(queries.row[i]) * p.heads + at.head] * LOG2_E;

    const int tile = block_rows() * PITCH<D>, mine = warp_row() * PITCH<D>;
    S* const tiles = reinterpret_cast<S*>(shared);
    S* const staged = tiles + 2 * tile;
    float* const scratch = warp_scratch<N>(staged + 4 * p.stages * TILE);
    if (visible.first <= visible.last) {
        const i64 q_at = i64(sequence_row) * stride + column;
        load_tile<D, 64>(p, tiles, qkv + q_at, stride, t0, block_rows());
        load_tile<D, 64>(p, tiles + tile, qkvt + q_at, stride, t0, block_rows());
    }
    AFragment<D> q, qt;
    auto ready = [&] {
        q.load(tiles + mine);
        qt.load(tiles + tile + mine);
    };
    auto each = [&](const S* keys, int u) {
        if (!visible.any(p, u, N)) return;
        const S *const k = keys, *const v = keys + TILE, *const kt = keys + 2 * TILE, *const vt = keys + 3 * TILE;
        float s[N / 8][4], st[N / 8][4];
        scores<N, D>(s, q, k);
        relations.add<N>(p, s, visible, u);
        scores<N, D>(st, qt, k);
        add_scores<N, D>(st, q, kt);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) s[j][c] = fast_exp2(fmaf(s[j][c], p.scale2, -log_sum[c / 2]));
        if (!visible.all(p, u, N)) visible.mask<N>(s, u, 0.0f);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) st[j][c] *= s[j][c] * p.scale;
        add_rows<N>(along, st);
        mix<D, N, D>(mixed, s, vt, scratch);
        mix<D, N, D>(mixed, st, v, scratch);
    };
    const Keys keys[2] = {keys_of(p, qkv, nullptr, group_head, at.sequence),
                          keys_of(p, qkvt, nullptr, group_head, at.sequence)};
    over_all_keys<D, N>(p, keys, visible.first, visible.last, staged, ready, each);

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

// P, Pt, dS and dSt in the place of s, st, dp and dpt (one element each), from a row's four numbers.
__device__ __forceinline__ void tangent_weights(const Attention& p, const float4& x, float& s, float& st, float& dp,
                                                float& dpt) {
    const float inner = dp - x.y;
    st = s * fmaf(st, p.scale, -x.z);
    dpt = fmaf(st, inner, s * (dpt - x.w));
    dp = s * inner;
}

// dqt, over tiles of keys; and the sums of dSt by class, where they are asked for: for them delta and deltat are computed
// anew, as in attention_backward.cuh.
template <int D>
__device__ __forceinline__ void joint_tangent_queries(
    const Attention& p, const Relations& r, const S* qkv, const S* qkvt, const S* dout, const S* doutt,
    const float* sums, S* dqkvt, const BiasSums& bias_sums) {
    constexpr int N = columns_of<D, TANGENT_QUERIES>(), TILE = N * PITCH<D>;
    SHARED_MEMORY(shared);
    const Place at = place(p, p.heads);
    const int t0 = at.tile * block_rows(), group_head = at.head / p.group;
    const int sequence_row = at.sequence * p.context;
    const int stride = qkv_stride(p), out_stride = p.heads * p.width, column = at.head * p.width;
    const VisibleKeys<Relations> visible(p, sequence_row, t0);
    const QueryRelations<Relations> relations(r, t0, at.head);
    const Queries queries(p, sequence_row, t0);

    float4 numbers[2];
    float dqt[D / 8][4] = {};
    for (int i = 0; i < 2; i++) numbers[i] = sums_of(p, sums, queries.row[i], at.head);

    const int tile = block_rows() * PITCH<D>, mine = warp_row() * PITCH<D>;
    S* const tiles = reinterpret_cast<S*>(shared);
    S* const staged = tiles + 4 * tile;
    float* const scratch = warp_scratch<N>(staged + 4 * p.stages * TILE);
    const ClassSums by_class = relations.sums(bias_sums, behind_scratch<N>(staged + 4 * p.stages * TILE));
    if (visible.first <= visible.last) {
        const i64 q_at = i64(sequence_row) * stride + column, dout_at = i64(sequence_row) * out_stride + column;
        load_tile<D, 64>(p, tiles, qkv + q_at, stride, t0, block_rows());
        load_tile<D, 64>(p, tiles + tile, qkvt + q_at, stride, t0, block_rows());
        load_tile<D, 64>(p, tiles + 2 * tile, dout + dout_at, out_stride, t0, block_rows());
        load_tile<D, 64>(p, tiles + 3 * tile, doutt + dout_at, out_stride, t0, block_rows());
    }
    AFragment<D> q, qt, y, yt;
    auto ready = [&] {
        q.load(tiles + mine);
        qt.load(tiles + tile + mine);
        y.load(tiles + 2 * tile + mine);
        yt.load(tiles + 3 * tile + mine);
    };
    // dS and dSt of a tile
    auto derivatives = [&](float (&dp)[N / 8][4], float (&dpt)[N / 8][4], const S* keys, int u) {
        const S *const k = keys, *const v = keys + TILE, *const kt = keys + 2 * TILE, *const vt = keys + 3 * TILE;
        float s[N / 8][4], st[N / 8][4];
        scores<N, D>(s, q, k);
        relations.add<N>(p, s, visible, u);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) s[j][c] = fast_exp2(fmaf(s[j][c], p.scale2, -numbers[c / 2].x));
        if (!visible.all(p, u, N)) visible.mask<N>(s, u, 0.0f);
        scores<N, D>(st, qt, k);
        add_scores<N, D>(st, q, kt);
        scores<N, D>(dp, y, v);
        scores<N, D>(dpt, yt, v);
        add_scores<N, D>(dpt, y, vt);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) tangent_weights(p, numbers[c / 2], s[j][c], st[j][c], dp[j][c], dpt[j][c]);
    };
    const Keys keys[2] = {keys_of(p, qkv, nullptr, group_head, at.sequence),
                          keys_of(p, qkvt, nullptr, group_head, at.sequence)};
    if (by_class.count > 0) {
        // sum_j Pt_ij is 0: what delta lacks is the sum of dS, what deltat lacks that of dSt
        float rest[2] = {0.0f, 0.0f}, rest_t[2] = {0.0f, 0.0f};
        auto measure = [&](const S* keys, int u) {
            if (!visible.any(p, u, N)) return;
            float ds[N / 8][4], dst[N / 8][4];
            derivatives(ds, dst, keys, u);
            add_rows<N>(rest, ds);
            add_rows<N>(rest_t, dst);
        };
        over_all_keys<D, N>(p, keys, visible.first, visible.last, staged, ready, measure);
        for (int i = 0; i < 2; i++) {
            numbers[i].y += quad_sum(rest[i]);
            numbers[i].w += quad_sum(rest_t[i]);
        }
        __syncthreads();
    }
    auto each = [&](const S* keys, int u) {
        if (!visible.any(p, u, N)) return;
        float ds[N / 8][4], dst[N / 8][4];
        derivatives(ds, dst, keys, u);
        relations.collect<N>(by_class, dst, visible, u);
        mix<D, N, D>(dqt, dst, keys, scratch);
        mix<D, N, D>(dqt, ds, keys + 2 * TILE, scratch);
    };
    over_all_keys<D, N>(p, keys, visible.first, visible.last, staged, ready, each);

    relations.write(p, by_class, bias_sums, at);
    if (blockIdx.y > 0) return;
    S* rows[2];
    const float factor[2] = {p.scale, p.scale};
    queries.of(dqkvt, stride, column, rows);
    store_rows<D>(p, rows, dqt, factor);
}

// dkt and dvt, over tiles of queries.
template <int D>
__device__ __forceinline__ void joint_tangent_keys(
    const Attention& p, const Relations& r, const S* qkv, const S* qkvt, const S* dout, const S* doutt,
    const float* sums, S* dqkvt) {
    constexpr int N = columns_of<D, TANGENT_KEYS>();
    typedef KeyPass<Relations, D, N, 4, 4> Walk;
    const Walk pass(p, qkv, nullptr, qkvt);
    float dkt[Walk::E / 8][4] = {}, dvt[Walk::E / 8][4] = {};
    const S* const from[4] = {qkv, dout, qkvt, doutt};
    AFragment<D> k, v, kt, vt;
    pass.left(k, v);
    pass.left(kt, vt, 2);
    auto each = [&](const S* const (&tiles)[4], const float4* numbers, const Columns<Relations>& columns) {
        float s[N / 8][4], dp[N / 8][4], st[N / 8][4], dpt[N / 8][4];
        scores<N, D>(s, k, tiles[0]);
        columns.add<N>(p, r, s);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                s[j][i] = fast_exp2(fmaf(s[j][i], p.scale2, -numbers[score_column(j) + (i & 1)].x));
        columns.mask<N>(p, s);
        scores<N, D>(dp, v, tiles[1]);
        scores<N, D>(st, k, tiles[2]);
        add_scores<N, D>(st, kt, tiles[0]);
        scores<N, D>(dpt, v, tiles[3]);
        add_scores<N, D>(dpt, vt, tiles[1]);
#pragma unroll
        for (int j = 0; j < N / 8; j++)
#pragma unroll
            for (int c = 0; c < 2; c++) {
                const float4 x = numbers[score_column(j) + c];
#pragma unroll
                for (int i = c; i < 4; i += 2) tangent_weights(p, x, s[j][i], st[j][i], dp[j][i], dpt[j][i]);
            }
        pass.mix(dkt, dpt, tiles[0]);
        pass.mix(dkt, dp, tiles[2]);
        pass.mix(dvt, st, tiles[1]);
        pass.mix(dvt, s, tiles[3]);
    };
    pass.over_queries(from, sums, each);
    pass.write(dqkvt, dkt, dvt);
}
