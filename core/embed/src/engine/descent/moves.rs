//! How the cells of a row move (guide/mathematics.md section 2) and what its energy loses by it to first order.
//!
//! With `m = <P, G>`: direction `d = G` (probability, mirror) or `J G = P (G - m)` (logit), and
//! `Y' = from - alpha d` with `from = P` (probability) or `Y`. Here `G` is the gradient of `F`, up to a constant a cell:
//! `dE/dP + tau Y`.

use super::cells::Cell;
use super::dynamics::Dynamics;
use crate::engine::math::{exp, maximum, softmax, sum1, sum2, sum3};
use ebt_core::config::UpdateRule;

/// One cell's move from `(Y, P)` with gradient `G`.
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
    /// distribution without a common shift that cannot be undone. The mean is over the allowed tokens: `g` is 0 elsewhere.
    pub fn proposal(self, cell: Cell<'_>, g: &[f32]) -> Self {
        Self { centre: sum1(g, |g| g) / cell.size().max(1) as f32, ..self }
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
    pub fn advance(&self, cell: Cell<'_>, y: &mut [f32], p: &[f32], g: &[f32]) {
        y.iter_mut().zip(p).zip(g).for_each(|((y, &p), &g)| *y = self.next(*y, p, g));
        cell.restrict(y, f32::NEG_INFINITY);
    }

    /// A cell's share of `D` at `P`: `Var_P(G)` for mirror, `|J G|^2` for logit; none for probability.
    fn dissipation(&self, p: &[f32], g: &[f32]) -> Option<f32> {
        let m = self.mean;
        match self.rule {
            UpdateRule::Probability => None,
            UpdateRule::Mirror => Some(sum2(p, g, |p, g| p * (g - m) * (g - m))),
            UpdateRule::Logit => Some(sum2(p, g, |p, g| (p * (g - m)) * (p * (g - m)))),
        }
    }

    /// A cell's share of what its row loses by the move from `P` to `next`: of `D`, for probability `<G, P - P'>`.
    pub fn share_to(&self, p: &[f32], next: &[f32], g: &[f32]) -> f32 {
        self.dissipation(p, g).unwrap_or_else(|| sum3(p, next, g, |p, q, g| g * (p - q)))
    }

    /// Moves `(Y, P)` in place; gives the cell's share, as [`Self::share_to`], and the log-sum-exp of `Y'`.
    pub fn make(&self, cell: Cell<'_>, y: &mut [f32], p: &mut [f32], g: &[f32]) -> (f32, f32) {
        let before = self.dissipation(p, g);
        self.advance(cell, y, p, g);
        let share = before.unwrap_or_else(|| {
            // P' a first time, against P
            let shift = maximum(y);
            let inverse = 1.0 / sum1(y, |y| exp(y - shift));
            sum3(y, p, g, |y, p, g| g * (p - exp(y - shift) * inverse))
        });
        (share, softmax(y, p))
    }
}

/// `D` of a row from the sum of the shares of its cells; for probability `max(0, <G, P - P'>) / alpha`.
pub(super) fn dissipation(rule: UpdateRule, alpha: f32, shares: f32) -> f32 {
    match rule {
        UpdateRule::Mirror | UpdateRule::Logit => shares,
        UpdateRule::Probability if shares < 0.0 => 0.0,
        UpdateRule::Probability => shares / alpha,
    }
}
