// Modulated root-mean-square norm of rows of x (n,m): y = x r w + b with r = 1 / sqrt(mean(x^2) + eps); w, b (1,m).
//
// A row belongs to `group` threads. Up to 16 group columns it stays in registers between the reduction and the
// result, so every input is read once; longer rows are read twice.
#include "pack.cuh"

// Runs `body<N, W>` for the shape of a row.
#define BY_SHAPE(body, wide, p, ...)                                                                                   \
    if (!(wide)) {                                                                                                     \
        body<0, 1>(p, __VA_ARGS__);                                                                                    \
    } else if ((p).columns <= 8 * (p).group) {                                                                         \
        body<1, 8>(p, __VA_ARGS__);                                                                                    \
    } else if ((p).columns <= 16 * (p).group) {                                                                        \
        body<2, 8>(p, __VA_ARGS__);                                                                                    \
    } else {                                                                                                           \
        body<0, 8>(p, __VA_ARGS__);                                                                                    \
    }

// Registers of N runs (of one where the row is read again).
template <int N, int W> struct Row {
    const S* from;
    Pack<S, W> runs[N > 0 ? N : 1];

    __device__ __forceinline__ Row(const S* x, const Place& p) : from(x + p.row * p.columns) {}
    // Run i from memory.
    __device__ __forceinline__ void first(int i, u32 at, float (&v)[W]) {
        runs[i] = load<W>(from + at);
        open(runs[i], v);
    }
    // Run i once more.
    __device__ __forceinline__ void again(int i, u32 at, float (&v)[W]) {
        if constexpr (N == 0) runs[i] = load<W>(from + at);
        open(runs[i], v);
    }
};

template <int N, int W>
__device__ __forceinline__ void forward(const Place& p, S* y, float* r, const S* x, const float* w, const float* b,
                                        float eps) {
    Row<N, W> row(x, p);
    float squares = 0.0f;
    sweep<N, W>(p, [&](int i, u32 at) {
        float v[W];
        row.first(i, at, v);
#pragma unroll
        for (int k = 0; k < W; k++) squares = fmaf(v[k], v[k], squares);
    });
    const float scale = 1.0f / sqrtf(row_sum(squares, p) / (float)p.columns + eps);
    if (p.live && p.lane == 0) r[p.row] = scale;
    sweep<N, W>(p, [&](int i, u32 at) {
        float v[W], gain[W];
        row.again(i, at, v);
        read(w + at, gain);
#pragma unroll
        for (int k = 0; k < W; k++) v[k] = v[k] * scale * gain[k];
        if (b) {
            float shift[W];
            read(b + at, shift);
#pragma unroll
            for (int k = 0; k < W; k++) v[k] += shift[k];
        }
        write(y + p.row * p.columns + at, v);
    });
}

KERNEL(256, norm_forward)
(S* y, float* r, const S* x, const float* w, const float* b, u32 rows, u32 columns, u32 group, float eps, u32 wide) {
    const Place p = place(rows, columns, group);
    BY_SHAPE(forward, wide, p, y, r, x, w, b, eps)
}

// dx = r u - x r^3 mean(u x) with u = w dy.
template <int N, int W>
__device__ __forceinline__ void backward(const Place& p, S* dx, const S* x, const float* w, const float* r,
                                         const S* dy) {
    Row<N, W> row(x, p), cotangent(dy, p);
    float sum = 0.0f;
    sweep<N, W>(p, [&](int i, u32 at) {
        float v[W], d[W], gain[W];
        row.first(i, at, v);
        cotangent.first(i, at, d);
        read(w + at, gain);
#pragma unroll
        for (int k = 0; k < W; k++) sum = fmaf(d[k] * gain[k], v[k], sum);
    });
    const float mean = row_sum(sum, p) / (float)p.columns, scale = p.live ? r[p.row] : 0.0f;
    const float through = -scale * scale * scale * mean;
    sweep<N, W>(p, [&](int i, u32 at) {
        float v[W], d[W], gain[W];
        row.again(i, at, v);
        cotangent.again(i, at, d);
        read(w + at, gain);
#pragma unroll
        for (int k = 0; k < W; k++) v[k] = fmaf(d[k] * gain[k], scale, v[k] * through);
        write(dx + p.row * p.columns + at, v);
    });
}

