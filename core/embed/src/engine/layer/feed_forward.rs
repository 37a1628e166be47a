//! Feed-forward of rows: one SwiGLU `y = W2 (silu(W1 x) W3 x)`, or a mixture of them.

use super::mixture::Mixture;
use super::swiglu;
use crate::engine::number::Number;
use crate::engine::slices::front;
use crate::packed::{FeedForward, Isa, Swiglu};
use ebt_core::config::MoeConfig;

/// What a feed-forward layer is run with.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'m> {
    /// Weights.
    pub weights: FeedForward<'m>,
    /// Settings of the mixture, where it is one.
    pub moe: Option<&'m MoeConfig>,
    /// Width `D`.
    pub dim: usize,
    /// Width of a dense layer.
    pub ffn: usize,
    /// How products are computed.
    pub kernel: Isa,
}

/// What the backward pass needs.
#[derive(Debug)]
pub struct Saved<'s> {
    /// `[W1 x | W3 x]` of the dense layer or of the shared experts `(n, 2F)`.
    pub up: &'s mut [f32],
    /// The same of the routed experts, slot by slot.
    pub expert_up: &'s mut [f32],
    /// Outputs of the routed experts, slot by slot `(n k, D)`.
    pub expert_out: &'s mut [f32],
    /// Gates `(n,E)`.
    pub gate: &'s mut [f32],
    /// 1 where an expert was chosen `(n,E)`.
    pub chosen: &'s mut [f32],
}

/// Scratch.
#[derive(Debug)]
pub struct Buffers<'s> {
    /// `(n, F)`.
    pub hidden: &'s mut [f32],
    /// `(n, 2F)`.
    pub up: &'s mut [f32],
    /// `(n, D)`.
    pub xs: &'s mut [f32],
    /// `(n, D)`.
    pub dxs: &'s mut [f32],
    /// `(n, E)`.
    pub gates: &'s mut [f32],
}

/// The part of a buffer that `n` rows of this width take.
fn rows<N: Number>(array: &mut [f32], n: usize, width: usize) -> &mut [f32] {
    front(array, N::PARTS.saturating_mul(n).saturating_mul(width))
}

/// `y (n,D)`; keeps `u (n,2F)`.
pub fn swiglu_forward<N: Number>(
    weights: Swiglu<'_>,
    kernel: Isa,
    hidden: usize,
    n: usize,
    x: &[f32],
    u: &mut [f32],
    scratch: &mut [f32],
    y: &mut [f32],
) {
    let s = rows::<N>(scratch, n, hidden);
    weights.w13.product(kernel, x, u);
    swiglu::forward::<N>(n, hidden, u, s);
    weights.w2.product(kernel, s, y);
}

/// `dx (n,D)` from `dy (n,D)`.
pub fn swiglu_backward<N: Number>(
    weights: Swiglu<'_>,
    kernel: Isa,
    hidden: usize,
    n: usize,
    u: &[f32],
    dy: &[f32],
    (ds, du): (&mut [f32], &mut [f32]),
    dx: &mut [f32],
) {
    let (ds, du) = (rows::<N>(ds, n, hidden), rows::<N>(du, n, hidden.saturating_mul(2)));
    weights.w2.adjoint(kernel, dy, ds);
    swiglu::backward::<N>(n, hidden, u, ds, du);
    weights.w13.adjoint(kernel, du, dx);
}

impl<'m> Layer<'m> {
    /// The SwiGLU that all rows pass, with its width.
    fn common(&self) -> Option<(Swiglu<'m>, usize)> {
        match self.weights {
            FeedForward::Dense(weights) => Some((weights, self.ffn)),
            FeedForward::Mixture { shared, .. } => {
                let moe = self.moe?;
                shared.map(|weights| (weights, moe.n_shared.saturating_mul(moe.hidden)))
            }
        }
    }

    fn mixture(&self) -> Option<Mixture<'m>> {
        match (self.weights, self.moe) {
            (FeedForward::Mixture { gate, bias, experts, .. }, Some(moe)) => {
                let bias = bias.filter(|_| moe.bias_rate > 0.0);
                Some(Mixture { gate, bias, experts, moe, dim: self.dim, kernel: self.kernel })
            }
            _ => None,
        }
    }

    /// `y (n,D)` from `x (n,D)`.
    pub fn forward<N: Number>(
        &self,
        n: usize,
        x: &[f32],
        saved: &mut Saved<'_>,
        work: &mut Buffers<'_>,
        y: &mut [f32],
    ) {
        match self.common() {
            Some((weights, hidden)) => {
                let u = rows::<N>(saved.up, n, hidden.saturating_mul(2));
                swiglu_forward::<N>(weights, self.kernel, hidden, n, x, u, work.hidden, y);
            }
            None => y.iter_mut().for_each(|y| *y = 0.0),
        }
        if let Some(mixture) = self.mixture() {
            mixture.forward::<N>(n, x, saved, work, y);
        }
    }

    /// `dx (n,D)` from `dy (n,D)`.
    pub fn backward<N: Number>(
        &self,
        n: usize,
        dy: &[f32],
        saved: &mut Saved<'_>,
        work: &mut Buffers<'_>,
        dx: &mut [f32],
    ) {
        match self.common() {
            Some((weights, hidden)) => {
                let u = rows::<N>(saved.up, n, hidden.saturating_mul(2));
                swiglu_backward::<N>(weights, self.kernel, hidden, n, u, dy, (work.hidden, work.up), dx);
            }
            None => dx.iter_mut().for_each(|dx| *dx = 0.0),
        }
        if let Some(mixture) = self.mixture() {
            mixture.backward::<N>(n, dy, saved, work, dx);
        }
    }
}
