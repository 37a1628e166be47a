// The gated unit silu(u1) u3 of u = [u1 | u3] (n, 2F), its gradient and the tangents of both; results (n,F) or (n,2F).
//
// With s = sigmoid(z): silu = z s, silu' = s (1 + z (1 - s)), silu'' = s (1 - s) (2 + z (1 - 2 s)).
#include "pack.cuh"

struct Silu {
    float value, slope, bend;
};

__device__ __forceinline__ Silu silu(float z) {
    const float s = 1.0f / (1.0f + expf(-z)), rest = 1.0f - s;
    return {z * s, s * fmaf(z, rest, 1.0f), s * rest * fmaf(z, rest - s, 2.0f)};
}

// Element `at` of an (n,F) matrix belongs to element `at + row F` of u1 and `at + (row + 1) F` of u3.
__device__ __forceinline__ u64 gate_of(u64 at, u32 f) {
    u64 row;
    u32 column;
    locate(at, f, row, column);
    return at + row * f;
}

KERNEL(256, swiglu)(S* out, const S* u, u32 f, u64 count, u32 wide) {
    flat(count, wide, [=](auto width, u64 at) {
        constexpr int W = decltype(width)::value;
        const u64 gate = gate_of(at, f);
        float u1[W], u3[W];
        read(u + gate, u1);
        read(u + gate + f, u3);
#pragma unroll
        for (int i = 0; i < W; i++) u1[i] = silu(u1[i]).value * u3[i];
        write(out + at, u1);
    });
}

// du1 = dy u3 silu'(u1), du3 = dy silu(u1).
KERNEL(256, swiglu_backward)(S* du, const S* u, const S* dy, u32 f, u64 count, u32 wide) {
    flat(count, wide, [=](auto width, u64 at) {
        constexpr int W = decltype(width)::value;
        const u64 gate = gate_of(at, f);
        float u1[W], u3[W], d[W];
        read(u + gate, u1);
        read(u + gate + f, u3);
        read(dy + at, d);
#pragma unroll
        for (int i = 0; i < W; i++) {
            const Silu g = silu(u1[i]);
            u1[i] = d[i] * u3[i] * g.slope;
            u3[i] = d[i] * g.value;
        }
        write(du + gate, u1);
        write(du + gate + f, u3);
    });
}

// silu'(u1) t1 u3 + silu(u1) t3.
KERNEL(256, swiglu_tangent)(S* out, const S* u, const S* ut, u32 f, u64 count, u32 wide) {
    flat(count, wide, [=](auto width, u64 at) {
        constexpr int W = decltype(width)::value;
        const u64 gate = gate_of(at, f);
        float u1[W], u3[W], t1[W], t3[W];
        read(u + gate, u1);
        read(u + gate + f, u3);
        read(ut + gate, t1);
        read(ut + gate + f, t3);
#pragma unroll
        for (int i = 0; i < W; i++) {
            const Silu g = silu(u1[i]);
            t1[i] = fmaf(g.slope * t1[i], u3[i], g.value * t3[i]);
        }
        write(out + at, t1);
    });
}

// du1: silu'(u1) (dyt u3 + dy t3) + silu''(u1) t1 dy u3; du3: dyt silu(u1) + dy silu'(u1) t1.
KERNEL(256, swiglu_backward_tangent)
(S* out, const S* u, const S* ut, const S* dy, const S* dyt, u32 f, u64 count, u32 wide) {
    // six operands: runs of 4 stay in registers
    flat<4>(count, wide, [=](auto width, u64 at) {
        constexpr int W = decltype(width)::value;
        const u64 gate = gate_of(at, f);
        float u1[W], u3[W], t1[W], t3[W], d[W], dt[W];
        read(u + gate, u1);
        read(u + gate + f, u3);
        read(ut + gate, t1);
        read(ut + gate + f, t3);
        read(dy + at, d);
        read(dyt + at, dt);
#pragma unroll
        for (int i = 0; i < W; i++) {
            const Silu g = silu(u1[i]);
            const float through = d[i] * t1[i];
            u1[i] = fmaf(g.slope, fmaf(dt[i], u3[i], d[i] * t3[i]), g.bend * through * u3[i]);
            u3[i] = fmaf(dt[i], g.value, g.slope * through);
        }
        write(out + gate, u1);
        write(out + gate + f, u3);
    });
}
