// Element by element: casts, primitives with broadcasting, accumulation. S is the type of the result (of the left
// operand); other operands say their type when the kernel runs.
#include "pack.cuh"

// out = in, rounded to nearest even.
KERNEL(256, cast)(S* out, const void* in, u32 kind, u64 count, u32 wide) {
    flat(count, wide, [=](auto width, u64 at) {
        float v[decltype(width)::value];
        read_any(in, kind, at, v);
        write(out + at, v);
    });
}

enum Unary : u32 { SCALE, OFFSET, EXP, LN, RECIP, RSQRT, SIGMOID, HEAVISIDE };

__device__ __forceinline__ float of_one(u32 op, float x, float constant) {
    switch (op) {
    case SCALE: return x * constant;
    case OFFSET: return x + constant;
    case EXP: return expf(x);
    case LN: return logf(x);
    case RECIP: return 1.0f / x;
    case RSQRT: return 1.0f / sqrtf(x);
    case SIGMOID: return 1.0f / (1.0f + expf(-x));
    default: return x > 0.0f ? 1.0f : 0.0f;
    }
}

KERNEL(256, unary)(S* out, const S* x, u64 count, u32 op, float constant, u32 wide) {
    flat(count, wide, [=](auto width, u64 at) {
        constexpr int W = decltype(width)::value;
        float v[W];
        read(x + at, v);
#pragma unroll
        for (int i = 0; i < W; i++) v[i] = of_one(op, v[i], constant);
        write(out + at, v);
    });
}

// How the right operand meets an (n,m) left one: (n,m), (1,m), (n,1), (1,1).
enum Shape : u32 { FULL, ROW, COLUMN, SCALAR };

template <int W>
__device__ __forceinline__ void broadcast(const void* b, u32 kind, u32 shape, u64 at, u32 columns, float (&v)[W]) {
    if (shape == FULL) return read_any(b, kind, at, v);
    u64 row = 0;
    u32 column = 0;
    if (shape != SCALAR) locate(at, columns, row, column);
    if (shape == ROW) return read_any(b, kind, column, v);
    float one[1];
    read_any(b, kind, shape == COLUMN ? row : 0, one);
#pragma unroll
    for (int i = 0; i < W; i++) v[i] = one[0];
}

enum Binary : u32 { ADD, MUL };

__device__ __forceinline__ float of_two(u32 op, float x, float y) {
    return op == ADD ? x + y : x * y;
}

// out = a op b; out may be a.
KERNEL(256, binary)(S* out, const S* a, const void* b, u32 kind, u32 shape, u32 columns, u64 count, u32 op, u32 wide) {
    flat(count, wide, [=](auto width, u64 at) {
        constexpr int W = decltype(width)::value;
        float x[W], y[W];
        read(a + at, x);
        broadcast(b, kind, shape, at, columns, y);
#pragma unroll
        for (int i = 0; i < W; i++) x[i] = of_two(op, x[i], y[i]);
        write(out + at, x);
    });
}

// out = acc + factor x with a factor a row or (shape SCALAR) one; out may be acc.
KERNEL(256, axpy)
(S* out, const S* acc, const float* factor, u32 shape, const void* x, u32 kind, u32 columns, u64 count, u32 wide) {
    flat(count, wide, [=](auto width, u64 at) {
        constexpr int W = decltype(width)::value;
        float a[W], v[W], f[W];
        read(acc + at, a);
        read_any(x, kind, at, v);
        broadcast(factor, KIND_F32, shape, at, columns, f);
#pragma unroll
        for (int i = 0; i < W; i++) a[i] = fmaf(f[i], v[i], a[i]);
        write(out + at, a);
    });
}

// out = h + a y by columns; without h only a y, without a the sum h + y.
KERNEL(256, modulate)(S* out, const S* h, const float* a, const S* y, u32 columns, u64 count, u32 wide) {
    flat(count, wide, [=](auto width, u64 at) {
        constexpr int W = decltype(width)::value;
        float v[W], other[W];
        read(y + at, v);
        if (a) {
            broadcast(a, KIND_F32, ROW, at, columns, other);
#pragma unroll
            for (int i = 0; i < W; i++) v[i] *= other[i];
        }
        if (h) {
            read(h + at, other);
#pragma unroll
            for (int i = 0; i < W; i++) v[i] += other[i];
        }
        write(out + at, v);
    });
}

// slot += a.
KERNEL(256, collect)(float* slot, const S* a, u64 count, u32 wide) {
    flat(count, wide, [=](auto width, u64 at) {
        constexpr int W = decltype(width)::value;
        float sum[W], v[W];
        read(slot + at, sum);
        read(a + at, v);
#pragma unroll
        for (int i = 0; i < W; i++) sum[i] += v[i];
        write(slot + at, sum);
    });
}

// A list of matrices: addresses, bytes, and the first block that serves each.
struct Cleared {
    u64 address[48], bytes[48];
    u32 first[48];
};
static constexpr u64 CLEARED_A_BLOCK = 1 << 16;

// Zeros in the first `members` matrices of the list.
KERNEL(256, clear_list)(Cleared list, u32 members) {
    u32 low = 0, high = members;
    while (high - low > 1) {
        const u32 middle = (low + high) / 2;
        if (blockIdx.x >= list.first[middle]) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const u64 start = (blockIdx.x - list.first[low]) * CLEARED_A_BLOCK, end = start + CLEARED_A_BLOCK;
    const u64 bytes = list.bytes[low] < end ? list.bytes[low] : end;
    unsigned char* to = reinterpret_cast<unsigned char*>(list.address[low]);
    const u64 whole = list.address[low] % 16 == 0 ? bytes & ~(u64)15 : start;
    uint4 zero;
    zero.x = zero.y = zero.z = zero.w = 0;
    for (u64 at = start + 16 * threadIdx.x; at < whole; at += 16 * blockDim.x) *reinterpret_cast<uint4*>(to + at) = zero;
    for (u64 at = whole + threadIdx.x; at < bytes; at += blockDim.x) to[at] = 0;
}
