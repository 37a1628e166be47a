// AdamW (Loshchilov and Hutter, arXiv 1711.05101), steps along directions found before, and averages of weights. All state is f32; S is the type of the
// weights' copies for products.
#include "pack.cuh"

struct Rule {
    // Factor on the gradient, 1 - beta1, 1 - beta2, the factor on the weight (1 - rate decay), rate / (1 - beta1^t),
    // 1 / sqrt(1 - beta2^t), eps; of a step along a direction 1 - momentum and the rate.
    float factor, take1, take2, keep, rate, root, eps, follow, plain;
};

// g' = factor g, m += (1 - beta1) (g' - m), v += (1 - beta2) (g'^2 - v),
// w = keep w - rate m / (root sqrt(v) + eps).
__device__ __forceinline__ void adamw_step(const Rule& rule, float& w, float& m, float& v, float g) {
    g *= rule.factor;
    m = fmaf(rule.take1, g - m, m);
    v = fmaf(rule.take2, fmaf(g, g, -v), v);
    w = rule.keep * w - rule.rate * m / fmaf(sqrtf(v), rule.root, rule.eps);
}

// m += (1 - momentum) (factor g - m), w = keep w - rate d.
__device__ __forceinline__ void follow_step(const Rule& rule, float& w, float& m, float d, float g) {
    m = fmaf(rule.follow, g * rule.factor - m, m);
    w = rule.keep * w - rule.plain * d;
}

// Some parameters of a model: addresses of weight, moments, gradient, average (0: none) and copy for products (0:
// none), number of elements, multiple of the rate (0: only the average moves), decay, share of the first moment that is taken
// anew where the second one holds a direction (0: AdamW), first block that serves it.
static constexpr int MEMBERS = 14;
struct Parameters {
    u64 weight[MEMBERS], first[MEMBERS], second[MEMBERS], gradient[MEMBERS], average[MEMBERS], narrow_copy[MEMBERS];
    u64 count[MEMBERS];
    float rate[MEMBERS], decay[MEMBERS], follow[MEMBERS];
    u32 block[MEMBERS];
};
static constexpr u32 ELEMENTS_A_BLOCK = 8192;

struct Member {
    float *weight, *first, *second, *average;
    const float* gradient;
    S* narrow_copy;
};

template <int W>
__device__ __forceinline__ void update_run(const Member& p, const Rule& rule, bool moves, float take, u64 at) {
    float w[W], old[W];
    read(p.weight + at, w);
    if (moves) {
        float m[W], v[W], g[W];
        read(p.first + at, m);
        read(p.second + at, v);
        read(p.gradient + at, g);
        if (rule.follow == 0.0f) {
#pragma unroll
            for (int i = 0; i < W; i++) adamw_step(rule, w[i], m[i], v[i], g[i]);
            write(p.second + at, v);
        } else {
#pragma unroll
            for (int i = 0; i < W; i++) follow_step(rule, w[i], m[i], v[i], g[i]);
        }
        write(p.weight + at, w);
        write(p.first + at, m);
        if (p.narrow_copy) write(p.narrow_copy + at, w);
    }
    if (p.average) {
        read(p.average + at, old);
#pragma unroll
        for (int i = 0; i < W; i++) old[i] = fmaf(take, w[i] - old[i], old[i]);
        write(p.average + at, old);
    }
}

// A step of all `members`. step (1,5): rate, 1 - beta1^t, 1 - beta2^t, factor on the gradient, share of the old average
// that is kept. A factor that is negative or not finite changes nothing.
KERNEL(256, update)
(Parameters list, u32 members, const float* step, float take1, float take2, float eps) {
    const float factor = step[3];
    if (!(factor >= 0.0f && factor < INFINITY_F)) return;
    u32 i = 0;
    while (i + 1 < members && blockIdx.x >= list.block[i + 1]) i++;
    const u64 start = (u64)(blockIdx.x - list.block[i]) * ELEMENTS_A_BLOCK, left = list.count[i] - start;
    const u32 here = left < ELEMENTS_A_BLOCK ? (u32)left : ELEMENTS_A_BLOCK;
    const bool moves = list.rate[i] != 0.0f;
    const float rate = step[0] * list.rate[i];
    const Rule rule = {factor, take1, take2, 1.0f - rate * list.decay[i], rate / step[1], 1.0f / sqrtf(step[2]), eps,
                       list.follow[i], rate};
    const float take = 1.0f - step[4];
    const Member p = {reinterpret_cast<float*>(list.weight[i]),        reinterpret_cast<float*>(list.first[i]),
                      reinterpret_cast<float*>(list.second[i]),        reinterpret_cast<float*>(list.average[i]),
                      reinterpret_cast<const float*>(list.gradient[i]), reinterpret_cast<S*>(list.narrow_copy[i])};
    const u64 bits =
        list.weight[i] | list.first[i] | list.second[i] | list.gradient[i] | list.average[i] | list.narrow_copy[i];
    const u32 whole = bits % 16 == 0 ? here & ~7u : 0;
    for (u32 at = 8 * threadIdx.x; at < whole; at += 8 * blockDim.x) update_run<8>(p, rule, moves, take, start + at);
    for (u32 at = whole + threadIdx.x; at < here; at += blockDim.x) update_run<1>(p, rule, moves, take, start + at);
}
