// Counter-based noise: Philox4x32-10 (Salmon et al., SC 2011). Element e of a stream lies in block e / 4, whose counter
// is (e / 4 low, e / 4 high, step, purpose and detail).
#include "pack.cuh"
#include "turn.cuh"

__device__ __forceinline__ uint4 philox(u32 k0, u32 k1, uint4 c) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const u32 a_low = c.x * 0xD2511F53u, a_high = __umulhi(c.x, 0xD2511F53u);
        const u32 b_low = c.z * 0xCD9E8D57u, b_high = __umulhi(c.z, 0xCD9E8D57u);
        c.x = b_high ^ c.y ^ k0;
        c.y = b_low;
        c.z = a_high ^ c.w ^ k1;
        c.w = a_low;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

// A stream: Philox key, step (read from `clock` where there is one), purpose and detail.
struct Stream {
    u32 key[2];
    u32 step, use;
    const u32* clock;
};

// Calls f(block) for the blocks of elements first .. first + count and writes its four values to where they belong.
template <class F> __device__ __forceinline__ void draw(float* out, const Stream& stream, u64 first, u64 count, F f) {
    const u64 thread = (u64)blockIdx.x * blockDim.x + threadIdx.x, threads = (u64)gridDim.x * blockDim.x;
    const u64 blocks = (first % 4 + count + 3) / 4;
    const u32 step = stream.clock ? *stream.clock : stream.step;
    for (u64 i = thread; i < blocks; i += threads) {
        const u64 block = first / 4 + i;
        uint4 counter;
        counter.x = (u32)block;
        counter.y = (u32)(block >> 32);
        counter.z = step;
        counter.w = stream.use;
        float v[4];
        f(philox(stream.key[0], stream.key[1], counter), v);
#pragma unroll
        for (u32 k = 0; k < 4; k++) {
            // elements before the first wrap around and are not below the count
            const u64 at = 4 * i + k - first % 4;
            if (at < count) out[at] = v[k];
        }
    }
}

// Two normal numbers (Box-Muller): u = (w0 + 1) / 2^32, sqrt(-2 ln u) times cosine and sine of 2 pi w1 / 2^32. Near 1
// the logarithm is taken of 1 - u, which is exact where u is not.
__device__ __forceinline__ float2 box_muller(u32 w0, u32 w1) {
    const float unit = 2.3283064365386963e-10f;
    const float log_u = w0 >> 31 ? log1pf(-(float)(0xffffffffu - w0) * unit) : logf((float)(w0 + 1u) * unit);
    const float radius = sqrtf(-2.0f * log_u);
    const float2 angle = cosine_sine(w1);
    return make_float2(radius * angle.x, radius * angle.y);
}

// sigma N(0,1).
KERNEL(256, normal)(float* out, Stream stream, u64 first, u64 count, float sigma) {
    draw(out, stream, first, count, [=](uint4 w, float (&v)[4]) {
        const float2 a = box_muller(w.x, w.y), b = box_muller(w.z, w.w);
        v[0] = sigma * a.x;
        v[1] = sigma * a.y;
        v[2] = sigma * b.x;
        v[3] = sigma * b.y;
    });
}

// low + span w / 2^32.
KERNEL(256, uniform)(float* out, Stream stream, u64 first, u64 count, float low, float span) {
    draw(out, stream, first, count, [=](uint4 w, float (&v)[4]) {
        const float unit = 2.3283064365386963e-10f;
        v[0] = fmaf(span, (float)w.x * unit, low);
        v[1] = fmaf(span, (float)w.y * unit, low);
        v[2] = fmaf(span, (float)w.z * unit, low);
        v[3] = fmaf(span, (float)w.w * unit, low);
    });
}
