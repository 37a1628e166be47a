//! Feed-forward: SwiGLU `W2 (silu(W1 x) * (W3 x))`, dense or as a mixture of experts.

use super::mixture::{self, GateSaved, MixtureSaved};
use crate::compute::Compute;
use crate::config::MoeConfig;
use crate::parameters::{FeedForwardIds, SwigluIds};

/// Activations of a SwiGLU.
#[derive(Clone, Debug)]
pub struct SwigluSaved<T> {
    /// `[W1 x | W3 x] (n, 2F)`.
    pub u: T,
    /// `(n, F)`.
    pub act: T,
}

/// Activations of a feed-forward layer.
#[derive(Clone, Debug)]
pub enum FeedForwardSaved<T, I> {
    /// One SwiGLU.
    Dense(SwigluSaved<T>),
    /// Mixture of experts.
    Mixture(MixtureSaved<T, I>),
}

impl<T, I> FeedForwardSaved<T, I> {
    /// The routing decision, if any.
    pub fn gate(&self) -> Option<&GateSaved<T, I>> {
        match self {
            Self::Dense(_) => None,
            Self::Mixture(m) => Some(&m.gate),
        }
    }
}

/// Dense SwiGLU.
pub fn swiglu<C: Compute>(
    c: &C,
    weights: &[C::Leaf],
    ids: SwigluIds,
    x: &C::Tensor,
) -> (C::Tensor, SwigluSaved<C::Tensor>) {
    let u = c.linear(x, &weights[ids.w13]);
    let act = c.swiglu(&u);
    let y = c.linear(&act, &weights[ids.w2]);
    (y, SwigluSaved { u, act })
}

/// `dx` of [`swiglu`].
pub fn swiglu_backward<C: Compute>(
    c: &C,
    weights: &[C::Leaf],
    ids: SwigluIds,
    x: &C::Tensor,
    saved: &SwigluSaved<C::Tensor>,
    dy: &C::Tensor,
    grads: Option<&mut [C::Leaf]>,
) -> C::Tensor {
    let dact = c.linear_adjoint(dy, &weights[ids.w2]);
    let du = c.swiglu_backward(&saved.u, &dact);
    if let Some(grads) = grads {
        c.collect_product(&mut grads[ids.w2], 0, dy, &saved.act);
        c.collect_product(&mut grads[ids.w13], 0, &du, x);
    }
    c.linear_adjoint(&du, &weights[ids.w13])
}

/// Dense or mixture, as the block has it.
pub fn forward<C: Compute>(
    c: &C,
    weights: &[C::Leaf],
    ids: FeedForwardIds,
    moe: Option<&MoeConfig>,
    x: &C::Tensor,
) -> (C::Tensor, FeedForwardSaved<C::Tensor, C::Index>) {
    match (ids, moe) {
        (FeedForwardIds::Mixture { gate, bias, experts, shared }, Some(moe)) => {
            let ids = mixture::MixtureIds { gate, bias, experts, shared };
            let (y, saved) = mixture::forward(c, weights, ids, moe, x);
            (y, FeedForwardSaved::Mixture(saved))
        }
        (FeedForwardIds::Dense(ids) | FeedForwardIds::Mixture { experts: ids, .. }, _) => {
            let (y, saved) = swiglu(c, weights, ids, x);
            (y, FeedForwardSaved::Dense(saved))
        }
    }
}

/// `dx`; `balance (n,E)` is the outer objective's gradient with respect to the gates.
pub fn backward<C: Compute>(
    c: &C,
    weights: &[C::Leaf],
    ids: FeedForwardIds,
    moe: Option<&MoeConfig>,
    x: &C::Tensor,
    saved: &FeedForwardSaved<C::Tensor, C::Index>,
    dy: &C::Tensor,
    balance: Option<&C::Leaf>,
    grads: Option<&mut [C::Leaf]>,
) -> C::Tensor {
    match (ids, moe, saved) {
        (FeedForwardIds::Mixture { gate, bias, experts, shared }, Some(moe), FeedForwardSaved::Mixture(saved)) => {
            let ids = mixture::MixtureIds { gate, bias, experts, shared };
            mixture::backward(c, weights, ids, moe, x, saved, dy, balance, grads)
        }
        (
            FeedForwardIds::Dense(ids) | FeedForwardIds::Mixture { experts: ids, .. },
            _,
            FeedForwardSaved::Dense(saved),
        ) => swiglu_backward(c, weights, ids, x, saved, dy, grads),
        // the layer kind is fixed by the layout, so a saved mixture always meets its own ids
        (_, _, FeedForwardSaved::Mixture(_)) => dy.clone(),
    }
}
