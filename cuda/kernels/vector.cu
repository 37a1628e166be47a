// The product of a column and a row.
#include "pack.cuh"

// out (n,m) = a_i b_j, or added to it; a and b of any type.
KERNEL(256, outer)
(S* out, const void* a, u32 a_kind, const void* b, u32 b_kind, u32 columns, u64 count, u32 accumulate, u32 wide) {
    flat(count, wide, [=](auto width, u64 at) {
        constexpr int W = decltype(width)::value;
        u64 row;
        u32 column;
        locate(at, columns, row, column);
        float left[1], v[W];
        read_any(a, a_kind, row, left);
        read_any(b, b_kind, column, v);
        float sum[W] = {};
        if (accumulate) read(out + at, sum);
#pragma unroll
        for (int i = 0; i < W; i++) v[i] = fmaf(left[0], v[i], sum[i]);
        write(out + at, v);
    });
}
