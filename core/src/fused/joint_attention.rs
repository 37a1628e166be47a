//! Attention among all positions, from the same banded contractions as the attention of two streams: one group of keys
//! that reaches as far ahead as back, with a bias by relation. Its derivative is `P (dP - delta)`, summed by class.

use super::attention::{Keys, KeysGradient, attend, attend_backward, join, split};
use super::{dual, over, tangent_of};
use crate::compute::{AttentionOutput, Compute, JointAttention};
use crate::dual::DualTensor;

/// Output and log-sum-exp.
pub fn forward<C: Compute>(
    c: &C,
    input: JointAttention<'_, C::Tensor, C::Leaf, C::Index>,
) -> AttentionOutput<C::Tensor> {
    let shape = input.shape;
    let [q, k, v] = split(c, input.qkv, shape);
    let keys = Keys { k: &k, v: &v, band: shape.joint_band(), masked: true, relations: input.relations };
    attend(c, &q, &[keys], input.starts, shape)
}

/// `dqkv` of [`forward`]; the biases' gradient goes to `dbias`.
pub fn backward<C: Compute>(
    c: &C,
    input: JointAttention<'_, C::Tensor, C::Leaf, C::Index>,
    attended: &AttentionOutput<C::Tensor>,
    dout: &C::Tensor,
    dbias: Option<&mut C::Leaf>,
) -> C::Tensor {
    let shape = input.shape;
    let [q, k, v] = split(c, input.qkv, shape);
    let band = shape.joint_band();
    let keys = [Keys { k: &k, v: &v, band, masked: true, relations: input.relations }];
    let mut rest = None;
    let dq = attend_backward(c, &q, &keys, input.starts, shape, attended, dout, |_, on_keys| rest = Some(on_keys));
    let Some(KeysGradient { dk, dv, added }) = rest else { return join(c, [&dq, &k, &v], shape) };
    if let (Some(slot), Some(relations)) = (dbias, input.relations) {
        c.accumulate_relations(slot, &added, band, relations.classes);
    }
    join(c, [&dq, &dk, &dv], shape)
}

fn lifted<'a, C: Compute>(
    input: JointAttention<'a, C::Tensor, C::Leaf, C::Index>,
    qkv: &'a DualTensor<C::Tensor>,
) -> JointAttention<'a, DualTensor<C::Tensor>, C::Leaf, C::Index> {
    JointAttention { qkv, relations: input.relations, starts: input.starts, shape: input.shape }
}

/// Tangent of [`forward`] along `qkvt`.
pub fn tangent<C: Compute>(
    c: &C,
    input: JointAttention<'_, C::Tensor, C::Leaf, C::Index>,
    qkvt: &C::Tensor,
    _attended: &AttentionOutput<C::Tensor>,
) -> AttentionOutput<C::Tensor> {
    let qkv = dual::<C>([input.qkv, qkvt]);
    let both = forward(&over(c), lifted::<C>(input, &qkv));
    AttentionOutput { out: tangent_of(c, both.out), lse: tangent_of(c, both.lse) }
}

/// Tangent of [`backward`]; the tangent of the biases' gradient goes to `dbias`.
pub fn backward_tangent<C: Compute>(
    c: &C,
    input: JointAttention<'_, C::Tensor, C::Leaf, C::Index>,
    qkvt: &C::Tensor,
    attended: [&AttentionOutput<C::Tensor>; 2],
    dout: [&C::Tensor; 2],
    dbias: Option<&mut C::Leaf>,
) -> C::Tensor {
    let qkv = dual::<C>([input.qkv, qkvt]);
    let both = AttentionOutput {
        out: dual::<C>([&attended[0].out, &attended[1].out]),
        lse: dual::<C>([&attended[0].lse, &attended[1].lse]),
    };
    let d = over(c);
    tangent_of(c, backward(&d, lifted::<C>(input, &qkv), &both, &dual::<C>(dout), dbias))
}
