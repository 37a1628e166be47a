//! Metropolis-adjusted Langevin steps (Roberts and Tweedie, Bernoulli 2, 1996).
//!
//! The target density lives on logits: `pi(Y) ~ exp(-E(softmax(Y)) / tau)`; it does not depend on the common shift of all logits, and is a distribution of `P` where `exp(-E / tau)` is
//! integrable over logits modulo that shift. A proposal is `Y' = m(Y) + sigma xi`, `sigma^2 = 2 alpha tau`, with
//! `m(Y)` the move of the model's update rule (`mirror` along `G - mean(G)`), accepted with probability
//!
//! ```text
//! min(1, exp(-(E' - E) / tau + (|Y' - m(Y)|^2 - |Y - m(Y')|^2) / (2 sigma^2)))
//! ```
//!
//! That leaves `pi` invariant for every rule, as `m` is a function of the state alone. Only for `logit` is `m` the
//! Langevin drift `Y - alpha grad_Y E`, the exact pairing; `mirror` proposes along another descent direction, and
//! `probability` jumps to the neighbourhood of `P - alpha G` rather than of `Y`: its acceptance does not tend to 1 as
//! `alpha` falls, the adaptation may not reach its target, and as its proposals do not follow the common shift, which the
//! target leaves free, it has no stationary distribution.

use super::moves::Move;
use super::potential::Potential;
use super::row::{Row, WORDS};
use super::run::Run;
use super::start::{first, stream};
use crate::engine::math::{dot, exp, fill_normal, ln_unit, softmax, sqrt, sum_of};
use crate::engine::slices::{copy, put, row_mut, row_of};
use ebt_core::random::Purpose;

impl<P: Potential> Run<'_, '_, P> {
    /// One transition of every row, energy and gradient at its state being known.
    pub fn transition(&mut self, i: usize, s: usize, tau: f32, warm_up: u32) {
        self.propose_noisy(i, tau);
        let count = self.select(|_| true);
        self.energies(s, true, count);
        self.gradients(true, count);
        self.test(i, tau, warm_up);
    }

    /// Proposals of all rows that run, as their trial states.
    fn propose_noisy(&mut self, i: usize, tau: f32) {
        let (v, capacity) = (self.d.vocab, self.d.capacity);
        for r in 0..self.n {
            let (position, candidate) = self.place(r);
            let Some(stored) = self.d.rows.as_chunks_mut::<WORDS>().0.get_mut(r) else { continue };
            let mut row = Row::load(stored);
            if !row.runs() {
                continue;
            }
            let (y, p, g) = (row_of(self.d.y, r, v), row_of(self.d.p, r, v), row_of(self.d.g, r, v));
            let by = Move::new(self.dynamics, row.alpha, row.mean).proposal(g);
            let (trial_y, trial_p) = (row_mut(self.d.trial_y, r, v), row_mut(self.d.trial_p, r, v));
            let noise = stream(self.think.seed, Purpose::Langevin, candidate, i);
            fill_normal(&noise, first(position, v), sqrt(2.0 * row.alpha * tau), trial_y);
            for (((x, &y), &p), &g) in trial_y.iter_mut().zip(y).zip(p).zip(g) {
                *x += by.next(y, p, g);
            }
            softmax(trial_y, trial_p);
            row.dissipation = by.dissipation_to(p, trial_p, g);
            let at = r.saturating_mul(capacity).saturating_add(i);
            put(self.d.trajectories.sizes, at, row.alpha);
            put(self.d.trajectories.dissipations, at, row.dissipation);
            *stored = row.store();
        }
    }

    /// `(|Y' - m(Y)|^2 - |Y - m(Y')|^2) / (2 sigma^2)` as a sum of `(a - b) (a + b)`, which cancels less.
    fn log_proposal_ratio(&self, r: usize, row: &Row, tau: f32) -> f32 {
        let (v, d) = (self.d.vocab, &*self.d);
        let (y, p, g) = (row_of(d.y, r, v), row_of(d.p, r, v), row_of(d.g, r, v));
        let (y2, p2, g2) = (row_of(d.trial_y, r, v), row_of(d.trial_p, r, v), row_of(d.trial_g, r, v));
        let there = Move::new(self.dynamics, row.alpha, row.mean).proposal(g);
        let back = Move::new(self.dynamics, row.alpha, dot(p2, g2)).proposal(g2);
        let terms = y.iter().zip(p).zip(g).zip(y2.iter().zip(p2).zip(g2)).map(|(((&y, &p), &g), ((&y2, &p2), &g2))| {
            let a = y2 - there.next(y, p, g);
            let b = y - back.next(y2, p2, g2);
            (a - b) * (a + b)
        });
        sum_of(terms) / (4.0 * row.alpha * tau)
    }

    /// Accepts or refuses every proposal, and adapts the step sizes.
    fn test(&mut self, i: usize, tau: f32, warm_up: u32) {
        let v = self.d.vocab;
        for r in 0..self.n {
            let (position, candidate) = self.place(r);
            let Some(mut row) = self.d.row(r).filter(Row::runs) else { continue };
            let energy = self.d.energies.get(r).copied().unwrap_or(f32::NAN);
            let log_ratio = (row.energy - energy) / tau + self.log_proposal_ratio(r, &row, tau);
            // a ratio that is not a number is a refusal
            let refused = log_ratio.is_nan() || !energy.is_finite();
            let probability = if refused { 0.0 } else { exp(if log_ratio < 0.0 { log_ratio } else { 0.0 }) };
            let noise = stream(self.think.seed, Purpose::Acceptance, candidate, i);
            let accepted = probability > 0.0 && ln_unit(noise.word(position as u64)) <= log_ratio;
            if accepted {
                copy(row_mut(self.d.y, r, v), row_of(self.d.trial_y, r, v));
                copy(row_mut(self.d.g, r, v), row_of(self.d.trial_g, r, v));
                row.lse = softmax(row_of(self.d.y, r, v), row_mut(self.d.p, r, v));
                row.energy = energy;
            }
            row.adapt.count(accepted);
            if row.adapt.adapted < warm_up {
                row.alpha = row.adapt.adapt(probability, warm_up);
            }
            put(self.d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
    }
}
