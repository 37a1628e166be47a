// Attention with heads up to 16 columns wide.
#define BLOCKS 3
#include "attention_backward.cuh"
#include "attention_forward.cuh"

KERNEL(128, attention_forward_16)(Attention p, const S* qkv, const S* memory, S* out, float* lse) {
    attention_forward<16>(p, Past(), qkv, memory, out, lse);
}

KERNEL(128, attention_backward_queries_16)(
    Attention p, const S* qkv, const S* memory, const S* dout, const float* sums, const float* own, S* dqkv) {
    attention_backward_queries<16>(p, Past(), qkv, memory, dout, sums, own, dqkv, BiasSums());
}

KERNEL(128, attention_backward_keys_16)(
    Attention p, const S* qkv, const S* memory, const S* dout, const float* sums, S* dqkv, float* dmemory) {
    attention_backward_keys<16>(p, Past(), qkv, memory, dout, sums, dqkv, dmemory);
}
