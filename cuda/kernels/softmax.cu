// Softmax of rows of y (n,m), its Jacobian and the tangent of that, cross entropy. A row belongs to `group` threads and
// is read twice, the second time from cache.
#include "pack.cuh"

// max_j y_j and sum_j exp(y_j - max) of what was seen so far.
struct Peak {
    float top, sum;
};

// exp(x - top), where a row of nothing but -inf gives 0 and a NaN stays one.
__device__ __forceinline__ float below(float x, float top) {
    return expf(x - (top == -INFINITY_F ? 0.0f : top));
}

// One pass: the sum is rescaled when a run of columns raises the maximum.
template <int W> __device__ __forceinline__ Peak peak_of(const Place& p, const S* y) {
    Peak peak = {-INFINITY_F, 0.0f};
    sweep<0, W>(p, [&](int, u32 at) {
        float v[W];
        read(y + p.row * p.columns + at, v);
        float top = v[0];
#pragma unroll
        for (int i = 1; i < W; i++) top = fmaxf(top, v[i]);
        if (top > peak.top) {
            peak.sum *= below(peak.top, top);
            peak.top = top;
        }
#pragma unroll
        for (int i = 0; i < W; i++) peak.sum += below(v[i], peak.top);
    });
    const float top = row_max(peak.top, p);
    return {top, row_sum(peak.sum * below(peak.top, top), p)};
}

// log sum_j exp(y_j).
KERNEL(512, log_sum_exp)(float* out, const S* y, u32 rows, u32 columns, u32 group, u32 wide) {
    const Place p = place(rows, columns, group);
    const Peak peak = wide ? peak_of<8>(p, y) : peak_of<1>(p, y);
    if (p.live && p.lane == 0) out[p.row] = logf(peak.sum) + peak.top;
}

template <int W> __device__ __forceinline__ void forward(const Place& p, S* out, const S* y) {
    const Peak peak = peak_of<W>(p, y);
    const float share = 1.0f / peak.sum;
    sweep<0, W>(p, [&](int, u32 at) {
        float v[W];
        read(y + p.row * p.columns + at, v);
#pragma unroll
        for (int i = 0; i < W; i++) v[i] = expf(v[i] - peak.top) * share;
        write(out + p.row * p.columns + at, v);
    });
}
KERNEL(512, softmax)(S* out, const S* y, u32 rows, u32 columns, u32 group, u32 wide) {
    const Place p = place(rows, columns, group);
    wide ? forward<8>(p, out, y) : forward<1>(p, out, y);
}

// P (dp - <P, dp>).
template <int W> __device__ __forceinline__ void backward(const Place& p, S* out, const S* share, const S* dp) {
    float sum = 0.0f;
    sweep<0, W>(p, [&](int, u32 at) {
        float v[W], d[W];
        read(share + p.row * p.columns + at, v);
        read(dp + p.row * p.columns + at, d);
#pragma unroll
        for (int i = 0; i < W; i++) sum = fmaf(v[i], d[i], sum);
    });
    const float mean = row_sum(sum, p);
    sweep<0, W>(p, [&](int, u32 at) {
        float v[W], d[W];
        read(share + p.row * p.columns + at, v);
        read(dp + p.row * p.columns + at, d);
#pragma unroll
        for (int i = 0; i < W; i++) v[i] *= d[i] - mean;
        write(out + p.row * p.columns + at, v);
    });
}
KERNEL(512, softmax_backward)
(S* out, const S* share, const S* dp, u32 rows, u32 columns, u32 group, u32 wide) {
    const Place p = place(rows, columns, group);
    wide ? backward<8>(p, out, share, dp) : backward<1>(p, out, share, dp);
}

// Along (Pt, dpt), with s = <P, dp> and st = <Pt, dp> + <P, dpt>: Pt (dp - s) + P (dpt - st).
template <int W>
__device__ __forceinline__ void backward_tangent(const Place& p, S* out, const S* share, const S* share_t, const S* dp,
                                                 const S* dpt) {
    float sum = 0.0f, sum_t = 0.0f;
    sweep<0, W>(p, [&](int, u32 at) {
        const u64 here = p.row * p.columns + at;
        float v[W], t[W], d[W], dt[W];
        read(share + here, v);
        read(share_t + here, t);
        read(dp + here, d);
        read(dpt + here, dt);
#pragma unroll
        for (int i = 0; i < W; i++) {
            sum = fmaf(v[i], d[i], sum);
            sum_t = fmaf(t[i], d[i], fmaf(v[i], dt[i], sum_t));
        }
    });
    const float s = row_sum(sum, p), st = row_sum(sum_t, p);
    sweep<0, W>(p, [&](int, u32 at) {
        const u64 here = p.row * p.columns + at;
        float v[W], t[W], d[W], dt[W];
        read(share + here, v);
        read(share_t + here, t);
        read(dp + here, d);
        read(dpt + here, dt);
#pragma unroll
        for (int i = 0; i < W; i++) v[i] = fmaf(t[i], d[i] - s, v[i] * (dt[i] - st));
        write(out + here, v);
    });
}
KERNEL(512, softmax_backward_tangent)
(S* out, const S* share, const S* share_t, const S* dp, const S* dpt, u32 rows, u32 columns, u32 group, u32 wide) {
    const Place p = place(rows, columns, group);
    wide ? backward_tangent<8>(p, out, share, share_t, dp, dpt) : backward_tangent<1>(p, out, share, share_t, dp, dpt);
}

// loss = weight (lse(y) - y_target), dy = weight (softmax(y) - [j = target]); zero without a target. Logits enter
// relative to the greatest.
template <int W>
__device__ __forceinline__ void entropy(const Place& p, float* loss, S* dy, const S* y, const u32* targets,
                                        const float* weight) {
    const Peak peak = peak_of<W>(p, y);
    const u32 target = p.live ? targets[p.row] : 0xffffffffu;
    const bool counts = target < p.columns;
    const float by = counts ? weight[p.row] : 0.0f, share = by / peak.sum;
    sweep<0, W>(p, [&](int, u32 at) {
        float v[W];
        read(y + p.row * p.columns + at, v);
#pragma unroll
        for (int i = 0; i < W; i++) {
            v[i] = expf(v[i] - peak.top) * share;
            if (at + i == target) v[i] -= by;
            if (!counts) v[i] = 0.0f;
        }
        write(dy + p.row * p.columns + at, v);
    });
    if (p.live && p.lane == 0) {
        float value = 0.0f;
        if (counts) {
            const float aim = to_float(y[p.row * p.columns + target]) - peak.top;
            value = by * (logf(peak.sum) - aim);
        }
        loss[p.row] = value;
    }
}
KERNEL(512, cross_entropy)
(float* loss, S* dy, const S* y, const u32* targets, const float* weight, u32 rows, u32 columns, u32 group, u32 wide) {
    const Place p = place(rows, columns, group);
    wide ? entropy<8>(p, loss, dy, y, targets, weight) : entropy<1>(p, loss, dy, y, targets, weight);
}
