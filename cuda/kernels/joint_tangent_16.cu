// Tangents of attention among all positions with heads up to 16 columns wide.
#define BLOCKS (sizeof(S) == 4 ? 2 : 3)
#include "joint_tangent.cuh"

KERNEL(128, joint_forward_tangent_16)(
    Attention p, Relations r, const S* qkv, const S* qkvt, const S* out, const float* lse, S* outt, float* lset) {
    joint_forward_tangent<16>(p, r, qkv, qkvt, out, lse, outt, lset);
}

KERNEL(128, joint_tangent_queries_16)(
    Attention p, Relations r, const S* qkv, const S* qkvt, const S* dout, const S* doutt, const float* sums, S* dqkvt,
    BiasSums bias_sums) {
    joint_tangent_queries<16>(p, r, qkv, qkvt, dout, doutt, sums, dqkvt, bias_sums);
}

KERNEL(128, joint_tangent_keys_16)(
    Attention p, Relations r, const S* qkv, const S* qkvt, const S* dout, const S* doutt, const float* sums,
    S* dqkvt) {
    joint_tangent_keys<16>(p, r, qkv, qkvt, dout, doutt, sums, dqkvt);
}
