//! Energies and gradients of the rows of a run, and what entropy and sets of tokens add to them.

use super::dynamics::free;
use super::potential::Potential;
use super::row::{Row, WORDS};
use super::run::Run;
use crate::engine::Error;
use crate::engine::math::{dot, entropy, sum2};
use crate::engine::slices::{front, put};

impl<P: Potential> Run<'_, '_, P> {
    /// Energies of the active rows at their states, or at their trial states, into `d.energies`.
    pub fn energies(&mut self, landscape: usize, trial: bool, count: u64) {
        if count > 0 {
            let d = &mut *self.d;
            let values = self.n.saturating_mul(d.width());
            let p = if trial { &*d.trial_p } else { &*d.p }.get(..values).unwrap_or_default();
            self.potential.energy(landscape, p, front(d.mask, self.n), front(d.energies, self.n));
            self.outcome.energies = self.outcome.energies.saturating_add(count);
        }
    }

    /// `-sum P (ln P - l)` of the unknown cells of row `r` with the prior `l`, at its state or its trial state.
    fn relative_entropy(&self, r: usize, trial: bool) -> f32 {
        let d = &*self.d;
        let p = if trial { &*d.trial_p } else { &*d.p };
        let own = d.cells.unknown(r).fold(0.0, |sum, cell| sum + entropy(cell.of(p)));
        let prior = d.cells.prior_of(self.prior, r, self.candidates).filter(|(at, _)| !d.cells.is_given(*at));
        prior.fold(own, |sum, (at, logit)| sum + p.get(at).copied().unwrap_or(0.0) * logit)
    }

    /// Entropy of row `r` where `F` depends on it, else 0.
    pub fn entropy(&self, r: usize, trial: bool) -> f32 {
        if self.dynamics.tau > 0.0 { self.relative_entropy(r, trial) } else { 0.0 }
    }

    /// Hands the energies of the active rows to them, with the entropies of their states.
    pub fn take_energies(&mut self, step: usize, take: impl Fn(&mut Row, f32, f32)) -> Result<(), Error> {
        for r in 0..self.n {
            let (Some(true), Some(energy)) = (self.d.mask.get(r).copied(), self.d.energies.get(r).copied()) else {
                continue;
            };
            if !energy.is_finite() {
                let step = self.number(step);
                return Err(Error::NotFinite { what: "the energy", position: self.place(r).0, step });
            }
            let entropy = self.entropy(r, false);
            if let Some(stored) = self.d.rows.as_chunks_mut::<WORDS>().0.get_mut(r) {
                let mut row = Row::load(stored);
                take(&mut row, energy, entropy);
                *stored = row.store();
            }
        }
        Ok(())
    }

    /// Gradients of the active rows, into `G` or that of the trial states.
    pub fn gradients(&mut self, trial: bool, count: u64) {
        if count > 0 {
            let d = &mut *self.d;
            let values = self.n.saturating_mul(d.width());
            let g = front(if trial { &mut *d.trial_g } else { &mut *d.g }, values);
            self.potential.gradient(front(d.mask, self.n), g);
            self.outcome.gradients = self.outcome.gradients.saturating_add(count);
            self.complete(trial);
        }
    }

    /// Makes the gradients of `E` of the active rows those of `F` up to a constant a cell, in unknown cells: adds `tau (Y - l)`,
    /// and is 0 at tokens that are not allowed.
    fn complete(&mut self, trial: bool) {
        let (d, tau) = (&mut *self.d, self.dynamics.tau);
        if tau == 0.0 && !d.cells.restricted() {
            return;
        }
        let (y, g) = if trial { (&*d.trial_y, &mut *d.trial_g) } else { (&*d.y, &mut *d.g) };
        for r in (0..self.n).filter(|r| d.mask.get(*r) == Some(&true)) {
            for (at, logit) in d.cells.prior_of(self.prior, r, self.candidates).filter(|_| tau > 0.0) {
                g.get_mut(at).into_iter().for_each(|g| *g -= tau * logit);
            }
            for cell in d.cells.unknown(r) {
                let g = cell.of_mut(g);
                if tau > 0.0 {
                    g.iter_mut().zip(cell.of(y)).for_each(|(g, &y)| *g += tau * y);
                }
                cell.restrict(g, 0.0);
            }
        }
    }

    /// `<P, G>` of every cell of row `r`.
    fn take_means(&mut self, r: usize, step: usize) -> Result<(), Error> {
        let (position, step) = (self.place(r).0, self.number(step));
        let d = &mut *self.d;
        for cell in d.cells.unknown(r) {
            let mean = dot(cell.of(d.p), cell.of(d.g));
            if !mean.is_finite() {
                return Err(Error::NotFinite { what: "the gradient", position, step });
            }
            put(d.means, cell.at, mean);
        }
        Ok(())
    }

    /// Energy and gradient of every row at its state, where they are not known.
    pub fn evaluate(&mut self, i: usize, s: usize) -> Result<(), Error> {
        let count = self.select(|row| !row.energy_known);
        self.energies(s, false, count);
        self.take_energies(i, |row, energy, entropy| {
            (row.energy, row.entropy, row.energy_known) = (energy, entropy, true);
        })?;
        let count = self.select(|row| !row.gradient_known);
        self.gradients(false, count);
        for r in 0..self.n {
            let Some(mut row) = self.d.row(r).filter(Row::runs) else { continue };
            self.take_means(r, i)?;
            row.gradient_known = true;
            let at = self.column(r, &row);
            put(self.d.trajectories.energies, at, free(self.dynamics.tau, row.energy, row.entropy));
            put(self.d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
        Ok(())
    }

    /// Energy, entropy and residual of every row's final state, where they are asked for.
    pub fn assess(&mut self) -> Result<(), Error> {
        if !self.think.assesses() {
            return Ok(());
        }
        // all rows end on the landscape of the last step, as none stops before it is the last one
        let s = self.dynamics.landscape(self.steps.saturating_sub(1));
        let count = self.select_all(|row| !row.energy_known);
        self.energies(s, false, count);
        self.take_energies(self.steps, |row, energy, _| (row.energy, row.energy_known) = (energy, true))?;
        let count = self.select_all(|row| !row.gradient_known);
        self.gradients(false, count);
        for r in 0..self.n {
            let Some(mut row) = self.d.row(r) else { continue };
            self.take_means(r, self.steps)?;
            row.entropy = self.relative_entropy(r, false);
            let d = &mut *self.d;
            row.dissipation = 0.0;
            for cell in d.cells.unknown(r) {
                let m = d.means.get(cell.at).copied().unwrap_or(0.0);
                row.dissipation += sum2(cell.of(d.p), cell.of(d.g), |p, g| p * (g - m) * (g - m));
            }
            row.gradient_known = true;
            put(d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
        Ok(())
    }
}
