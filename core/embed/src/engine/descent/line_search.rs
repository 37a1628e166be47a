//! Backtracking, row by row: the first trial of a step is what the step before left, grown where that held at once.
//!
//! A trial is accepted where `E' <= E - c alpha D`, with `D >= 0`: the energy never rises. The trials of all rows that
//! still search are evaluated together; the gradient of the next step is taken at the accepted trial without another
//! forward pass.

use super::descent_options::Noise;
use super::moves::Move;
use super::potential::Potential;
use super::row::{Row, WORDS};
use super::run::Run;
use crate::engine::math::softmax;
use crate::engine::slices::{copy, put, row_mut, row_of};

impl<P: Potential> Run<'_, '_, P> {
    /// One step by line search; `[decrease, shrink, grow]`.
    pub fn search(&mut self, i: usize, s: usize, factors: [f32; 3], most_halvings: u32) {
        let [decrease, shrink, grow] = factors;
        self.update(|_, row| row.searching = true);
        for trial in 0..=most_halvings {
            if self.select(|row| row.searching) == 0 {
                break;
            }
            self.propose();
            let count = self.select(|row| row.searching);
            self.energies(s, true, count);
            self.judge(i, decrease, shrink, if trial == 0 { grow } else { 1.0 });
        }
        self.give_up(i);
    }

    /// Trial states of the rows that search, and the dissipation of their moves.
    fn propose(&mut self) {
        let v = self.d.vocab;
        for (r, stored) in self.d.rows.as_chunks_mut::<WORDS>().0.iter_mut().take(self.n).enumerate() {
            let mut row = Row::load(stored);
            if !(row.runs() && row.searching) {
                continue;
            }
            let by = Move::new(self.dynamics, row.alpha, row.mean);
            let (y, p, g) = (row_of(self.d.y, r, v), row_of(self.d.p, r, v), row_of(self.d.g, r, v));
            let (trial_y, trial_p) = (row_mut(self.d.trial_y, r, v), row_mut(self.d.trial_p, r, v));
            copy(trial_y, y);
            by.advance(trial_y, p, g);
            softmax(trial_y, trial_p);
            row.dissipation = by.dissipation_to(p, trial_p, g);
            *stored = row.store();
        }
    }

    /// Accepts or shrinks the trial of every row that searches.
    fn judge(&mut self, i: usize, decrease: f32, shrink: f32, grow: f32) {
        let (v, capacity) = (self.d.vocab, self.d.capacity);
        for (r, stored) in self.d.rows.as_chunks_mut::<WORDS>().0.iter_mut().take(self.n).enumerate() {
            let mut row = Row::load(stored);
            if !(row.runs() && row.searching) {
                continue;
            }
            let energy = self.d.energies.get(r).copied().unwrap_or(f32::NAN);
            // an energy that is not a number is no decrease
            if energy <= row.energy - decrease * (row.alpha * row.dissipation) {
                copy(row_mut(self.d.y, r, v), row_of(self.d.trial_y, r, v));
                row.lse = softmax(row_of(self.d.y, r, v), row_mut(self.d.p, r, v));
                let at = r.saturating_mul(capacity).saturating_add(i);
                put(self.d.trajectories.sizes, at, row.alpha);
                put(self.d.trajectories.dissipations, at, row.dissipation);
                (row.energy, row.energy_known, row.gradient_known) = (energy, true, false);
                row.searching = false;
                row.alpha *= grow;
            } else {
                row.alpha *= shrink;
            }
            *stored = row.store();
        }
    }

    /// Rows that found no step keep their state; on the last landscape, without noise, they are done: left searching.
    fn give_up(&mut self, i: usize) {
        let done = self.on_last(i) && self.think.noise == Noise::None;
        let (capacity, alpha) = (self.d.capacity, self.first_alpha());
        for (r, stored) in self.d.rows.as_chunks_mut::<WORDS>().0.iter_mut().take(self.n).enumerate() {
            let mut row = Row::load(stored);
            if !(row.runs() && row.searching) {
                continue;
            }
            let at = r.saturating_mul(capacity).saturating_add(i);
            put(self.d.trajectories.sizes, at, 0.0);
            put(self.d.trajectories.dissipations, at, row.dissipation);
            row.searching = done;
            row.alpha = alpha;
            // the potential's last point is a refused trial
            (row.energy_known, row.gradient_known) = (false, false);
            *stored = row.store();
        }
    }
}
