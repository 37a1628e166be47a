// Attention with heads up to 64 columns wide.
#define BLOCKS 3
#include "attention_backward.cuh"
#include "attention_forward.cuh"

KERNEL(128, attention_forward_64)(Attention p, const S* qkv, const S* memory, S* out, float* lse) {
    attention_forward<64>(p, Past(), qkv, memory, out, lse);
}

KERNEL(128, attention_backward_queries_64)(
    Attention p, const S* qkv, const S* memory, const S* dout, const float* sums, const float* own, S* dqkv) {
    attention_backward_queries<64>(p, Past(), qkv, memory, dout, sums, own, dqkv, BiasSums());
}

// in single precision the shared memory has room for two blocks, not three
#undef BLOCKS
#define BLOCKS (sizeof(S) == 4 ? 2 : 3)
KERNEL(128, attention_backward_keys_64)(
    Attention p, const S* qkv, const S* memory, const S* dout, const float* sums, S* dqkv, float* dmemory) {
    attention_backward_keys<64>(p, Past(), qkv, memory, dout, sums, dqkv, dmemory);
}
