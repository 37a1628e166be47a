//! SwiGLU (Shazeer, arXiv 2002.05202): `y = W2 (silu(W1 x) * (W3 x))`, with `W1` over `W3` in one weight `W13 (2F, D)`.

use super::linear;
use crate::compute::Compute;
use crate::layer::weights::{Swiglu, Weight};

/// Activations of a SwiGLU.
#[derive(Clone, Debug)]
pub struct SwigluSaved<T> {
    /// `[W1 x | W3 x] (n, 2F)`.
    pub u: T,
    /// `silu(W1 x) * (W3 x) (n, F)`.
    pub act: T,
}

/// `y (n,D)` of `x (n,D)`.
pub fn forward<C: Compute>(
    c: &C,
    w: Swiglu<Weight<'_, C::Leaf>>,
    x: &C::Tensor,
) -> (C::Tensor, SwigluSaved<C::Tensor>) {
    let u = linear::forward(c, w.w13, x);
    let act = c.swiglu(&u);
    let y = linear::forward(c, w.w2, &act);
    (y, SwigluSaved { u, act })
}

/// `dx (n,D)` from `dy (n,D)`; with `grads`, the gradients of both weights are added to theirs.
pub fn backward<C: Compute>(
    c: &C,
    w: Swiglu<Weight<'_, C::Leaf>>,
    x: &C::Tensor,
    saved: &SwigluSaved<C::Tensor>,
    dy: &C::Tensor,
    mut grads: Option<&mut [C::Leaf]>,
) -> C::Tensor {
    let dact = linear::backward(c, w.w2, &saved.act, dy, grads.as_deref_mut());
    let du = c.swiglu_backward(&saved.u, &dact);
    linear::backward(c, w.w13, x, &du, grads)
}
