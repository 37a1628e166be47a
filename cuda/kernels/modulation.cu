// The linear map of a condition c (1,D) to P parts of D numbers, m = W c + bias, some of which scale gains:
// w = gain (1 + g). All f32.
#include "pack.cuh"

// Up to two parts scale a gain.
static constexpr int GAINS = 2, PARTS = 8;

struct Scaled {
    const float* gain[GAINS];
    // Number of the part, ~0 for none.
    u32 part[GAINS];
};

template <int W> __device__ __forceinline__ float dot(const Place& p, const float* w, const float* c) {
    float sum = 0.0f;
    sweep<0, W>(p, [&](int, u32 at) {
        float v[W], other[W];
        read(w + p.row * p.columns + at, v);
        read(c + at, other);
#pragma unroll
        for (int i = 0; i < W; i++) sum = fmaf(v[i], other[i], sum);
    });
    return sum;
}

// out (P + gains, D): the parts, then the scaled gains in the order of `scaled`; rows = P D.
KERNEL(256, modulation)
(float* out, const float* w, const float* bias, const float* c, Scaled scaled, u32 rows, u32 columns, u32 group,
 u32 wide) {
    const Place p = place(rows, columns, group);
    const float sum = row_sum(wide ? dot<8>(p, w, c) : dot<1>(p, w, c), p);
    if (!p.live || p.lane != 0) return;
    const float value = sum + bias[p.row];
    out[p.row] = value;
    const u32 part = (u32)p.row / columns, column = (u32)p.row % columns;
#pragma unroll
    for (int k = 0; k < GAINS; k++) {
        if (scaled.part[k] == part) out[(u64)rows + k * columns + column] = scaled.gain[k][column] * (1.0f + value);
    }
}

// Gradients of the parts (null: zero), and of each gain with its scale g (1,D).
struct Gradient {
    const float* part[PARTS];
    const float *gain[GAINS], *g[GAINS];
    float* slot[GAINS];
    u32 at[GAINS];
};

// dm (1, P D), dbias += dm; for a part that scales a gain: slot += dw (1 + g), dm = dw gain.
KERNEL(256, modulation_gradient)(float* dm, float* dbias, Gradient of, u32 count, u32 columns) {
    const u32 at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= count) return;
    const u32 part = at / columns, column = at % columns;
    const float* from = of.part[part];
    float d = from ? from[column] : 0.0f;
#pragma unroll
    for (int k = 0; k < GAINS; k++) {
        if (of.at[k] == part) {
            of.slot[k][column] += d * (1.0f + of.g[k][column]);
            d *= of.gain[k][column];
        }
    }
    dm[at] = d;
    dbias[at] += d;
}
