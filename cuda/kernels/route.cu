// Choice of experts (DeepSeek-V2, arXiv 2405.04434, section 2.2). With scores s_e = gate_e + bias_e, groups of `size`
// consecutive experts are ranked by their best score and `top_groups` of them kept; the `top_k` best experts of the
// kept groups are chosen. Equal scores go to the lower index, NaN counts as minus infinity.
//
// A row belongs to LANES lanes with PER experts each; expert i LANES + lane is bit i of a lane's masks. Both rankings
// repeat "the best of the experts that are still allowed": the best expert of the groups not kept yet lies in the next
// best group (a lower index means a lower group, so ties agree), and the best of the kept ones not chosen yet is next.
//
// A sum of two floats is compared exactly, as a rounded sum and its rounding error (Knuth's two-sum): rounding is
// monotone, so the order of pairs is the order of the exact sums.
#include "common.cuh"

template <int LANES, int PER>
__device__ __forceinline__ u32 best(const float (&high)[PER], const float (&low)[PER], u32 allowed, u32 lane) {
    float h = -INFINITY_F, l = 0.0f;
    u32 index = ALL_LANES;
#pragma unroll
    for (int i = 0; i < PER; i++) {
        // a lane's experts come in rising order, so an equal one does not replace an earlier one
        const bool better = high[i] > h || (high[i] == h && low[i] > l) || index == ALL_LANES;
        if ((allowed >> i & 1u) && better) {
            h = high[i];
            l = low[i];
            index = i * LANES + lane;
        }
    }
#pragma unroll
    for (int o = LANES / 2; o > 0; o >>= 1) {
        const float ho = __shfl_xor_sync(ALL_LANES, h, o), lo = __shfl_xor_sync(ALL_LANES, l, o);
        const u32 io = __shfl_xor_sync(ALL_LANES, index, o);
        const bool equal = ho == h && lo == l;
        if (io != ALL_LANES && (index == ALL_LANES || ho > h || (ho == h && lo > l) || (equal && io < index))) {
            h = ho;
            l = lo;
            index = io;
        }
    }
    return index;
}

template <int LANES, int PER>
__device__ __forceinline__ void choose(u32* chosen, const float* gate, const float* bias, u32 n, u32 experts, u32 top_k,
                                       u32 groups, u32 top_groups) {
    const u32 lane = threadIdx.x % LANES, rows = blockDim.x / LANES, size = experts / groups;
    const u32 row = blockIdx.x * rows + threadIdx.x / LANES, source = row < n ? row : n - 1;
    float high[PER], low[PER];
    u32 exists = 0;
#pragma unroll
    for (int i = 0; i < PER; i++) {
        const u32 e = i * LANES + lane;
        high[i] = -INFINITY_F;
        low[i] = 0.0f;
        if (e >= experts) continue;
        exists |= 1u << i;
        const float g = gate[static_cast<u64>(source) * experts + e], b = bias ? bias[e] : 0.0f;
        const float sum = g + b, part = sum - g;
        if (sum > -INFINITY_F) high[i] = sum;
        if (sum > -INFINITY_F && sum < INFINITY_F) low[i] = (g - (sum - part)) + (b - part);
    }
    u32 allowed = exists;
    if (top_groups < groups) {
        allowed = 0;
        for (u32 k = 0; k < top_groups; k++) {
            const u32 group = best<LANES, PER>(high, low, exists & ~allowed, lane) / size;
#pragma unroll
            for (int i = 0; i < PER; i++) {
                if (((i * LANES + lane) / size) == group) allowed |= exists & 1u << i;
            }
        }
    }
    for (u32 k = 0; k < top_k; k++) {
        const u32 e = best<LANES, PER>(high, low, allowed, lane);
        if (e % LANES == lane) {
            allowed &= ~(1u << e / LANES);
            if (row < n) chosen[static_cast<u64>(row) * top_k + k] = e;
        }
    }
}

#define CHOOSE(lanes, per) choose<lanes, per>(chosen, gate, bias, n, experts, top_k, groups, top_groups)

// chosen (n, top_k), best first. One row for 4 lanes: up to 32 experts.
KERNEL(256, route_choose_4)(u32* chosen, const float* gate, const float* bias, u32 n, u32 experts, u32 top_k,
                            u32 groups, u32 top_groups) {
    CHOOSE(4, 8);
}
// Up to 64 experts.
KERNEL(256, route_choose_8)(u32* chosen, const float* gate, const float* bias, u32 n, u32 experts, u32 top_k,
                            u32 groups, u32 top_groups) {
    CHOOSE(8, 8);
}
// Up to 256 experts.
KERNEL(256, route_choose_32)(u32* chosen, const float* gate, const float* bias, u32 n, u32 experts, u32 top_k,
                             u32 groups, u32 top_groups) {
    CHOOSE(32, 8);
}
// Up to 1024 experts.
KERNEL(256, route_choose_all)(u32* chosen, const float* gate, const float* bias, u32 n, u32 experts, u32 top_k,
                              u32 groups, u32 top_groups) {
    CHOOSE(32, 32);
}
