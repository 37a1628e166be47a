// Rows of the matrix m (n,V) that is never stored whole:
//   m_ij = scale_i (exp(y_ij - lse_i) - [j = target_i]),
// scale and targets optional; with targets a row without one is zero. Logits y are f32; S is the type of products.
#include "pack.cuh"

// out (rows, V; rows `stride` apart) = gain m of `rows` rows.
template <int W>
__device__ __forceinline__ void residual_row(const Place& p, S* out, const float* y, const float* lse,
                                             const float* scale, const u32* targets, float gain, u32 stride) {
    const u32 target = targets && p.live ? targets[p.row] : 0xffffffffu;
    float by = scale && p.live ? scale[p.row] * gain : gain;
    const bool absent = targets && target >= p.columns;
    const float base = p.live ? lse[p.row] : 0.0f;
    sweep<0, W>(p, [&](int, u32 at) {
        float v[W];
        read(y + p.row * p.columns + at, v);
#pragma unroll
        for (int i = 0; i < W; i++) {
            v[i] = expf(v[i] - base);
            if (at + i == target) v[i] -= 1.0f;
            v[i] = absent ? 0.0f : by * v[i];
        }
        write(out + p.row * stride + at, v);
    });
}
KERNEL(256, residual)
(S* out, const float* y, const float* lse, const float* scale, const u32* targets, float gain, u32 rows, u32 columns,
 u32 stride, u32 group, u32 wide) {
    const Place p = place(rows, columns, group);
    wide ? residual_row<8>(p, out, y, lse, scale, targets, gain, stride)
         : residual_row<1>(p, out, y, lse, scale, targets, gain, stride);
}

// scale_i (lse_i - y_i,target): the cross entropy; 0 without a target.
KERNEL(256, token_loss)
(float* out, const float* y, const float* lse, const float* scale, const u32* targets, u32 rows, u32 columns) {
    const u32 row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const u32 target = targets[row];
    float loss = 0.0f;
    if (target < columns) {
        loss = lse[row] - y[(u64)row * columns + target];
        if (scale) loss *= scale[row];
    }
    out[row] = loss;
}

// out = exp(y - lse); out may be y.
template <int W> __device__ __forceinline__ void share(const Place& p, float* out, const float* y, const float* lse) {
    const float base = p.live ? lse[p.row] : 0.0f;
    sweep<0, W>(p, [&](int, u32 at) {
        float v[W];
        read(y + p.row * p.columns + at, v);
#pragma unroll
        for (int i = 0; i < W; i++) v[i] = expf(v[i] - base);
        write(out + p.row * p.columns + at, v);
    });
}
KERNEL(256, shares)(float* out, const float* y, const float* lse, u32 rows, u32 columns, u32 group, u32 wide) {
    const Place p = place(rows, columns, group);
    wide ? share<8>(p, out, y, lse) : share<1>(p, out, y, lse);
}

// out_ij = factor_i x_ij.
KERNEL(256, scale_rows)
(S* out, const void* x, u32 kind, const float* factor, u32 columns, u64 count, u32 wide) {
    flat(count, wide, [=](auto width, u64 at) {
        constexpr int W = decltype(width)::value;
        u64 row;
        u32 column;
        locate(at, columns, row, column);
        float v[W];
        read_any(x, kind, at, v);
        const float by = factor[row];
#pragma unroll
        for (int i = 0; i < W; i++) v[i] *= by;
        write(out + at, v);
    });
}
