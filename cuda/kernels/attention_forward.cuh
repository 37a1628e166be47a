// Forward pass. With s_ij = scale q_i . k_j over the visible keys j (the predicted stream's own among them),
//     lse_i = log sum_j exp s_ij      out_i = sum_j exp(s_ij - lse_i) v_j
// computed tile by tile with a running maximum m and a sum l of exp(s - m): when m grows, what was summed is multiplied
// by exp(m_before - m). Exponents are in base 2. The predicted stream's own key and value come last.
#pragma once
#include "attention_relations.cuh"

template <int D, class Sight>
__device__ __forceinline__ void attention_forward(
    const Attention& p, const Sight& sight, const S* qkv, const S* memory, S* out, float* lse) {
    constexpr int N = columns_of<D, FORWARD>();
    SHARED_MEMORY(shared);
    Place at = place(p, p.heads);
    at.tile = p.tiles - 1 - at.tile;
    const int t0 = at.tile * block_rows(), group_head = at.head / p.group;
    const int sequence_row = at.sequence * p.context;
    const int stride = qkv_stride(p), q_column = at.head * p.width;
    const VisibleKeys<Sight> visible(p, sequence_row, t0);
    const QueryRelations<Sight> relations(sight, t0, at.head);
    const Queries queries(p, sequence_row, t0);

    float m[2] = {-INFINITY_F, -INFINITY_F}, l[2] = {0.0f, 0.0f}, mixed[D / 8][4] = {};
    S* const q_tile = reinterpret_cast<S*>(shared);
    S* const staged = q_tile + block_rows() * PITCH<D>;
    float* const scratch = warp_scratch<N>(staged + 2 * p.stages * N * PITCH<D>);
    if (visible.first <= visible.last)
        load_tile<D, 64>(p, q_tile, qkv + i64(sequence_row) * stride + q_column, stride, t0, block_rows());
    typename Choose<(D <= 128), Held<D>, AFragment<D>>::Type left;
    auto ready = [&] { left.load(q_tile + warp_row() * PITCH<D>); };
    auto each = [&](const S* k, const S* v, int u) {
        if (!visible.any(p, u, N)) return;
        float s[N / 8][4];
        scores<N, D>(s, left, k);
        relations.template add<N>(p, s, visible, u);
        if (!visible.all(p, u, N)) visible.template mask<N>(s, u, -INFINITY_F);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            float top = -INFINITY_F;
#pragma unroll
            for (int j = 0; j < N / 8; j++) top = fmaxf(top, fmaxf(s[j][2 * i], s[j][2 * i + 1]));
            top = fmaxf(m[i], quad_max(top) * p.scale2);
            const float base = top == -INFINITY_F ? 0.0f : top, shrink = fast_exp2(m[i] - base);
            m[i] = top;
            l[i] *= shrink;
#pragma unroll
            for (int j = 0; j < N / 8; j++)
#pragma unroll
                for (int c = 2 * i; c < 2 * i + 2; c++) {
                    s[j][c] = fast_exp2(fmaf(s[j][c], p.scale2, -base));
                    l[i] += s[j][c];
                }
#pragma unroll
            for (int j = 0; j < D / 8; j++) mixed[j][2 * i] *= shrink, mixed[j][2 * i + 1] *= shrink;
        }
        mix<D, N, D>(mixed, s, v, scratch);
    };
    over_keys<D, N>(
        p, keys_of(p, qkv, memory, group_head, at.sequence), visible.first, visible.last, staged, ready, each);

    if (memory) {
        const S *q[2], *k[2], *v[2];
        const int k_column = (p.heads + group_head) * p.width;
        queries.of(qkv, stride, q_column, q);
        queries.of(qkv, stride, k_column, k);
        queries.of(qkv, stride, k_column + p.kv_heads * p.width, v);
        float weight[2];
        row_products<D>(p, q, k, weight);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const float top = fmaxf(m[i], weight[i] * p.scale2), shrink = fast_exp2(m[i] - top);
            weight[i] = fast_exp2(weight[i] * p.scale2 - top);
            m[i] = top;
            l[i] = l[i] * shrink + ((threadIdx.x & 3) == 0 ? weight[i] : 0.0f);
#pragma unroll
            for (int j = 0; j < D / 8; j++) mixed[j][2 * i] *= shrink, mixed[j][2 * i + 1] *= shrink;
        }
        mix_rows<D>(p, mixed, v, weight);
    }
    float factor[2];
    for (int i = 0; i < 2; i++) {
        l[i] = quad_sum(l[i]);
        factor[i] = l[i] > 0.0f ? 1.0f / l[i] : 0.0f;
        if ((threadIdx.x & 3) == 0 && queries.row[i] >= 0)
            lse[i64(queries.row[i]) * p.heads + at.head] = l[i] > 0.0f ? m[i] * LN_2 + logf(l[i]) : EMPTY_LSE;
    }
    S* rows[2];
    queries.of(out, p.heads * p.width, q_column, rows);
    store_rows<D>(p, rows, mixed, factor);
}
