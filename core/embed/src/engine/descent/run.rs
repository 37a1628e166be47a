//! The loop: phases of a step over all rows, so that a potential sees many rows at once.
//!
//! noise, energy, gradient, curvature, move, energy afterwards. An evaluation is never repeated: the energy after a
//! step is the energy before the next one where landscape and state are the same.

use super::certificate::Stop;
use super::descent_options::{DescentOptions, Noise, Selection, StepSize};
use super::dual_averaging::DualAveraging;
use super::dynamics::Dynamics;
use super::moves::Move;
use super::outcome::{Outcome, StepReport};
use super::potential::Potential;
use super::row::{Row, WORDS};
use super::start::{first, initial, stream};
use super::state::{Descent, Finished};
use crate::engine::Error;
use crate::engine::math::{add_normal, dot, softmax, sqrt};
use crate::engine::slices::{front, put, row_mut, row_of};
use core::ops::ControlFlow;
use ebt_core::random::Purpose;

/// A run in progress.
pub(super) struct Run<'r, 'a, P> {
    pub d: &'r mut Descent<'a>,
    pub potential: &'r mut P,
    pub think: &'r DescentOptions,
    pub dynamics: &'r Dynamics,
    /// Rows: position `r / candidates`, candidate `r % candidates`.
    pub n: usize,
    pub candidates: usize,
    pub steps: usize,
    pub outcome: Outcome,
}

