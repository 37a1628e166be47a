// Shared by every kernel file. The storage type S of activations is chosen when a file is compiled (STORAGE_F32,
// STORAGE_BF16 or STORAGE_F16); arithmetic is float whatever S is. <device.cuh> holds all that is not plain C++.
#pragma once
#include <device.cuh>

#if defined(STORAGE_BF16)
typedef bf16 S;
#define STORAGE_NAME bf16
#elif defined(STORAGE_F16)
typedef f16 S;
#define STORAGE_NAME f16
#else
typedef float S;
#define STORAGE_NAME f32
#endif

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
// A kernel `name_<storage>` started with at most `threads` threads a block.
#define KERNEL(threads, name) extern "C" __global__ void __launch_bounds__(threads) JOIN(name, STORAGE_NAME)

static constexpr u32 ALL_LANES = 0xffffffffu;

__device__ __forceinline__ float warp_sum(float v) {
    for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(ALL_LANES, v, o);
    return v;
}
__device__ __forceinline__ float warp_max(float v) {
    for (int o = 16; o > 0; o >>= 1) v = fmaxf(v, __shfl_xor_sync(ALL_LANES, v, o));
    return v;
}
