// Attention among all positions with heads up to 256 columns wide.
#define BLOCKS 1
#include "attention_backward.cuh"
#include "attention_forward.cuh"

KERNEL(128, joint_forward_256)(Attention p, Relations r, const S* qkv, S* out, float* lse) {
    attention_forward<256>(p, r, qkv, nullptr, out, lse);
}

KERNEL(128, joint_backward_queries_256)(
    Attention p, Relations r, const S* qkv, const S* dout, const float* sums, S* dqkv, BiasSums bias_sums) {
    attention_backward_queries<256>(p, r, qkv, nullptr, dout, sums, nullptr, dqkv, bias_sums);
}

KERNEL(128, joint_backward_keys_256)(
    Attention p, Relations r, const S* qkv, const S* dout, const float* sums, S* dqkv) {
    attention_backward_keys<256>(p, r, qkv, nullptr, dout, sums, dqkv, nullptr);
}
