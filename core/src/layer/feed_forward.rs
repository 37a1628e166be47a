//! Feed-forward: one SwiGLU ([`swiglu`]) or a mixture of experts ([`mixture`]), as the layout of the block has it.

use super::mixture::{self, GateSaved, MixtureSaved};
use super::swiglu::{self, SwigluSaved};
use crate::compute::Compute;
use crate::config::MoeConfig;
use crate::layer::weights::{FeedForward, Mixture, Weight};

/// Activations of a feed-forward layer.
#[derive(Clone, Debug)]
pub enum FeedForwardSaved<T, I> {
    /// Of a single SwiGLU.
    Dense(SwigluSaved<T>),
    /// Of a mixture of experts.
    Mixture(MixtureSaved<T, I>),
}

impl<T, I> FeedForwardSaved<T, I> {
    /// Gates and routing decision; none in a dense layer.
    pub fn gate(&self) -> Option<&GateSaved<T, I>> {
        match self {
            Self::Dense(_) => None,
            Self::Mixture(m) => Some(&m.gate),
        }
    }
}

/// `y (n,D)` of the normed hidden state `x (n,D)`, with what the backward pass needs.
pub fn forward<C: Compute>(
    c: &C,
    w: FeedForward<Weight<'_, C::Leaf>>,
    moe: Option<&MoeConfig>,
    x: &C::Tensor,
) -> (C::Tensor, FeedForwardSaved<C::Tensor, C::Index>) {
    match (w, moe) {
        (FeedForward::Mixture(w), Some(moe)) => {
            let (y, saved) = mixture::forward(c, w, moe, x);
            (y, FeedForwardSaved::Mixture(saved))
        }
        (FeedForward::Dense(w) | FeedForward::Mixture(Mixture { experts: w, .. }), _) => {
            let (y, saved) = swiglu::forward(c, w, x);
            (y, FeedForwardSaved::Dense(saved))
        }
    }
}

/// `dx (n,D)` from `dy (n,D)`; `balance (n,E)` is the outer objective's gradient with respect to the gates. With `grads`
/// (layout order), weight gradients are added to theirs.
pub fn backward<C: Compute>(
    c: &C,
    w: FeedForward<Weight<'_, C::Leaf>>,
    moe: Option<&MoeConfig>,
    x: &C::Tensor,
    saved: &FeedForwardSaved<C::Tensor, C::Index>,
    dy: &C::Tensor,
    balance: Option<&C::Leaf>,
    grads: Option<&mut [C::Leaf]>,
) -> C::Tensor {
    match (w, moe, saved) {
        (FeedForward::Mixture(w), Some(moe), FeedForwardSaved::Mixture(saved)) => {
            mixture::backward(c, w, moe, x, saved, dy, balance, grads)
        }
        (
            FeedForward::Dense(w) | FeedForward::Mixture(Mixture { experts: w, .. }),
            _,
            FeedForwardSaved::Dense(saved),
        ) => swiglu::backward(c, w, x, saved, dy, grads),
        // the layer kind is fixed by the layout, so a saved mixture always meets its own weights
        (_, _, FeedForwardSaved::Mixture(_)) => dy.clone(),
    }
}
