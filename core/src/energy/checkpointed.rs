//! The energy with block checkpointing (Chen et al., arXiv 1604.06174): only the input of every block is kept and the
//! block runs again for its backward pass. Under `Dual` the same holds for values and tangents.

use alloc::vec::Vec;

use super::{HeadSaved, Prediction, PredictionSink, head_backward, head_forward, leave};
use crate::compute::{Compute, Scope};
use crate::layer::block;
use crate::layer::mixture::GateSaved;

/// Inputs of all blocks, activations of the head, and gates for the balance loss.
#[derive(Clone, Debug)]
pub struct CheckpointedSaved<T, I> {
    /// Gates and routing of every block, where it has experts.
    pub gates: Vec<Option<GateSaved<T, I>>>,
    /// Input `(n,D)` of every block.
    inputs: Vec<T>,
    head: HeadSaved<T>,
}

/// Energies `(n,1)` of `p (n,D)`, as [`super::forward`].
pub fn checkpointed_forward<C: Compute>(
    c: &C,
    x: &Prediction<'_, C::Leaf, C::Index>,
    p: &C::Tensor,
) -> (C::Tensor, CheckpointedSaved<C::Tensor, C::Index>) {
    let left = c.enter(Scope::Predicted);
    let (mut inputs, mut gates) = (Vec::new(), Vec::new());
    let mut h = x.enter(c, p);
    for layer in 0..x.model.config.layers {
        let (out, saved) = block::forward(c, &x.block(layer), &h);
        gates.push(saved.feed_forward.gate().cloned());
        inputs.push(h);
        h = out;
    }
    let (energy, head) = head_forward(c, x, h);
    c.enter(left);
    (energy, CheckpointedSaved { gates, inputs, head })
}

/// `dp (n,D)` from `de (n,1)`, as [`super::backward`].
pub fn checkpointed_backward<C: Compute>(
    c: &C,
    x: &Prediction<'_, C::Leaf, C::Index>,
    saved: &CheckpointedSaved<C::Tensor, C::Index>,
    de: &C::Leaf,
    mut sink: Option<PredictionSink<'_, C::Leaf>>,
) -> C::Tensor {
    let left = c.enter(Scope::Predicted);
    let mut dh = head_backward(c, x, &saved.head, de, sink.as_mut());
    for (layer, h) in saved.inputs.iter().enumerate().rev() {
        let context = x.block(layer);
        let (_, activations) = block::forward(c, &context, h);
        let sink = sink.as_mut().map(|s| s.block(layer, x.joint()));
        dh = block::backward(c, &context, &activations, &dh, None, sink);
    }
    leave(c, x, &dh, sink);
    c.enter(left);
    dh
}
