//! Attention: every entry point, with and without document starts, memory gradient, relations and their gradient.

use ebt_core::compute::{Attention, Classes, Compute, JointAttention, PredictedAttention, Relations};

use super::band::{classes, starts};
use crate::Draw;
use crate::case::{Args, Case, Operation};

/// Entry points of attention. `t[0]` is `qkv`; `l[0]` the memory of a candidate; `i[0]` the starts, if any;
/// `slots[0]` the gradient of the memory, if asked for. Of joint attention `l[0]` are the biases and the last of `i` their
/// classes, if there are any; `slots[0]` is their gradient.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named after the methods of Compute")]
pub enum Attend {
    Causal(Attention),
    /// Forward, then backward of `t[1]`.
    CausalBackward(Attention),
    Predicted(Attention),
    /// Forward, then backward of `t[1]`.
    PredictedBackward(Attention),
    /// Forward, then the tangent along `t[1]`.
    PredictedTangent(Attention),
    /// Forward and tangent, then the tangent of the backward pass of `t[2]` along `t[3]`.
    PredictedBackwardTangent(Attention),
    Joint(Attention, Known),
    /// Forward, then backward of `t[1]`.
    JointBackward(Attention, Known),
    /// Forward, then the tangent along `t[1]`.
    JointTangent(Attention, Known),
    /// Forward and tangent, then the tangent of the backward pass of `t[2]` along `t[3]`.
    JointBackwardTangent(Attention, Known),
}

/// Which relations joint attention knows.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "says what it is")]
pub enum Known {
    Nothing,
    Table,
    Distance,
}

impl Known {
    /// The inputs of joint attention over the arguments of an operation.
    fn input<'a, C: Compute>(
        self,
        x: &'a Args<C>,
        shape: Attention,
    ) -> JointAttention<'a, C::Tensor, C::Leaf, C::Index> {
        let (known, by_distance) = (!matches!(self, Self::Nothing), matches!(self, Self::Distance));
        let relations = known.then(|| {
            let table = x.i.last().expect("classes");
            Relations { bias: &x.l[0], classes: Classes { table, by_distance } }
        });
        let starts = x.i.first().filter(|_| x.i.len() > usize::from(known));
        JointAttention { qkv: &x.t[0], relations, starts, shape }
    }
}

impl Operation for Attend {
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor> {
        let mut slots = std::mem::take(&mut x.slots);
        let slot = slots.first_mut();
        let out = self.attended(c, x, slot);
        x.slots = slots;
        out
    }
}

impl Attend {
    fn attended<C: Compute>(&self, c: &C, x: &Args<C>, slot: Option<&mut C::Leaf>) -> Vec<C::Tensor> {
        let (t, starts) = (&x.t, x.i.first());
        let input = |shape| PredictedAttention { qkv: &t[0], memory: &x.l[0], starts, shape };
        match *self {
            Self::Causal(shape) => {
                let a = c.causal_attention(&t[0], starts, shape);
                vec![a.out, a.lse]
            }
            Self::CausalBackward(shape) => {
                let a = c.causal_attention(&t[0], starts, shape);
                vec![c.causal_attention_backward(&t[0], starts, shape, &a, &t[1])]
            }
            Self::Predicted(shape) => {
                let a = c.predicted_attention(input(shape));
                vec![a.out, a.lse]
            }
            Self::PredictedBackward(shape) => {
                let a = c.predicted_attention(input(shape));
                vec![c.predicted_attention_backward(input(shape), &a, &t[1], slot)]
            }
            Self::PredictedTangent(shape) => {
                let a = c.predicted_attention(input(shape));
                let at = c.predicted_attention_tangent(input(shape), &t[1], &a);
                vec![at.out, at.lse]
            }
            Self::PredictedBackwardTangent(shape) => {
                let a = c.predicted_attention(input(shape));
                let at = c.predicted_attention_tangent(input(shape), &t[1], &a);
                let both = [&a, &at];
                vec![c.predicted_attention_backward_tangent(input(shape), &t[1], both, [&t[2], &t[3]], slot)]
            }
            Self::Joint(shape, known) => {
                let a = c.joint_attention(known.input(x, shape));
                vec![a.out, a.lse]
            }
            Self::JointBackward(shape, known) => {
                let a = c.joint_attention(known.input(x, shape));
                vec![c.joint_attention_backward(known.input(x, shape), &a, &t[1], slot)]
            }
            Self::JointTangent(shape, known) => {
                let a = c.joint_attention(known.input(x, shape));
                let at = c.joint_attention_tangent(known.input(x, shape), &t[1], &a);
                vec![at.out, at.lse]
            }
            Self::JointBackwardTangent(shape, known) => {
                let a = c.joint_attention(known.input(x, shape));
                let at = c.joint_attention_tangent(known.input(x, shape), &t[1], &a);
                let (both, input) = ([&a, &at], known.input(x, shape));
                vec![c.joint_attention_backward_tangent(input, &t[1], both, [&t[2], &t[3]], slot)]
            }
        }
    }
}

