//! The loop: phases of a step over all rows, so that a potential sees many rows at once.
//!
//! noise, energy, gradient, curvature, move, energy afterwards. An evaluation is never repeated: the energy after a
//! step is the energy before the next one where landscape and state are the same.

use super::cells::{Known, Prior};
use super::certificate::Stop;
use super::descent_options::{DescentOptions, Noise, StepSize};
use super::dynamics::{Dynamics, free};
use super::moves::{Move, dissipation};
use super::outcome::{Outcome, StepReport};
use super::potential::Potential;
use super::row::{Row, WORDS};
use super::start::{first, stream};
use super::state::{Descent, Finished};
use crate::engine::Error;
use crate::engine::math::{add_normal, softmax, sqrt};
use crate::engine::slices::{put, row_of};
use core::ops::ControlFlow;
use ebt_core::random::Purpose;

/// A run in progress.
pub(super) struct Run<'r, 'a, P> {
    pub d: &'r mut Descent<'a>,
    pub potential: &'r mut P,
    pub think: &'r DescentOptions,
    pub dynamics: &'r Dynamics,
    /// What is held likely of the cells of all problems.
    pub prior: Prior<'r>,
    /// Rows: position `r / candidates`, candidate `r % candidates`.
    pub n: usize,
    pub candidates: usize,
    /// Steps of a round.
    pub steps: usize,
    /// Round of committing, from 0.
    pub round: usize,
    pub outcome: Outcome,
}

