// Before the passes of a backward attention: the numbers of every row and head, and the gradients of the predicted
// stream's own keys and values (see attention_backward.cuh and attention_tangent.cuh for the mathematics):
//     delta_i = dout_i . out_i            P = exp(scale q . k - lse)     dS = P (dout . v - delta)
//     dk = scale sum dS q                 dv = sum P dout
// with q, k, v of the same row, sums over the query heads of the group; and the tangents of all these. A warp takes one
// row and key head; a lane holds columns 2 lane, 2 lane + 1 and those 64, 128 and 192 further.
#include "attention.cuh"

static constexpr int PAIRS = 4;

struct Line {
    float2 x[PAIRS];

    __device__ __forceinline__ Line() {
        for (int i = 0; i < PAIRS; i++) x[i] = make_float2(0.0f, 0.0f);
    }
    __device__ __forceinline__ Line(const Attention& p, const S* row) {
#pragma unroll
        for (int i = 0; i < PAIRS; i++) {
            const int c = 2 * (lane_id() + 32 * i);
            x[i] = 64 * i < p.width ? pair(row, c, p.width, p.vector) : make_float2(0.0f, 0.0f);
        }
    }
    __device__ __forceinline__ void add(float factor, const Line& y) {
#pragma unroll
        for (int i = 0; i < PAIRS; i++) {
            x[i].x = fmaf(factor, y.x[i].x, x[i].x);
            x[i].y = fmaf(factor, y.x[i].y, x[i].y);
        }
    }
    __device__ __forceinline__ void store(const Attention& p, S* row, float factor) const {
#pragma unroll
        for (int i = 0; i < PAIRS; i++)
            store_pair(row, 2 * (lane_id() + 32 * i), p.width, p.vector, factor * x[i].x, factor * x[i].y);
    }
};

__device__ __forceinline__ float dot(const Line& a, const Line& b) {
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < PAIRS; i++) sum = fmaf(a.x[i].x, b.x[i].x, fmaf(a.x[i].y, b.x[i].y, sum));
    return warp_sum(sum);
}

// The row and key head of a warp.
struct Item {
    i64 row, q, k, v;
    int head;
    bool inside;

    __device__ __forceinline__ Item(const Attention& p, i64 items) {
        // number `index` = row * count + head is `warps` blockIdx + warp; divided without 64 bits
        const u32 count = p.kv_heads, warps = blockDim.x / 32, warp = threadIdx.x / 32;
        const u32 rest = warps * (blockIdx.x % count) + warp;
        inside = i64(blockIdx.x) * warps + warp < items;
        row = i64(blockIdx.x / count) * warps + rest / count;
        head = static_cast<int>(rest % count);
        const int stride = qkv_stride(p);
        q = row * stride + head * p.group * p.width;
        k = row * stride + (p.heads + head) * p.width;
        v = k + count * p.width;
    }
};

// `items` is rows times key heads. Without `own` (the observed stream) only `sums` is written.
KERNEL(128, attention_rows)(
    Attention p, u64 items, const S* qkv, const S* out, const float* lse, const S* dout, float* sums, float* own,
    S* dqkv) {
    const Item at(p, i64(items));
    if (!at.inside) return;
    Line k, v, dk, dv;
    if (own) k = Line(p, qkv + at.k), v = Line(p, qkv + at.v);
    for (int member = 0; member < p.group; member++) {
        const i64 place = at.row * p.heads + at.head * p.group + member;
        const Line y(p, dout + place * p.width);
        const float delta = dot(y, Line(p, out + place * p.width)), log_sum = lse[place] * LOG2_E;
        if (lane_id() == 0) *reinterpret_cast<float4*>(sums + place * 4) = float4{log_sum, delta, 0.0f, 0.0f};
        if (!own) continue;
        const Line q(p, qkv + at.q + member * p.width);
        const float weight = fast_exp2(fmaf(dot(q, k), p.scale2, -log_sum));
        const float ds = weight * (dot(y, v) - delta);
        if (lane_id() == 0) store_two(own + place * 2, ds, 0.0f);
        dk.add(ds, q);
        dv.add(weight, y);
    }
    if (!own) return;
    dk.store(p, dqkv + at.k, p.scale);
    dv.store(p, dqkv + at.v, 1.0f);
}

// Without `own` (attention among all positions) only `sums` is written.
KERNEL(128, attention_rows_tangent)(
    Attention p, u64 items, const S* qkv, const S* qkvt, const S* out, const S* outt, const float* lse,
    const float* lset, const S* dout, const S* doutt, float* sums, float* own, S* dqkvt) {
    const Item at(p, i64(items));
    if (!at.inside) return;
    Line k, v, kt, vt, dkt, dvt;
    if (own) k = Line(p, qkv + at.k), v = Line(p, qkv + at.v), kt = Line(p, qkvt + at.k), vt = Line(p, qkvt + at.v);
    for (int member = 0; member < p.group; member++) {
        const i64 place = at.row * p.heads + at.head * p.group + member, q_at = at.q + member * p.width;
        const Line y(p, dout + place * p.width), yt(p, doutt + place * p.width);
        const Line o(p, out + place * p.width), ot(p, outt + place * p.width);
        const float delta = dot(y, o), delta_t = dot(yt, o) + dot(y, ot);
        const float log_sum = lse[place] * LOG2_E, along = lset[place];
        if (lane_id() == 0) *reinterpret_cast<float4*>(sums + place * 4) = float4{log_sum, delta, along, delta_t};
        if (!own) continue;
        const Line q(p, qkv + q_at), qt(p, qkvt + q_at);
        const float weight = fast_exp2(fmaf(dot(q, k), p.scale2, -log_sum));
        const float weight_t = weight * fmaf(dot(qt, k) + dot(q, kt), p.scale, -along);
        const float inner = dot(y, v) - delta, inner_t = dot(yt, v) + dot(y, vt) - delta_t;
        const float ds = weight * inner, dst = fmaf(weight_t, inner, weight * inner_t);
        if (lane_id() == 0) store_two(own + place * 2, ds, dst);
        dkt.add(dst, q);
        dkt.add(ds, qt);
        dvt.add(weight_t, y);
        dvt.add(weight, yt);
    }
    if (!own) return;
    dkt.store(p, dqkvt + at.k, p.scale);
    dvt.store(p, dqkvt + at.v, 1.0f);
}