impl Descent<'_> {
    /// Descends from the initial states of `positions` (times [`DescentOptions::candidates`] rows each, row `index * candidates +
    /// candidate`); `potential` must have exactly these rows. Results are read by [`Self::logits`] and
    /// [`Self::certificate`].
    ///
    /// # Errors
    ///
    /// Settings out of their range or beyond the memory, [`Error::Shape`], [`Error::NotFinite`], and
    /// [`Error::Cancelled`] by `on_step`; after any of them there are no results, and the next run is a fresh one.
    pub fn run<P: Potential>(
        &mut self,
        potential: &mut P,
        think: &DescentOptions,
        dynamics: &Dynamics,
        positions: impl ExactSizeIterator<Item = usize> + Clone,
        on_step: &mut dyn FnMut(&StepReport<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, Error> {
        self.finished = None;
        think.validate()?;
        dynamics.validate()?;
        let steps = if think.steps == 0 { dynamics.steps } else { think.steps };
        self.fits(think, steps)?;
        let n = positions.len().saturating_mul(think.candidates);
        if n == 0 || n > self.most_rows {
            let requirement = "positions times candidates must lie between 1 and the session's rows";
            return Err(Error::Option { field: "candidates", requirement });
        }
        if potential.rows() != n {
            return Err(Error::Shape { what: "rows of the potential", expected: n, given: potential.rows() });
        }
        if potential.vocab() != self.vocab || self.vocab == 0 {
            let (expected, given) = (self.vocab.max(1), potential.vocab());
            return Err(Error::Shape { what: "vocabulary of the potential", expected, given });
        }
        for (slot, position) in self.positions.iter_mut().zip(positions.clone()) {
            *slot = u32::try_from(position).map_err(|_| Error::Size { what: "a position" })?;
        }
        let candidates = think.candidates;
        let outcome = Outcome::default();
        let mut run = Run { d: self, potential, think, dynamics, n, candidates, steps, outcome };
        run.begin()?;
        for i in 0..steps {
            if !run.step(i, on_step)? {
                break;
            }
        }
        run.choose();
        let outcome = run.outcome;
        self.finished = Some(Finished {
            positions: positions.len(),
            candidates,
            sufficient: think.sufficient(),
            after: think.evaluates_after(),
            measured: think.products() > 0,
        });
        Ok(outcome)
    }
}

impl<P: Potential> Run<'_, '_, P> {
    /// Position and candidate of row `r`.
    pub fn place(&self, r: usize) -> (usize, usize) {
        let index = r.checked_div(self.candidates).unwrap_or(0);
        let candidate = r.checked_rem(self.candidates).unwrap_or(0);
        (self.d.positions.get(index).map_or(0, |p| *p as usize), candidate)
    }

    /// Changes what is known of every row that runs.
    pub fn update(&mut self, mut change: impl FnMut(usize, &mut Row)) {
        for (r, stored) in self.d.rows.as_chunks_mut::<WORDS>().0.iter_mut().take(self.n).enumerate() {
            let mut row = Row::load(stored);
            if row.runs() {
                change(r, &mut row);
                *stored = row.store();
            }
        }
    }

    /// Makes the rows that run and meet `which` active; their number.
    pub fn select(&mut self, which: impl Fn(&Row) -> bool) -> u64 {
        let mut count = 0u64;
        let rows = self.d.rows.as_chunks::<WORDS>().0.iter().take(self.n);
        for (active, stored) in self.d.mask.iter_mut().zip(rows) {
            let row = Row::load(stored);
            *active = row.runs() && which(&row);
            count = count.saturating_add(u64::from(*active));
        }
        count
    }

    /// Energies of the active rows at their states, or at their trial states, into `d.energies`.
    pub fn energies(&mut self, landscape: usize, trial: bool, count: u64) {
        if count > 0 {
            let d = &mut *self.d;
            let values = self.n.saturating_mul(d.vocab);
            let p = if trial { &*d.trial_p } else { &*d.p }.get(..values).unwrap_or_default();
            self.potential.energy(landscape, p, front(d.mask, self.n), front(d.energies, self.n));
            self.outcome.energies = self.outcome.energies.saturating_add(count);
        }
    }

    /// Gradients of the active rows, into `G` or that of the trial states.
    pub fn gradients(&mut self, trial: bool, count: u64) {
        if count > 0 {
            let d = &mut *self.d;
            let values = self.n.saturating_mul(d.vocab);
            let g = front(if trial { &mut *d.trial_g } else { &mut *d.g }, values);
            self.potential.gradient(front(d.mask, self.n), g);
            self.outcome.gradients = self.outcome.gradients.saturating_add(count);
        }
    }

    /// Step size of the first step, or its first trial.
    pub fn first_alpha(&self) -> f32 {
        match self.think.step_size {
            StepSize::Fixed(x) => x,
            StepSize::Armijo { start, .. } if start > 0.0 => start,
            _ => self.dynamics.alpha,
        }
    }

    /// Initial states, and their energies on the last landscape where the drop decides.
    fn begin(&mut self) -> Result<(), Error> {
        let v = self.d.vocab;
        let alpha = self.first_alpha();
        for r in 0..self.n {
            let (position, candidate) = self.place(r);
            let (y, p) = (row_mut(self.d.y, r, v), row_mut(self.d.p, r, v));
            initial(self.dynamics, self.think.seed, position, candidate, y);
            let lse = softmax(y, p);
            let row = Row { alpha, lse, adapt: DualAveraging::new(alpha), ..Row::default() };
            put(self.d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
        if self.think.choose == Selection::Drop && self.candidates > 1 {
            let last = self.dynamics.landscape(self.steps.saturating_sub(1));
            let count = self.select(|_| true);
            self.energies(last, false, count);
            self.take_energies(0, |row, energy| (row.first, row.energy) = (energy, energy))?;
            let known = last == self.dynamics.landscape(0);
            self.update(|_, row| row.energy_known = known);
        }
        Ok(())
    }

    /// Hands the energies of the active rows to them.
    fn take_energies(&mut self, step: usize, take: impl Fn(&mut Row, f32)) -> Result<(), Error> {
        for r in 0..self.n {
            let (Some(true), Some(energy)) = (self.d.mask.get(r).copied(), self.d.energies.get(r).copied()) else {
                continue;
            };
            if !energy.is_finite() {
                return Err(Error::NotFinite { what: "the energy", position: self.place(r).0, step });
            }
            if let Some(stored) = self.d.rows.as_chunks_mut::<WORDS>().0.get_mut(r) {
                let mut row = Row::load(stored);
                take(&mut row, energy);
                *stored = row.store();
            }
        }
        Ok(())
    }

    /// One step of every row that runs; false when none does.
    fn step(&mut self, i: usize, on_step: &mut dyn FnMut(&StepReport<'_>) -> ControlFlow<()>) -> Result<bool, Error> {
        if self.select(|_| true) == 0 {
            return Ok(false);
        }
        let s = self.dynamics.landscape(i);
        put(self.d.trajectories.landscapes, i, s as u32);
        if i > 0 && s != self.dynamics.landscape(i.saturating_sub(1)) {
            self.update(|_, row| (row.energy_known, row.gradient_known) = (false, false));
        }
        self.add_noise(i);
        self.evaluate(i, s)?;
        match (self.think.noise, self.think.step_size) {
            (Noise::Metropolis { tau, warm_up }, _) if self.on_last(i) => self.transition(i, s, tau, warm_up),
            (_, StepSize::Armijo { decrease, shrink, grow, most_halvings, .. }) => {
                self.measure(i)?;
                self.search(i, s, [decrease, shrink, grow], most_halvings);
            }
            _ => {
                self.measure(i)?;
                self.walk(i, s)?;
            }
        }
        self.finish(i, s, on_step)?;
        Ok(true)
    }

    /// Whether step `i` is on the last landscape.
    pub fn on_last(&self, i: usize) -> bool {
        i.saturating_add(1) >= self.dynamics.landscapes
    }

    /// Langevin noise before the energy.
    fn add_noise(&mut self, i: usize) {
        let v = self.d.vocab;
        for r in 0..self.n {
            let (position, candidate) = self.place(r);
            let Some(stored) = self.d.rows.as_chunks_mut::<WORDS>().0.get_mut(r) else { continue };
            let mut row = Row::load(stored);
            let sigma = match self.think.noise {
                Noise::Langevin { sigma } => sigma,
                Noise::Temperature { tau } => sqrt(2.0 * row.alpha * tau),
                Noise::None | Noise::Metropolis { .. } => return,
            };
            if row.runs() && sigma > 0.0 {
                let (y, p) = (row_mut(self.d.y, r, v), row_mut(self.d.p, r, v));
                let noise = stream(self.think.seed, Purpose::Langevin, candidate, i);
                add_normal(&noise, first(position, v), sigma, y);
                row.lse = softmax(y, p);
                (row.energy_known, row.gradient_known) = (false, false);
                *stored = row.store();
            }
        }
    }

    /// Energy and gradient of every row at its state, where they are not known.
    fn evaluate(&mut self, i: usize, s: usize) -> Result<(), Error> {
        let count = self.select(|row| !row.energy_known);
        self.energies(s, false, count);
        self.take_energies(i, |row, energy| (row.energy, row.energy_known) = (energy, true))?;
        let count = self.select(|row| !row.gradient_known);
        self.gradients(false, count);
        let (v, capacity) = (self.d.vocab, self.d.capacity);
        for r in 0..self.n {
            let position = self.place(r).0;
            let Some(stored) = self.d.rows.as_chunks_mut::<WORDS>().0.get_mut(r) else { continue };
            let mut row = Row::load(stored);
            if row.runs() {
                row.mean = dot(row_of(self.d.p, r, v), row_of(self.d.g, r, v));
                row.gradient_known = true;
                if !row.mean.is_finite() {
                    return Err(Error::NotFinite { what: "the gradient", position, step: i });
                }
                put(self.d.trajectories.energies, r.saturating_mul(capacity).saturating_add(i), row.energy);
                *stored = row.store();
            }
        }
        Ok(())
    }

    /// Moves by the step size of every row, whatever the energy does.
    fn walk(&mut self, i: usize, s: usize) -> Result<(), Error> {
        let (v, capacity) = (self.d.vocab, self.d.capacity);
        for r in 0..self.n {
            let Some(stored) = self.d.rows.as_chunks_mut::<WORDS>().0.get_mut(r) else { continue };
            let mut row = Row::load(stored);
            if !row.runs() {
                continue;
            }
            let (y, p) = (row_mut(self.d.y, r, v), row_mut(self.d.p, r, v));
            let by = Move::new(self.dynamics, row.alpha, row.mean);
            (row.dissipation, row.lse) = by.make(y, p, row_of(self.d.g, r, v));
            (row.energy_known, row.gradient_known) = (false, false);
            let at = r.saturating_mul(capacity).saturating_add(i);
            put(self.d.trajectories.sizes, at, row.alpha);
            put(self.d.trajectories.dissipations, at, row.dissipation);
            *stored = row.store();
        }
        let last = i.saturating_add(1) == self.steps;
        if self.think.evaluates_after() || (last && self.candidates > 1) {
            let count = self.select(|_| true);
            self.energies(s, false, count);
            self.take_energies(i, |row, energy| (row.energy, row.energy_known) = (energy, true))?;
        }
        Ok(())
    }

    /// Records the energy afterwards, stops rows and reports them.
    fn finish(
        &mut self,
        i: usize,
        s: usize,
        on_step: &mut dyn FnMut(&StepReport<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (v, after) = (self.d.vocab, self.think.evaluates_after());
        let tolerance = self.think.tolerance;
        for r in 0..self.n {
            let (position, candidate) = self.place(r);
            let at = r.saturating_mul(self.d.capacity).saturating_add(i);
            let Some(stored) = self.d.rows.as_chunks_mut::<WORDS>().0.get_mut(r) else { continue };
            let mut row = Row::load(stored);
            if !row.runs() {
                continue;
            }
            // a line search on the last landscape that found nothing would find nothing again
            let stationary = row.searching;
            row.searching = false;
            let t = &mut self.d.trajectories;
            let of = |column: &[f32]| column.get(at).copied().unwrap_or(0.0);
            let (energy, size, dissipation) = (of(t.energies), of(t.sizes), of(t.dissipations));
            if after {
                put(t.after, at, row.energy);
                put(t.decreased, at, row.energy <= energy - self.think.sufficient() * (size * dissipation));
            }
            row.steps = row.steps.saturating_add(1);
            let may_stop = i.saturating_add(1) >= self.dynamics.landscapes.max(tolerance.min_steps);
            let still = tolerance.energy > 0.0 && (row.energy - energy).abs() <= tolerance.energy;
            let flat = tolerance.dissipation > 0.0 && dissipation <= tolerance.dissipation;
            let done = i.saturating_add(1) == self.steps;
            row.stop = match row.stop {
                None if stationary => Some(Stop::Stationary),
                None if may_stop && still => Some(Stop::Energy),
                None if may_stop && flat => Some(Stop::Dissipation),
                None if done => Some(Stop::Steps),
                stop => stop,
            };
            *stored = row.store();
            self.outcome.steps = self.outcome.steps.max(i.saturating_add(1));
            let report = StepReport {
                index: r.checked_div(self.candidates).unwrap_or(0),
                position,
                candidate,
                step: i,
                landscape: s,
                energy,
                energy_after: after.then_some(row.energy),
                step_size: size,
                dissipation,
                logits: row_of(self.d.y, r, v),
                probabilities: row_of(self.d.p, r, v),
                log_sum_exp: row.lse,
            };
            if on_step(&report) == ControlFlow::Break(()) {
                return Err(Error::Cancelled);
            }
        }
        Ok(())
    }

    /// Keeps one candidate of every position: the first of the best.
    fn choose(&mut self) {
        for (r, stored) in self.d.rows.as_chunks::<WORDS>().0.iter().take(self.n).enumerate() {
            put(self.d.energies, r, Row::load(stored).energy);
        }
        let groups = self.d.rows.as_chunks::<WORDS>().0.chunks(self.candidates.max(1));
        for (slot, group) in self.d.chosen.iter_mut().zip(groups) {
            let mut best = (0, f32::INFINITY);
            for (candidate, stored) in group.iter().enumerate() {
                let row = Row::load(stored);
                let score = match self.think.choose {
                    Selection::Energy => row.energy,
                    Selection::Drop => row.energy - row.first,
                };
                if score < best.1 {
                    best = (candidate as u32, score);
                }
            }
            *slot = best.0;
        }
    }
}
