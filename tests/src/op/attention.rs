//! Two-stream attention: every entry point, with and without document starts and memory gradient.

use ebt_core::compute::{Attention, Compute, PredictedAttention};

use super::band::starts;
use crate::Draw;
use crate::case::{Args, Case, Operation};

/// Entry points of attention. `t[0]` is `qkv`; `l[0]` the memory of a candidate; `i[0]` the starts, if any;
/// `slots[0]` the gradient of the memory, if asked for.
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
}

impl Operation for Attend {
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor> {
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
                vec![c.predicted_attention_backward(input(shape), &a, &t[1], x.slots.first_mut())]
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
                let slot = x.slots.first_mut();
                vec![c.predicted_attention_backward_tangent(input(shape), &t[1], both, [&t[2], &t[3]], slot)]
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
    all
}
