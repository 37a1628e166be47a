//! Metropolis-adjusted Langevin steps (Roberts and Tweedie, Bernoulli 2, 1996).
//!
//! The target density lives on logits: `pi(Y) ~ exp(-F(softmax(Y)) / tau)`, at the temperature `tau` of the noise; it does not depend on the common shift of all logits, and is a distribution of `P` where `exp(-F / tau)` is
//! integrable over logits modulo that shift. A proposal is `Y' = m(Y) + sigma xi`, `sigma^2 = 2 alpha tau`, with
//! `m(Y)` the move of the model's update rule (`mirror` along `G - mean(G)`, cell by cell, `G` being the gradient of `F`),
//! accepted with probability
//!
//! ```text
//! min(1, exp(-(F' - F) / tau + (|Y' - m(Y)|^2 - |Y - m(Y')|^2) / (2 sigma^2)))
//! ```
//!
//! That leaves `pi` invariant for every rule, as `m` is a function of the state alone. Only for `logit` is `m` the
//! Langevin drift `Y - alpha grad_Y F`, the exact pairing; `mirror` proposes along another descent direction, and
//! `probability` jumps to the neighbourhood of `P - alpha G` rather than of `Y`: its acceptance does not tend to 1 as
//! `alpha` falls, the adaptation may not reach its target, and as its proposals do not follow the common shift, which the
//! target leaves free, it has no stationary distribution.

use super::cells::Cell;
use super::dynamics::free;
use super::moves::{Move, dissipation};
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
        let number = self.number(i);
        for r in 0..self.n {
            let (position, candidate) = self.place(r);
            let Some(mut row) = self.d.row(r).filter(Row::runs) else { continue };
            let at = self.column(r, &row);
            let d = &mut *self.d;
            let noise = stream(self.think.seed, Purpose::Langevin, candidate, number);
            let start = first(position, d.cells.width());
            let mut shares = 0.0;
            for cell in d.cells.of_row(r) {
                let (y, p, g) = (cell.of(d.y), cell.of(d.p), cell.of(d.g));
                let (trial_y, trial_p) = (cell.of_mut(d.trial_y), cell.of_mut(d.trial_p));
                if cell.given {
                    copy(trial_y, y);
                    copy(trial_p, p);
                    continue;
                }
                let mean = d.means.get(cell.at).copied().unwrap_or(0.0);
                let by = Move::new(self.dynamics, row.alpha, mean).proposal(cell, g);
                fill_normal(&noise, start.wrapping_add(cell.offset()), sqrt(2.0 * row.alpha * tau), trial_y);
                for (((x, &y), &p), &g) in trial_y.iter_mut().zip(y).zip(p).zip(g) {
                    *x += by.next(y, p, g);
                }
                cell.restrict(trial_y, f32::NEG_INFINITY);
                softmax(trial_y, trial_p);
                shares += by.share_to(p, trial_p, g);
            }
            row.dissipation = dissipation(self.dynamics.update, row.alpha, shares);
            put(d.trajectories.sizes, at, row.alpha);
            put(d.trajectories.dissipations, at, row.dissipation);
            put(d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
    }

    /// `(|Y' - m(Y)|^2 - |Y - m(Y')|^2) / (2 sigma^2)` as a sum of `(a - b) (a + b)`, which cancels less.
    fn log_proposal_ratio(&self, r: usize, row: &Row, tau: f32) -> f32 {
        let sum = self.d.cells.unknown(r).fold(0.0, |sum, cell| sum + self.proposal_terms(cell, row.alpha));
        sum / (4.0 * row.alpha * tau)
    }

    /// A cell's share of the numerator.
    fn proposal_terms(&self, cell: Cell<'_>, alpha: f32) -> f32 {
        let d = &*self.d;
        let (y, p, g) = (cell.of(d.y), cell.of(d.p), cell.of(d.g));
        let (y2, p2, g2) = (cell.of(d.trial_y), cell.of(d.trial_p), cell.of(d.trial_g));
        let mean = d.means.get(cell.at).copied().unwrap_or(0.0);
        let there = Move::new(self.dynamics, alpha, mean).proposal(cell, g);
        let back = Move::new(self.dynamics, alpha, dot(p2, g2)).proposal(cell, g2);
        let states = y.iter().zip(p).zip(g).zip(y2.iter().zip(p2).zip(g2)).enumerate();
        sum_of(states.map(|(token, (((&y, &p), &g), ((&y2, &p2), &g2)))| {
            if !cell.allows(token) {
                return 0.0;
            }
            let a = y2 - there.next(y, p, g);
            let b = y - back.next(y2, p2, g2);
            (a - b) * (a + b)
        }))
    }

    /// Accepts or refuses every proposal, and adapts the step sizes.
    fn test(&mut self, i: usize, tau: f32, warm_up: u32) {
        let (width, number, entropic) = (self.d.width(), self.number(i), self.dynamics.tau);
        for r in 0..self.n {
            let (position, candidate) = self.place(r);
            let Some(mut row) = self.d.row(r).filter(Row::runs) else { continue };
            let (energy, entropy) = (self.d.energies.get(r).copied().unwrap_or(f32::NAN), self.entropy(r, true));
            let fall = free(entropic, row.energy, row.entropy) - free(entropic, energy, entropy);
            let log_ratio = fall / tau + self.log_proposal_ratio(r, &row, tau);
            // a ratio that is not a number is a refusal
            let refused = log_ratio.is_nan() || !energy.is_finite();
            let probability = if refused { 0.0 } else { exp(if log_ratio < 0.0 { log_ratio } else { 0.0 }) };
            let noise = stream(self.think.seed, Purpose::Acceptance, candidate, number);
            let accepted = probability > 0.0 && ln_unit(noise.word(position as u64)) <= log_ratio;
            if accepted {
                let d = &mut *self.d;
                copy(row_mut(d.y, r, width), row_of(d.trial_y, r, width));
                copy(row_mut(d.g, r, width), row_of(d.trial_g, r, width));
                for cell in d.cells.unknown(r) {
                    put(d.lse, cell.at, softmax(cell.of(d.y), cell.of_mut(d.p)));
                }
                (row.energy, row.entropy) = (energy, entropy);
            }
            row.adapt.count(accepted);
            if row.adapt.adapted < warm_up {
                row.alpha = row.adapt.adapt(probability, warm_up);
            }
            put(self.d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
    }
}