KERNEL(256, norm_backward)
(S* dx, const S* x, const float* w, const float* r, const S* dy, u32 rows, u32 columns, u32 group, u32 wide) {
    const Place p = place(rows, columns, group);
    BY_SHAPE(backward, wide, p, dx, x, w, r, dy)
}

// rt = -r^3 mean(x xt), yt = w (xt r + x rt).
template <int N, int W>
__device__ __forceinline__ void tangent(const Place& p, S* yt, float* rt, const S* x, const S* xt, const float* w,
                                        const float* r) {
    Row<N, W> row(x, p), along(xt, p);
    float sum = 0.0f;
    sweep<N, W>(p, [&](int i, u32 at) {
        float v[W], t[W];
        row.first(i, at, v);
        along.first(i, at, t);
#pragma unroll
        for (int k = 0; k < W; k++) sum = fmaf(v[k], t[k], sum);
    });
    const float mean = row_sum(sum, p) / (float)p.columns, scale = p.live ? r[p.row] : 0.0f;
    const float turned = -scale * scale * scale * mean;
    if (p.live && p.lane == 0) rt[p.row] = turned;
    sweep<N, W>(p, [&](int i, u32 at) {
        float v[W], t[W], gain[W];
        row.again(i, at, v);
        along.again(i, at, t);
        read(w + at, gain);
#pragma unroll
        for (int k = 0; k < W; k++) v[k] = fmaf(t[k], scale, v[k] * turned) * gain[k];
        write(yt + p.row * p.columns + at, v);
    });
}

KERNEL(256, norm_tangent)
(S* yt, float* rt, const S* x, const S* xt, const float* w, const float* r, u32 rows, u32 columns, u32 group,
 u32 wide) {
    const Place p = place(rows, columns, group);
    BY_SHAPE(tangent, wide, p, yt, rt, x, xt, w, r)
}

// The tangent of dx = r u - x r^3 s, s = mean(u x), u = w dy, along (xt, rt, dyt): with ut = w dyt and
// st = mean(ut x + u xt),
//   dxt = rt u + r ut - xt r^3 s - x (3 r^2 rt s + r^3 st).
template <int N, int W>
__device__ __forceinline__ void backward_tangent(const Place& p, S* out, const S* const (&x)[2], const float* w,
                                                 const float* const (&r)[2], const S* const (&dy)[2]) {
    Row<N, W> row(x[0], p), along(x[1], p), cotangent(dy[0], p), change(dy[1], p);
    float sum = 0.0f, sum_t = 0.0f;
    sweep<N, W>(p, [&](int i, u32 at) {
        float v[W], t[W], d[W], dt[W], gain[W];
        row.first(i, at, v);
        along.first(i, at, t);
        cotangent.first(i, at, d);
        change.first(i, at, dt);
        read(w + at, gain);
#pragma unroll
        for (int k = 0; k < W; k++) {
            const float u = d[k] * gain[k];
            sum = fmaf(u, v[k], sum);
            sum_t = fmaf(dt[k] * gain[k], v[k], fmaf(u, t[k], sum_t));
        }
    });
    const float s = row_sum(sum, p) / (float)p.columns, st = row_sum(sum_t, p) / (float)p.columns;
    const float scale = p.live ? r[0][p.row] : 0.0f, turned = p.live ? r[1][p.row] : 0.0f;
    const float cube = scale * scale * scale;
    const float by_t = -cube * s, by_x = -(3.0f * scale * scale * turned * s + cube * st);
    sweep<N, W>(p, [&](int i, u32 at) {
        float v[W], t[W], d[W], dt[W], gain[W];
        row.again(i, at, v);
        along.again(i, at, t);
        cotangent.again(i, at, d);
        change.again(i, at, dt);
        read(w + at, gain);
#pragma unroll
        for (int k = 0; k < W; k++) {
            const float direct = gain[k] * fmaf(turned, d[k], scale * dt[k]);
            v[k] = fmaf(t[k], by_t, fmaf(v[k], by_x, direct));
        }
        write(out + p.row * p.columns + at, v);
    });
}

KERNEL(256, norm_backward_tangent)
(S* out, const S* x, const S* xt, const float* w, const float* r, const float* rt, const S* dy, const S* dyt, u32 rows,
 u32 columns, u32 group, u32 wide) {
    const Place p = place(rows, columns, group);
    const S* const xs[2] = {x, xt};
    const float* const rs[2] = {r, rt};
    const S* const dys[2] = {dy, dyt};
    BY_SHAPE(backward_tangent, wide, p, out, xs, w, rs, dys)
}
