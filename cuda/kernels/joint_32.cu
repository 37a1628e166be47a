// Attention among all positions with heads up to 32 columns wide.
#define BLOCKS 3
#include "attention_backward.cuh"
#include "attention_forward.cuh"

KERNEL(128, joint_forward_32)(Attention p, Relations r, const S* qkv, S* out, float* lse) {
    attention_forward<32>(p, r, qkv, nullptr, out, lse);
}

KERNEL(128, joint_backward_queries_32)(
    Attention p, Relations r, const S* qkv, const S* dout, const float* sums, S* dqkv, BiasSums bias_sums) {
    attention_backward_queries<32>(p, r, qkv, nullptr, dout, sums, nullptr, dqkv, bias_sums);
}

KERNEL(128, joint_backward_keys_32)(
    Attention p, Relations r, const S* qkv, const S* dout, const float* sums, S* dqkv) {
    attention_backward_keys<32>(p, r, qkv, nullptr, dout, sums, dqkv, nullptr);
}
