// Attention with heads up to 48 columns wide.
#define BLOCKS 3
#include "attention_backward.cuh"
#include "attention_forward.cuh"

KERNEL(128, attention_forward_48)(Attention p, const S* qkv, const S* memory, S* out, float* lse) {
    attention_forward<48>(p, Past(), qkv, memory, out, lse);
}

KERNEL(128, attention_backward_queries_48)(
    Attention p, const S* qkv, const S* memory, const S* dout, const float* sums, const float* own, S* dqkv) {
    attention_backward_queries<48>(p, Past(), qkv, memory, dout, sums, own, dqkv, BiasSums());
}

KERNEL(128, attention_backward_keys_48)(
    Attention p, const S* qkv, const S* memory, const S* dout, const float* sums, S* dqkv, float* dmemory) {
    attention_backward_keys<48>(p, Past(), qkv, memory, dout, sums, dqkv, dmemory);
}
