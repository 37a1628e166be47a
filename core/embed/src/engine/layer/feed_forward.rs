//! Feed-forward of rows: one SwiGLU `y = W2 (silu(W1 x) W3 x)`, or a mixture of them.

use super::buffers::{Buffers, Saved, rows};
use super::mixture::Mixture;
use super::swiglu;
use crate::engine::number::Number;
use crate::packed::{FeedForward, Isa, Swiglu};
use ebt_core::config::MoeConfig;

/// What a feed-forward layer is run with.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'m> {
    /// One SwiGLU, or a gate with routed and shared experts; the latter need `moe`.
    pub weights: FeedForward<'m>,
    /// Settings of the mixture, where it is one.
    pub moe: Option<&'m MoeConfig>,
    /// Width `D` of inputs and outputs.
    pub dim: usize,
    /// Width of a dense layer.
    pub ffn: usize,
    /// How products are computed.
    pub kernel: Isa,
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
                swiglu::ffn_forward::<N>(weights, self.kernel, hidden, n, x, u, work.hidden, y);
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
                swiglu::ffn_backward::<N>(weights, self.kernel, hidden, n, u, dy, (work.hidden, work.up), dx);
            }
            None => dx.iter_mut().for_each(|dx| *dx = 0.0),
        }
        if let Some(mixture) = self.mixture() {
            mixture.backward::<N>(n, dy, saved, work, dx);
        }
    }
}