/// All entry points of one geometry.
pub fn cases(draw: &Draw, shape: Attention) -> Vec<Case<Attend>> {
    use Attend::*;
    let (n, q, k) = (shape.rows(), shape.query_columns(), shape.key_columns());
    let qkv = || draw.matrix(n, q + 2 * k);
    let out = || draw.matrix(n, q);
    let memory = || draw.matrix(n, 2 * k);
    let mut all = Vec::new();
    // half of the cases have document starts, half of the backward passes collect the memory's gradient
    for (op, tensors, collects) in [
        (Causal(shape), vec![qkv()], false),
        (CausalBackward(shape), vec![qkv(), out()], false),
        (Predicted(shape), vec![qkv()], false),
        (PredictedBackward(shape), vec![qkv(), out()], draw.one_in(2)),
        (PredictedTangent(shape), vec![qkv(), qkv()], false),
        (PredictedBackwardTangent(shape), vec![qkv(), qkv(), out(), out()], draw.one_in(2)),
    ] {
        let starts = draw.one_in(2).then(|| starts(draw, shape.batch, shape.context));
        let slots = if collects { vec![memory()] } else { Vec::new() };
        all.push(Case::new(op, tensors).leaves(vec![memory()]).indices(starts.into_iter().collect()).slots(slots));
    }
    all.extend(joint(draw, shape));
    all
}

/// All entry points of joint attention of one geometry.
fn joint(draw: &Draw, shape: Attention) -> Vec<Case<Attend>> {
    use Attend::*;
    let (n, q, k) = (shape.rows(), shape.query_columns(), shape.key_columns());
    let qkv = || draw.matrix(n, q + 2 * k);
    let out = || draw.matrix(n, q);
    let known = [Known::Nothing, Known::Table, Known::Distance][draw.below(3)];
    let relations = !matches!(known, Known::Nothing);
    let mut all = Vec::new();
    for (op, tensors, collects) in [
        (Joint(shape, known), vec![qkv()], false),
        (JointBackward(shape, known), vec![qkv(), out()], draw.one_in(2)),
        (JointTangent(shape, known), vec![qkv(), qkv()], false),
        (JointBackwardTangent(shape, known), vec![qkv(), qkv(), out(), out()], draw.one_in(2)),
    ] {
        let count = 1 + draw.below(4);
        let bias = || draw.matrix(count, shape.heads);
        let mut indices: Vec<Vec<u32>> =
            draw.one_in(2).then(|| starts(draw, shape.batch, shape.context)).into_iter().collect();
        indices.extend(relations.then(|| classes(draw, shape.context, count, matches!(known, Known::Distance))));
        let slots = if collects && relations { vec![bias()] } else { Vec::new() };
        let leaves = if relations { vec![bias()] } else { Vec::new() };
        all.push(Case::new(op, tensors).leaves(leaves).indices(indices).slots(slots));
    }
    all
}
