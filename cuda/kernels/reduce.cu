// Sums over rows, over columns and over whole lists of matrices, always in the same order; results f32.
#include "pack.cuh"

// Row sums.
template <int W> __device__ __forceinline__ float sum_of(const Place& p, const S* x) {
    float sum = 0.0f;
    sweep<0, W>(p, [&](int, u32 at) {
        float v[W];
        read(x + p.row * p.columns + at, v);
#pragma unroll
        for (int i = 0; i < W; i++) sum += v[i];
    });
    return sum;
}
KERNEL(256, sum_columns)(float* out, const S* x, u32 rows, u32 columns, u32 group, u32 wide) {
    const Place p = place(rows, columns, group);
    const float sum = row_sum(wide ? sum_of<8>(p, x) : sum_of<1>(p, x), p);
    if (p.live && p.lane == 0) out[p.row] = sum;
}

// Row maxima; NaN counts as absent.
template <int W> __device__ __forceinline__ float max_of(const Place& p, const S* x) {
    float most = -INFINITY_F;
    sweep<0, W>(p, [&](int, u32 at) {
        float v[W];
        read(x + p.row * p.columns + at, v);
#pragma unroll
        for (int i = 0; i < W; i++) most = fmaxf(most, v[i]);
    });
    return most;
}
KERNEL(256, max_columns)(float* out, const S* x, u32 rows, u32 columns, u32 group, u32 wide) {
    const Place p = place(rows, columns, group);
    const float most = row_max(wide ? max_of<8>(p, x) : max_of<1>(p, x), p);
    if (p.live && p.lane == 0) out[p.row] = most;
}

// Products of rows with a vector: out_i = sum_j x_ij b_j, b of any type.
template <int W> __device__ __forceinline__ float dot_of(const Place& p, const S* x, const void* b, u32 kind) {
    float sum = 0.0f;
    sweep<0, W>(p, [&](int, u32 at) {
        float v[W], other[W];
        read(x + p.row * p.columns + at, v);
        read_any(b, kind, at, other);
#pragma unroll
        for (int i = 0; i < W; i++) sum = fmaf(v[i], other[i], sum);
    });
    return sum;
}
KERNEL(256, row_dot)
(float* out, const S* x, const void* b, u32 kind, u32 rows, u32 columns, u32 group, u32 wide) {
    const Place p = place(rows, columns, group);
    const float sum = row_sum(wide ? dot_of<8>(p, x, b, kind) : dot_of<1>(p, x, b, kind), p);
    if (p.live && p.lane == 0) out[p.row] = sum;
}

// Column sums over a chunk of rows: of x y r (y (n,m) and r (n,1) may be absent) and, where asked for, of y. A block is
// 32 runs of columns by 8 strips of rows; the strips meet in shared memory.
template <int W>
__device__ __forceinline__ void column_sums(float* first, float* second, const S* x, const S* y, const float* r,
                                            u32 rows, u32 columns, u32 chunk, float* shared) {
    const u32 lane = threadIdx.x % 32, strip = threadIdx.x / 32, left = blockIdx.x * 32 * W, at = left + W * lane;
    const u32 start = blockIdx.y * chunk, end = rows - start < chunk ? rows : start + chunk;
    float a[W] = {}, b[W] = {};
    if (at < columns) {
        for (u32 row = start + strip; row < end; row += 8) {
            const u64 from = (u64)row * columns + at;
            const float by = r ? r[row] : 1.0f;
            float v[W], other[W];
            read(x + from, v);
            if (y) {
                read(y + from, other);
#pragma unroll
                for (int i = 0; i < W; i++) {
                    b[i] += other[i];
                    v[i] *= other[i];
                }
            }
#pragma unroll
            for (int i = 0; i < W; i++) a[i] = fmaf(v[i], by, a[i]);
        }
    }
    for (int pass = 0; pass < (second ? 2 : 1); pass++) {
        float* to = pass ? second : first;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < W; i++) shared[strip * 32 * W + W * lane + i] = pass ? b[i] : a[i];
        __syncthreads();
        if (threadIdx.x < 32 * W && left + threadIdx.x < columns) {
            float sum = 0.0f;
            for (u32 s = 0; s < 8; s++) sum += shared[s * 32 * W + threadIdx.x];
            to[(u64)blockIdx.y * columns + left + threadIdx.x] = sum;
        }
    }
}
KERNEL(256, column_partial)
(float* first, float* second, const S* x, const S* y, const float* r, u32 rows, u32 columns, u32 chunk, u32 wide) {
    __shared__ float shared[8 * 32 * 8];
    if (wide) {
        column_sums<8>(first, second, x, y, r, rows, columns, chunk, shared);
    } else {
        column_sums<1>(first, second, x, y, r, rows, columns, chunk, shared);
    }
}

// out (1,m) (+)= the sum of the rows of partial (chunks, m), by blocks of 32 columns and 8 strips.
KERNEL(256, column_finish)(float* out, const float* partial, u32 chunks, u32 columns, u32 accumulate) {
    __shared__ float shared[256];
    const u32 lane = threadIdx.x % 32, strip = threadIdx.x / 32, column = blockIdx.x * 32 + lane;
    float sum = 0.0f;
    if (column < columns) {
        for (u32 i = strip; i < chunks; i += 8) sum += partial[(u64)i * columns + column];
    }
    shared[threadIdx.x] = sum;
    __syncthreads();
    if (strip == 0 && column < columns) {
        for (u32 s = 1; s < 8; s++) sum += shared[s * 32 + lane];
        out[column] = accumulate ? out[column] + sum : sum;
    }
}

// A list of matrices: addresses, numbers of elements, storage types, and the first block that serves each.
struct List {
    u64 address[40], count[40];
    u32 kind[40], first[40];
};
static constexpr u32 SQUARES_A_BLOCK = 16384;

// partial[block] = sum of the squares of a block's share of one of the first `members` matrices of the list.
KERNEL(256, sum_squares)(float* partial, List list, u32 members) {
    u32 member = 0;
    while (member + 1 < members && blockIdx.x >= list.first[member + 1]) member++;
    const u64 count = list.count[member], start = (u64)(blockIdx.x - list.first[member]) * SQUARES_A_BLOCK;
    const u32 here = count - start < SQUARES_A_BLOCK ? (u32)(count - start) : SQUARES_A_BLOCK;
    const u32 kind = list.kind[member], whole = list.address[member] % 16 == 0 ? here & ~7u : 0;
    const void* x = reinterpret_cast<const void*>(list.address[member]);
    float sum = 0.0f;
    for (u32 at = 8 * threadIdx.x; at < whole; at += 8 * blockDim.x) {
        float v[8];
        read_any(x, kind, start + at, v);
#pragma unroll
        for (int i = 0; i < 8; i++) sum = fmaf(v[i], v[i], sum);
    }
    for (u32 at = whole + threadIdx.x; at < here; at += blockDim.x) {
        float v[1];
        read_any(x, kind, start + at, v);
        sum = fmaf(v[0], v[0], sum);
    }
    const float total = row_sum(sum, place(1, 1, blockDim.x));
    if (threadIdx.x == 0) partial[blockIdx.x] = total;
}
