//! The beginning of a run, and rounds of committing: descend, give the most confident cells their likeliest token, start
//! again.

use super::cells::likeliest;
use super::descent_options::Selection;
use super::dual_averaging::DualAveraging;
use super::dynamics::free;
use super::potential::Potential;
use super::row::{Row, WORDS};
use super::run::Run;
use super::start::initial;
use crate::engine::Error;
use crate::engine::math::softmax;
use crate::engine::slices::{put, row_mut};

impl<P: Potential> Run<'_, '_, P> {
    /// Puts row `r` at its initial state.
    fn start(&mut self, r: usize) {
        let (position, candidate) = self.place(r);
        let d = &mut *self.d;
        initial(self.dynamics, self.think, position, candidate, row_mut(d.y, r, d.cells.width()));
        for (at, logit) in d.cells.prior_of(self.prior, r, self.candidates) {
            d.y.get_mut(at).into_iter().for_each(|y| *y += logit);
        }
        for cell in d.cells.of_row(r) {
            let y = cell.of_mut(d.y);
            cell.close(y);
            put(d.lse, cell.at, softmax(y, cell.of_mut(d.p)));
        }
    }

    /// Tells the potential which cells are given, where rows have sets.
    fn tell_given(&mut self) {
        if self.d.cells.restricted() {
            self.potential.set_given(self.d.cells.given(self.n));
        }
    }

    /// Initial states, and their energies on the last landscape where the drop decides.
    pub fn begin(&mut self) -> Result<(), Error> {
        let alpha = self.first_alpha();
        self.tell_given();
        for r in 0..self.n {
            self.start(r);
            let row = Row { alpha, adapt: DualAveraging::new(alpha), ..Row::default() };
            put(self.d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
        if self.think.rounds() > 1 {
            // rows that stop early leave gaps, and there is one landscape
            self.d.trajectories.landscapes.iter_mut().for_each(|s| *s = 0);
        }
        if self.think.choose == Selection::Drop && self.candidates > 1 {
            let last = self.dynamics.landscape(self.steps.saturating_sub(1));
            let (tau, known) = (self.dynamics.tau, last == self.dynamics.landscape(0));
            let count = self.select(|_| true);
            self.energies(last, false, count);
            self.take_energies(0, |row, energy, entropy| {
                row.first = free(tau, energy, entropy);
                (row.energy, row.entropy, row.energy_known) = (energy, entropy, known);
            })?;
        }
        Ok(())
    }

    /// Between two rounds: gives cells of every row their likeliest token and starts the row again, with the step size it
    /// had. A row without unknown cells is done.
    pub fn commit(&mut self) {
        let left = self.think.rounds().saturating_add(1).saturating_sub(self.round);
        for r in 0..self.n {
            let Some(row) = self.d.row(r) else { continue };
            let unknown = self.d.cells.unknown(r).count();
            if unknown == 0 {
                continue;
            }
            self.fix(r, unknown.div_ceil(left.max(1)));
            self.start(r);
            let row = Row { stop: None, energy_known: false, gradient_known: false, ..row };
            put(self.d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
        self.tell_given();
    }

    /// Gives `count` unknown cells of row `r` their likeliest token: those where it has the largest probability, the first
    /// among equals.
    fn fix(&mut self, r: usize, count: usize) {
        let d = &mut *self.d;
        // the means of gradients are done with
        for cell in d.cells.unknown(r) {
            let p = cell.of(d.p);
            put(d.means, cell.at, p.get(likeliest(p)).copied().unwrap_or(0.0));
        }
        for _ in 0..count {
            let mut best = (None, f32::NEG_INFINITY);
            for cell in d.cells.unknown(r) {
                let confidence = d.means.get(cell.at).copied().unwrap_or(0.0);
                if confidence > best.1 {
                    best = (Some((cell.at, likeliest(cell.of(d.p)))), confidence);
                }
            }
            let Some((at, token)) = best.0 else { return };
            d.cells.give(at, token);
        }
    }
}
