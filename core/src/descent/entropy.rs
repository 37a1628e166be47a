//! The entropy in what is descended: `F = E + tau sum P log P`, or `P (log P - l)` where there is a prior `l`, which is taken from `Y`
//! in what follows.
//!
//! In the coordinates of mirror descent its gradient is `tau Y` up to a constant of every row, since `log P = Y - lse`; a step is
//! `Y' = Y - alpha (G + tau Y)`. With `alpha tau = 1` that is replacement, `Y' = -alpha G`. All matrices are `(n,V)`.

use super::rollout::Rollout;
use crate::compute::Backend;

impl<B: Backend> Rollout<'_, B> {
    /// `tau`, where there is an entropy.
    pub fn entropy(&self) -> Option<f64> {
        let tau = self.model.config.tau;
        (tau != 0.0).then_some(tau)
    }

    /// `g + tau y`: the gradient of `F` from that of `E`.
    pub fn with_entropy(&self, g: B::Array, y: &B::Array) -> B::Array {
        match self.entropy() {
            Some(tau) => self.b.add(&g, &self.b.scale(y, tau)),
            None => g,
        }
    }

    /// `tau sum P (log P - l)` of every row `(n,1)`, at `p = softmax(y)`.
    pub fn negative_entropy(&self, p: &B::Array, y: &B::Array, tau: f64) -> B::Array {
        let b = self.b;
        let mean = b.sum_columns(&b.mul(p, &self.within(y)));
        b.scale(&b.add(&mean, &b.scale(&b.log_sum_exp(y), -1.0)), tau)
    }

    /// The part of [`Rule::pull_back`](super::update_rule::Rule::pull_back) that the entropy adds: `-alpha tau v`, `alphas (n,1)`.
    pub fn entropy_pull_back(&self, carry: B::Array, alphas: &B::Array, v: &B::Array) -> B::Array {
        match self.entropy() {
            Some(tau) => self.b.axpy(carry, &self.b.scale(alphas, -tau), v),
            None => carry,
        }
    }

    /// `-tau sum alpha <v, Y>` `(1,1)`: what the entropy adds to `<u, G>`, the derivative by the step size times the step size.
    pub fn entropy_step_size(&self, alphas: &B::Array, v: &B::Array, y: &B::Array) -> Option<B::Array> {
        let b = self.b;
        let rows = || b.mul(&b.sum_columns(&b.mul(v, y)), alphas);
        self.entropy().map(|tau| b.scale(&b.sum_rows(&rows()), -tau))
    }
}