impl Descent<'_> {
    /// Descends from the initial states of `positions` (times [`DescentOptions::candidates`] rows each, row `index * candidates +
    /// candidate`), every token being allowed; `potential` must have exactly these rows. Results are read by
    /// [`Self::logits`] and [`Self::certificate`].
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
        self.solve(potential, think, dynamics, positions, Known::default(), on_step)
    }

    /// As [`Self::run`], of problems of which something is known. A problem's number keys its noise, as a position does.
    ///
    /// A cell with one allowed token is given. Cells that are no part of the problem, such as padding, are given any token:
    /// the descent leaves them alone.
    ///
    /// # Errors
    ///
    /// As [`Self::run`]; sets without a token, or where [`Self::alloc_joint`] made no room for them; a prior of other cells or tokens, or
    /// that is not finite.
    pub fn solve<P: Potential>(
        &mut self,
        potential: &mut P,
        think: &DescentOptions,
        dynamics: &Dynamics,
        problems: impl ExactSizeIterator<Item = usize> + Clone,
        known: Known<'_>,
        on_step: &mut dyn FnMut(&StepReport<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome, Error> {
        self.finished = None;
        think.validate()?;
        dynamics.validate()?;
        let steps = if think.steps == 0 { dynamics.steps } else { think.steps };
        self.fits(think, steps)?;
        if think.rounds() > 1 && dynamics.landscapes > 1 {
            let requirement = "rounds of committing need dynamics of one landscape";
            return Err(Error::Option { field: "commits", requirement });
        }
        let n = problems.len().saturating_mul(think.candidates);
        if n == 0 || n > self.most_rows {
            let requirement = "positions times candidates must lie between 1 and the session's rows";
            return Err(Error::Option { field: "candidates", requirement });
        }
        let (cells, vocab) = (self.cells.count, self.cells.vocab);
        for (what, expected, given) in [
            ("rows of the potential", n, potential.rows()),
            ("vocabulary of the potential", vocab.max(1), potential.vocab()),
            ("cells of the potential", cells, potential.cells()),
        ] {
            if expected != given {
                return Err(Error::Shape { what, expected, given });
            }
        }
        for (slot, problem) in self.positions.iter_mut().zip(problems.clone()) {
            *slot = u32::try_from(problem).map_err(|_| Error::Size { what: "a position" })?;
        }
        let candidates = think.candidates;
        known.check(problems.len().saturating_mul(cells), vocab)?;
        self.cells.load(known.allowed, problems.len(), candidates)?;
        let (prior, outcome) = (known.prior, Outcome::default());
        let mut run = Run { d: self, potential, think, dynamics, prior, n, candidates, steps, round: 0, outcome };
        run.begin()?;
        for round in 0..think.rounds() {
            run.round = round;
            if round > 0 {
                run.commit();
            }
            for i in 0..steps {
                if !run.step(i, on_step)? {
                    break;
                }
            }
        }
        run.assess()?;
        run.choose();
        let outcome = run.outcome;
        self.finished = Some(Finished {
            positions: problems.len(),
            candidates,
            sufficient: think.sufficient(),
            after: think.evaluates_after(),
            measured: think.products() > 0,
            assessed: think.assesses().then_some(dynamics.tau),
            rounds: think.rounds(),
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

    /// Number of step `i` of the round among all steps, which keys its noise.
    pub fn number(&self, i: usize) -> usize {
        self.round.saturating_mul(self.steps).saturating_add(i)
    }

    /// Where what row `r` does next is recorded in the trajectories.
    pub fn column(&self, r: usize, row: &Row) -> usize {
        r.saturating_mul(self.d.capacity).saturating_add(row.steps as usize)
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
        self.select_all(|row| row.runs() && which(row))
    }

    /// Makes the rows that meet `which` active, also those that do not run any more; their number.
    pub fn select_all(&mut self, which: impl Fn(&Row) -> bool) -> u64 {
        let mut count = 0u64;
        let rows = self.d.rows.as_chunks::<WORDS>().0.iter().take(self.n);
        for (active, stored) in self.d.mask.iter_mut().zip(rows) {
            *active = which(&Row::load(stored));
            count = count.saturating_add(u64::from(*active));
        }
        count
    }

    /// Step size of the first step, or its first trial.
    pub fn first_alpha(&self) -> f32 {
        match self.think.step_size {
            StepSize::Fixed(x) => x,
            StepSize::Scaled(eta) => eta * self.dynamics.alpha,
            StepSize::Armijo { start, .. } if start > 0.0 => start,
            _ => self.dynamics.alpha,
        }
    }

    /// One step of every row that runs; false when none does.
    fn step(&mut self, i: usize, on_step: &mut dyn FnMut(&StepReport<'_>) -> ControlFlow<()>) -> Result<bool, Error> {
        if self.select(|_| true) == 0 {
            return Ok(false);
        }
        let s = self.dynamics.landscape(i);
        put(self.d.trajectories.landscapes, self.number(i), s as u32);
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
        for r in 0..self.n {
            let (position, candidate) = self.place(r);
            let number = self.number(i);
            let d = &mut *self.d;
            let Some(stored) = d.rows.as_chunks_mut::<WORDS>().0.get_mut(r) else { continue };
            let mut row = Row::load(stored);
            let sigma = match self.think.noise {
                Noise::Langevin { sigma } => sigma,
                Noise::Temperature { tau } => sqrt(2.0 * row.alpha * tau),
                Noise::None | Noise::Metropolis { .. } => return,
            };
            if row.runs() && sigma > 0.0 {
                let noise = stream(self.think.seed, Purpose::Langevin, candidate, number);
                for cell in d.cells.unknown(r) {
                    let y = cell.of_mut(d.y);
                    add_normal(&noise, first(position, d.cells.width()).wrapping_add(cell.offset()), sigma, y);
                    put(d.lse, cell.at, softmax(y, cell.of_mut(d.p)));
                }
                (row.energy_known, row.gradient_known) = (false, false);
                *stored = row.store();
            }
        }
    }

    /// Moves by the step size of every row, whatever the energy does.
    fn walk(&mut self, i: usize, s: usize) -> Result<(), Error> {
        for r in 0..self.n {
            let Some(mut row) = self.d.row(r).filter(Row::runs) else { continue };
            let at = self.column(r, &row);
            let d = &mut *self.d;
            let mut shares = 0.0;
            for cell in d.cells.unknown(r) {
                let by = Move::new(self.dynamics, row.alpha, d.means.get(cell.at).copied().unwrap_or(0.0));
                let (share, lse) = by.make(cell, cell.of_mut(d.y), cell.of_mut(d.p), cell.of(d.g));
                put(d.lse, cell.at, lse);
                shares += share;
            }
            row.dissipation = dissipation(self.dynamics.update, row.alpha, shares);
            (row.energy_known, row.gradient_known) = (false, false);
            put(d.trajectories.sizes, at, row.alpha);
            put(d.trajectories.dissipations, at, row.dissipation);
            put(d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
        }
        let last = i.saturating_add(1) == self.steps;
        if self.think.evaluates_after() || (last && self.candidates > 1) {
            let count = self.select(|_| true);
            self.energies(s, false, count);
            self.take_energies(i, |row, energy, entropy| {
                (row.energy, row.entropy, row.energy_known) = (energy, entropy, true);
            })?;
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
        let after = self.think.evaluates_after();
        let tolerance = self.think.tolerance;
        for r in 0..self.n {
            let (position, candidate) = self.place(r);
            let Some(mut row) = self.d.row(r).filter(Row::runs) else { continue };
            let at = self.column(r, &row);
            // a line search on the last landscape that found nothing would find nothing again
            let stationary = row.searching || self.d.cells.unknown(r).next().is_none();
            row.searching = false;
            let t = &mut self.d.trajectories;
            let of = |column: &[f32]| column.get(at).copied().unwrap_or(0.0);
            let (energy, size, dissipation) = (of(t.energies), of(t.sizes), of(t.dissipations));
            let now = free(self.dynamics.tau, row.energy, row.entropy);
            if after {
                put(t.after, at, now);
                put(t.decreased, at, now <= energy - self.think.sufficient() * (size * dissipation));
            }
            put(t.rounds, at, self.round as u32);
            let step = row.steps as usize;
            row.steps = row.steps.saturating_add(1);
            let may_stop = i.saturating_add(1) >= self.dynamics.landscapes.max(tolerance.min_steps);
            let still = tolerance.energy > 0.0 && (now - energy).abs() <= tolerance.energy;
            let flat = tolerance.dissipation > 0.0 && dissipation <= tolerance.dissipation;
            let done = i.saturating_add(1) == self.steps;
            row.stop = match row.stop {
                None if stationary => Some(Stop::Stationary),
                None if may_stop && still => Some(Stop::Energy),
                None if may_stop && flat => Some(Stop::Dissipation),
                None if done => Some(Stop::Steps),
                stop => stop,
            };
            put(self.d.rows.as_chunks_mut::<WORDS>().0, r, row.store());
            self.outcome.steps = self.outcome.steps.max(row.steps as usize);
            let width = self.d.width();
            let report = StepReport {
                index: r.checked_div(self.candidates).unwrap_or(0),
                position,
                candidate,
                step,
                round: self.round,
                landscape: s,
                energy,
                energy_after: after.then_some(now),
                step_size: size,
                dissipation,
                logits: row_of(self.d.y, r, width),
                probabilities: row_of(self.d.p, r, width),
                log_sum_exp: self.d.lse_of(r),
            };
            if on_step(&report) == ControlFlow::Break(()) {
                return Err(Error::Cancelled);
            }
        }
        Ok(())
    }
}
