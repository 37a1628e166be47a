// Tangents of attention with heads up to 256 columns wide.
#define BLOCKS 1
#include "attention_tangent.cuh"

KERNEL(128, attention_forward_tangent_256)(
    Attention p, const S* qkv, const S* qkvt, const S* memory, const S* out, const float* lse, S* outt, float* lset) {
    attention_forward_tangent<256>(p, qkv, qkvt, memory, out, lse, outt, lset);
}

KERNEL(128, attention_tangent_queries_256)(
    Attention p, const S* qkv, const S* qkvt, const S* memory, const S* dout, const S* doutt, const float* sums,
    const float* own, S* dqkvt) {
    attention_tangent_queries<256>(p, qkv, qkvt, memory, dout, doutt, sums, own, dqkvt);
}

KERNEL(128, attention_tangent_keys_256)(
    Attention p, const S* qkv, const S* qkvt, const S* memory, const S* dout, const S* doutt, const float* sums,
    float* dmemory) {
    attention_tangent_keys<256>(p, qkv, qkvt, memory, dout, doutt, sums, dmemory);
}
