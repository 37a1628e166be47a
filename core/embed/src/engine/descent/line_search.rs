//! Backtracking, row by row: the first trial of a step is what the step before left, grown where that held at once.
//!
//! A trial is accepted where `F' <= F - c alpha D`, with `D >= 0`: the energy `F` never rises. The trials of all rows that
//! still search are evaluated together; the gradient of the next step is taken at the accepted trial without another
//! forward pass.

use super::descent_options::Noise;
use super::dynamics::free;
use super::moves::{Move, dissipation};
use super::potential::Potential;
use super::row::WORDS;
use super::run::Run;
use crate::engine::math::softmax;
use crate::engine::slices::{copy, put};

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
            self.judge(decrease, shrink, if trial == 0 { grow } else { 1.0 });
        }
        self.give_up(i);
    }

    /// Trial states of the rows that search, and the dissipation of their moves.
    fn propose(&mut self) {
        for r in 0..self.n {
            let Some(mut row) = self.d.row(r).filter(|row| row.runs() && row.searching) else { continue };
            let d = &mut *self.d;
            let mut shares = 0.0;
            for cell in d.cells.of_row(r) {
                let (y, p, g) = (cell.of(d.y), cell.of(d.p), cell.of(d.g));
                let (trial_y, trial_p) = (cell.of_mut(d.trial_y), cell.of_mut(d.trial_p));
                copy(trial_y, y);
                if cell.given {
                    copy(trial_p, p);
                    continue;
                }
                let by = Move::new(self.dynamics, row.alpha, d.means.get(cell.at).copied().unwrap_or(0.0));
                by.advance(cell, trial_y, p, g);
                softmax(trial_y, trial_p);
                shares += by.share_to(p, trial_p, g);
            }
            row.dissipation = dissipation(self.dynamics.update, row.alpha, shares);
            put(d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
    }

    /// Accepts or shrinks the trial of every row that searches.
    fn judge(&mut self, decrease: f32, shrink: f32, grow: f32) {
        let tau = self.dynamics.tau;
        for r in 0..self.n {
            let Some(mut row) = self.d.row(r).filter(|row| row.runs() && row.searching) else { continue };
            let at = self.column(r, &row);
            let (energy, entropy) = (self.d.energies.get(r).copied().unwrap_or(f32::NAN), self.entropy(r, true));
            let before = free(tau, row.energy, row.entropy);
            // an energy that is not a number is no decrease
            if free(tau, energy, entropy) <= before - decrease * (row.alpha * row.dissipation) {
                let d = &mut *self.d;
                for cell in d.cells.unknown(r) {
                    copy(cell.of_mut(d.y), cell.of(d.trial_y));
                    put(d.lse, cell.at, softmax(cell.of(d.y), cell.of_mut(d.p)));
                }
                put(d.trajectories.sizes, at, row.alpha);
                put(d.trajectories.dissipations, at, row.dissipation);
                (row.energy, row.entropy, row.energy_known, row.gradient_known) = (energy, entropy, true, false);
                row.searching = false;
                row.alpha *= grow;
            } else {
                row.alpha *= shrink;
            }
            put(self.d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
    }

    /// Rows that found no step keep their state; on the last landscape, without noise, they are done: left searching.
    fn give_up(&mut self, i: usize) {
        let done = self.on_last(i) && self.think.noise == Noise::None;
        let alpha = self.first_alpha();
        for r in 0..self.n {
            let Some(mut row) = self.d.row(r).filter(|row| row.runs() && row.searching) else { continue };
            let at = self.column(r, &row);
            put(self.d.trajectories.sizes, at, 0.0);
            put(self.d.trajectories.dissipations, at, row.dissipation);
            row.searching = done;
            row.alpha = alpha;
            // the potential's last point is a refused trial
            (row.energy_known, row.gradient_known) = (false, false);
            put(self.d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
    }
}
