// Attention with heads up to 256 columns wide.
#define BLOCKS 1
#include "attention_backward.cuh"
#include "attention_forward.cuh"

KERNEL(128, attention_forward_256)(Attention p, const S* qkv, const S* memory, S* out, float* lse) {
    attention_forward<256>(p, Past(), qkv, memory, out, lse);
}

KERNEL(128, attention_backward_queries_256)(
    Attention p, const S* qkv, const S* memory, const S* dout, const float* sums, const float* own, S* dqkv) {
    attention_backward_queries<256>(p, Past(), qkv, memory, dout, sums, own, dqkv, BiasSums());
}

KERNEL(128, attention_backward_keys_256)(
    Attention p, const S* qkv, const S* memory, const S* dout, const float* sums, S* dqkv, float* dmemory) {
    attention_backward_keys<256>(p, Past(), qkv, memory, dout, sums, dqkv, dmemory);
}
