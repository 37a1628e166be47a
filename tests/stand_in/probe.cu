// Kernels that the stand-in is tested with: right ones, and ones with the mistakes that it is to find.
#include "common.cuh"

#if defined(STORAGE_BF16)
typedef bf16 Half;
#else
typedef f16 Half;
#endif

struct Scaling {
    float factor;
    u64 count;
    float offsets[3];
};

// y_i += factor x_i + offsets_(i mod 3)
KERNEL(256, probe_scale)(float* y, const float* x, Scaling s) {
    const u64 i = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < s.count) y[i] += s.factor * x[i] + s.offsets[i % 3];
}

// Every block turns its piece of x around, through shared memory; `barrier` = 0 leaves out what makes that right.
KERNEL(256, probe_reverse)(float* y, const float* x, int barrier, int dynamic) {
    SHARED_MEMORY(memory);
    __shared__ float fixed[256];
    float* piece = dynamic ? reinterpret_cast<float*>(memory) : fixed;
    const u32 start = blockIdx.x * blockDim.x;
    piece[threadIdx.x] = x[start + threadIdx.x];
    if (barrier) __syncthreads();
    y[start + threadIdx.x] = piece[blockDim.x - 1 - threadIdx.x];
}

// Reads shared memory that nothing was written to.
KERNEL(256, probe_unwritten)(float* y, int dynamic) {
    SHARED_MEMORY(memory);
    __shared__ float fixed[256];
    const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = dynamic ? reinterpret_cast<float*>(memory)[threadIdx.x] : fixed[threadIdx.x];
    __syncthreads();
    fixed[threadIdx.x] = 1.0f;
}

// Sum of a row by warps and a block barrier, number of positive elements by votes.
KERNEL(256, probe_sum)(float* sums, int* positive, const S* x, int columns) {
    __shared__ float part[8];
    float sum = 0;
    int count = 0;
    // every thread votes as often as every other
    for (int start = 0; start < columns; start += static_cast<int>(blockDim.x)) {
        const int j = start + static_cast<int>(threadIdx.x);
        const float v = j < columns ? to_float(x[static_cast<u64>(blockIdx.x) * columns + j]) : 0.0f;
        sum += v;
        count += __syncthreads_count(v > 0);
    }
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (u32 w = 1; w < blockDim.x / 32; w++) sum += part[w];
        sums[blockIdx.x] = sum;
        positive[blockIdx.x] = count;
    }
}

// Each half of a warp by itself; the halves go different ways.
KERNEL(32, probe_halves)(u32* y) {
    const u32 lane = threadIdx.x, mask = lane < 16 ? 0x0000ffffu : 0xffff0000u;
    u32 v = lane;
    if (lane < 16) {
        for (int o = 8; o > 0; o >>= 1) v += __shfl_xor_sync(mask, v, o);
    } else {
        v = __shfl_up_sync(mask, v, 1, 16) + __popc(__ballot_sync(mask, lane & 1));
    }
    y[lane] = v;
}

KERNEL(64, probe_divergent)(float* y) {
    float v = y[threadIdx.x];
    if (threadIdx.x < 16) v += __shfl_xor_sync(ALL_LANES, v, 1);
    y[threadIdx.x] = v;
}
KERNEL(64, probe_deadlock)(float* y) {
    if (threadIdx.x == 40) {
        y[0] = __shfl_sync(ALL_LANES, 1.0f, 0);
    } else {
        __syncthreads();
    }
}
KERNEL(64, probe_two_barriers)(float* y) {
    if (threadIdx.x < 32) {
        __syncthreads();
    } else {
        __syncthreads();
    }
    y[threadIdx.x] = 1;
}
KERNEL(64, probe_write)(float* y, i64 at) {
    if (threadIdx.x == 7) y[at] = 1;
}
KERNEL(64, probe_wide)(float* y, const float* x) {
    const float4 v = *reinterpret_cast<const float4*>(x + 4 * threadIdx.x + 1);
    y[threadIdx.x] = v.x + v.y + v.z + v.w;
}
KERNEL(64, probe_index)(float* y, int beyond) {
    __shared__ float fixed[64];
    fixed[threadIdx.x + static_cast<u32>(beyond)] = 2;
    y[threadIdx.x] = fixed[threadIdx.x];
}
KERNEL(64, probe_divide)(int* y, int divisor) { y[threadIdx.x] = 100 / divisor; }

// 16 bytes a thread through shared memory in two groups; `waits` = 0 looks before the second has arrived.
KERNEL(32, probe_copy)(float* y, const float* x, int rows, int waits) {
    SHARED_MEMORY(memory);
    float* tile = reinterpret_cast<float*>(memory);
    for (int group = 0; group < 2; group++) {
        const int row = group * 32 + static_cast<int>(threadIdx.x);
        copy_async16(tile + 4 * row, x + 4 * row, row < rows);
        copy_commit();
    }
    if (waits) {
        copy_wait<0>();
    } else {
        copy_wait<1>();
    }
    __syncthreads();
    for (u32 i = threadIdx.x; i < 256; i += 32) y[i] = tile[i];
}

// c (16,16) = a (16,32) b with b (32,16) given as it is (`transposed` = 0) or as its transpose (16,32).
KERNEL(32, probe_product)(float* c, const Half* a, const Half* b, int transposed) {
    __shared__ __align__(16) Half left[16 * 32];
    __shared__ __align__(16) Half right[32 * 16];
    for (u32 i = threadIdx.x; i < 512; i += 32) {
        left[i] = a[i];
        right[i] = b[i];
    }
    __syncwarp();
    const u32 lane = threadIdx.x;
    float d[2][4] = {};
    for (u32 k = 0; k < 32; k += 16) {
        u32 x[4], y[4], z[2];
        ldmatrix_x4(x, left + lane % 16 * 32 + k + lane / 16 * 8);
        if (transposed) {
            // matrices (k, first columns), (k + 8, first), (k, last), (k + 8, last), rows of the transpose
            ldmatrix_x4(y, right + (lane % 8 + lane / 16 * 8) * 32 + k + lane / 8 % 2 * 8);
        } else {
            ldmatrix_x4_trans(y, right + (k + lane % 16) * 16 + lane / 16 * 8);
        }
        const u32 first[2] = {y[0], y[1]};
        mma<Half>(d[0], x, first);
        if (transposed) {
            ldmatrix_x2(z, right + (lane % 8 + 8) * 32 + k + lane / 8 % 2 * 8);
        } else {
            ldmatrix_x2_trans(z, right + (k + lane % 16) * 16 + 8);
        }
        mma<Half>(d[1], x, z);
    }
    for (u32 half = 0; half < 2; half++)
        for (u32 i = 0; i < 4; i++) c[(lane / 4 + i / 2 * 8) * 16 + half * 8 + 2 * (lane % 4) + i % 2] = d[half][i];
}

// Conversions there and back.
KERNEL(256, probe_convert)(u16* bits, float* back, const float* x, int n) {
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= n) return;
    bits[i] = from_float<Half>(x[i]).bits;
    back[i] = unpack<Half>(pack<Half>(0.0f, x[i])).y;
}
