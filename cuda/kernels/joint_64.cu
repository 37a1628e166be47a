// Attention among all positions with heads up to 64 columns wide.
#define BLOCKS 3
#include "attention_backward.cuh"
#include "attention_forward.cuh"

KERNEL(128, joint_forward_64)(Attention p, Relations r, const S* qkv, S* out, float* lse) {
    attention_forward<64>(p, r, qkv, nullptr, out, lse);
}

KERNEL(128, joint_backward_queries_64)(
    Attention p, Relations r, const S* qkv, const S* dout, const float* sums, S* dqkv, BiasSums bias_sums) {
    attention_backward_queries<64>(p, r, qkv, nullptr, dout, sums, nullptr, dqkv, bias_sums);
}

// in single precision the shared memory has room for two blocks, not three
#undef BLOCKS
#define BLOCKS (sizeof(S) == 4 ? 2 : 3)
KERNEL(128, joint_backward_keys_64)(
    Attention p, Relations r, const S* qkv, const S* dout, const float* sums, S* dqkv) {
    attention_backward_keys<64>(p, r, qkv, nullptr, dout, sums, dqkv, nullptr);
}
