//! How a row moves (guide/mathematics.md section 2) and what its energy loses by it to first order.
//!
//! With `m = <P, G>`: direction `d = G` (probability, mirror) or `J G = P (G - m)` (logit), and
//! `Y' = from - alpha d` with `from = P` (probability) or `Y`.

use super::dynamics::Dynamics;
use crate::engine::math::{exp, maximum, softmax, sum1, sum2, sum3};
use ebt_core::config::UpdateRule;

/// One row's move from `(Y, P)` with gradient `G`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    rule: UpdateRule,
    alpha: f32,
    mean: f32,
    centre: f32,
}

impl Move {
    /// The move of size `alpha`; `mean = <P, G>`.
    pub fn new(dynamics: &Dynamics, alpha: f32, mean: f32) -> Self {
        Self { rule: dynamics.update, alpha, mean, centre: 0.0 }
    }

    /// The mean of a Metropolis proposal: the same move, for `mirror` along `G - mean(G)`, which leads to the same
    /// distribution without a common shift that cannot be undone.
    pub fn proposal(self, g: &[f32]) -> Self {
        Self { centre: sum1(g, |g| g) / g.len().max(1) as f32, ..self }
    }

    /// One element of the next state.
    #[inline(always)]
    pub fn next(&self, y: f32, p: f32, g: f32) -> f32 {
        let (from, d) = match self.rule {
            UpdateRule::Probability => (p, g),
            UpdateRule::Mirror => (y, g - self.centre),
            UpdateRule::Logit => (y, p * (g - self.mean)),
        };
        from - d * self.alpha
    }

    /// `Y <- Y'`, elementwise.
    pub fn advance(&self, y: &mut [f32], p: &[f32], g: &[f32]) {
        y.iter_mut().zip(p).zip(g).for_each(|((y, &p), &g)| *y = self.next(*y, p, g));
    }

    /// `D` of the move from `P`: `Var_P(G)` for mirror, `|J G|^2` for logit; none for probability.
    pub fn dissipation(&self, p: &[f32], g: &[f32]) -> Option<f32> {
        let m = self.mean;
        match self.rule {
            UpdateRule::Probability => None,
            UpdateRule::Mirror => Some(sum2(p, g, |p, g| p * (g - m) * (g - m))),
            UpdateRule::Logit => Some(sum2(p, g, |p, g| (p * (g - m)) * (p * (g - m)))),
        }
    }

    /// `D` of the move from `P` to `next`; for probability `max(0, <G, P - P'>) / alpha`.
    pub fn dissipation_to(&self, p: &[f32], next: &[f32], g: &[f32]) -> f32 {
        self.dissipation(p, g).unwrap_or_else(|| self.by_drop(sum3(p, next, g, |p, q, g| g * (p - q))))
    }

    fn by_drop(&self, drop: f32) -> f32 {
        if drop < 0.0 { 0.0 } else { drop / self.alpha }
    }

    /// Moves `(Y, P)` in place; gives `(D, log-sum-exp of Y')`.
    pub fn make(&self, y: &mut [f32], p: &mut [f32], g: &[f32]) -> (f32, f32) {
        let before = self.dissipation(p, g);
        self.advance(y, p, g);
        let dissipation = before.unwrap_or_else(|| {
            // P' a first time, against P
            let shift = maximum(y);
            let inverse = 1.0 / sum1(y, |y| exp(y - shift));
            self.by_drop(sum3(y, p, g, |y, p, g| g * (p - exp(y - shift) * inverse)))
        });
        (dissipation, softmax(y, p))
    }
}
