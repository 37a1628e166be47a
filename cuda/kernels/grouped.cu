// Matrix products of each expert's rows with its own matrix. Slots offsets[e] .. offsets[e+1] belong to expert e:
//     NT: out[s, j]    = sum_k x[s, k] w[e(s) columns + j, k]       x (slots, depth)    w (E columns, depth)
//     NN: out[s, j]    = sum_k x[s, k] w[e(s) depth + k, j]         x (slots, depth)    w (E depth, columns)
//     TN: out[e, i, j] = sum over slots s of e of x[s, i] w[s, j]   x (slots, height)   w (slots, columns)
// The host does not know the offsets. NT and NN start as many blocks as there can be tiles, and a block finds its
// expert from the offsets: an expert has ceil(its slots / TILE) row tiles, so there are at most slots / TILE + E of
// them. TN starts the tiles of every expert; without slots they write zeros, or nothing when adding. Sums are single
// precision in a fixed order. TN can be cut into `parts` along the slots of each expert: partial sums lie one after the
// other and `grouped_join` adds them in order.
#include "grouped.cuh"
#if defined(STORAGE_BF16) || defined(STORAGE_F16)
#include "grouped_tensor.cuh"
#else
#include "grouped_single.cuh"
#endif

template <int TILE, Form FORM, bool ALIGNED> __device__ __forceinline__ void grouped(const Grouped& p) {
    const Tile t = FORM == TN ? find_weight<TILE>(p) : find<TILE>(p);
    if (t.exists) product<TILE, FORM, ALIGNED>(p, t);
}

// Rows and matrices aligned to 16 bytes, tiles of 128 x 128.
KERNEL(256, grouped_nt_wide)(Grouped p) { grouped<128, NT, true>(p); }
KERNEL(256, grouped_nn_wide)(Grouped p) { grouped<128, NN, true>(p); }
KERNEL(256, grouped_tn_wide)(Grouped p) { grouped<128, TN, true>(p); }
// Aligned, tiles of 64 x 64.
KERNEL(256, grouped_nt_small)(Grouped p) { grouped<64, NT, true>(p); }
KERNEL(256, grouped_nn_small)(Grouped p) { grouped<64, NN, true>(p); }
KERNEL(256, grouped_tn_small)(Grouped p) { grouped<64, TN, true>(p); }
// Any shape, tiles of 64 x 64.
KERNEL(256, grouped_nt_any)(Grouped p) { grouped<64, NT, false>(p); }
KERNEL(256, grouped_nn_any)(Grouped p) { grouped<64, NN, false>(p); }
KERNEL(256, grouped_tn_any)(Grouped p) { grouped<64, TN, false>(p); }

// out = or += the sum of the parts (parts, length), in order.
KERNEL(256, grouped_join)(float* out, const float* partial, u64 length, u32 parts, u32 accumulate) {
    const u64 i = static_cast<u64>(blockIdx.x) * 256 + threadIdx.x;
    if (i >= length) return;
    float sum = accumulate ? out[i] : 0.0f;
    for (u32 k = 0; k < parts; k++) sum += partial[k * length + i];
    out[i] = sum;
}
