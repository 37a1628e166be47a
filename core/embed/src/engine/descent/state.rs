//! The buffers of a descent, and what is read from them after a run.

use super::cells::Cells;
use super::certificate::{Assessment, Certificate, Stop};
use super::descent_options::{DescentOptions, MOST_PRODUCTS, Noise, StepSize};
use super::dynamics::free;
use super::row::{Row, WORDS};
use crate::engine::arena::Arena;
use crate::engine::math::sqrt;
use crate::engine::slices::row_of;
use crate::engine::{Error, SessionOptions};

/// What every step of every row was, `(rows, capacity)`.
#[derive(Debug)]
pub(super) struct Trajectories<'a> {
    /// Landscape of every step `(capacity)`.
    pub landscapes: &'a mut [u32],
    /// Round of every step of every row; empty without sets of tokens.
    pub rounds: &'a mut [u32],
    pub energies: &'a mut [f32],
    pub after: &'a mut [f32],
    pub sizes: &'a mut [f32],
    pub dissipations: &'a mut [f32],
    pub alpha_lambda: &'a mut [f32],
    pub decreased: &'a mut [bool],
}

/// What a finished run was, for reading its results.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finished {
    pub positions: usize,
    pub candidates: usize,
    pub sufficient: f32,
    pub after: bool,
    pub measured: bool,
    /// The entropy `tau` where final states were assessed.
    pub assessed: Option<f32>,
    pub rounds: usize,
}

/// State of a descent on at most `rows` rows: `3 V` numbers a cell, `6 V` with trial states, `7 V` with curvature.
#[derive(Debug)]
pub struct Descent<'a> {
    pub(super) cells: Cells<'a>,
    pub(super) most_rows: usize,
    pub(super) capacity: usize,
    pub(super) trials: bool,
    pub(super) curvature: bool,
    /// `Y`, `P`, `G`, each `(rows, cells, V)`. `G` is the gradient of `F` up to a constant a cell, `dE/dP + tau Y`.
    pub(super) y: &'a mut [f32],
    pub(super) p: &'a mut [f32],
    pub(super) g: &'a mut [f32],
    /// Trial state, its distribution and gradient; vectors of the Lanczos iteration.
    pub(super) trial_y: &'a mut [f32],
    pub(super) trial_p: &'a mut [f32],
    pub(super) trial_g: &'a mut [f32],
    /// `H u`, then `A v` in its place, `(rows, cells, V)`; empty unless the session has `curvature`.
    pub(super) hu: &'a mut [f32],
    /// Log-sum-exp of every cell's logits `(rows, cells)`.
    pub(super) lse: &'a mut [f32],
    /// `<P, G>` of every cell `(rows, cells)`.
    pub(super) means: &'a mut [f32],
    /// Tridiagonal matrices `(rows, MOST_PRODUCTS)`.
    pub(super) diagonal: &'a mut [f32],
    pub(super) off_diagonal: &'a mut [f32],
    pub(super) rows: &'a mut [u32],
    pub(super) energies: &'a mut [f32],
    pub(super) mask: &'a mut [bool],
    /// By position: where it is, and the candidate kept.
    pub(super) positions: &'a mut [u32],
    pub(super) chosen: &'a mut [u32],
    pub(super) trajectories: Trajectories<'a>,
    pub(super) finished: Option<Finished>,
}

impl<'a> Descent<'a> {
    /// Refuses options that this memory was not allocated for; `steps` are those of a round.
    pub(super) fn fits(&self, options: &DescentOptions, steps: usize) -> Result<(), Error> {
        if steps == 0 || steps > self.capacity {
            return Err(Error::Option { field: "steps", requirement: "must lie between 1 and the session's `steps`" });
        }
        if steps.saturating_mul(options.rounds()) > self.capacity {
            let requirement = "rounds times steps must be at most the session's `steps`";
            return Err(Error::Option { field: "commits", requirement });
        }
        if options.rounds() > 1 && !self.cells.restricted() {
            let requirement = "rounds of committing need a descent with memory for sets of tokens";
            return Err(Error::Option { field: "commits", requirement });
        }
        let trials =
            matches!(options.step_size, StepSize::Armijo { .. }) || matches!(options.noise, Noise::Metropolis { .. });
        if trials && !self.trials {
            let requirement = "backtracking and Metropolis tests need a session with `trials`";
            return Err(Error::Option { field: "trials", requirement });
        }
        if options.products() > 0 && !self.curvature {
            let requirement = "lambda_max needs a session with `curvature`";
            return Err(Error::Option { field: "curvature", requirement });
        }
        Ok(())
    }

    /// Allocates the buffers for `rows` candidate rows over a vocabulary of `vocab` tokens.
    ///
    /// # Errors
    ///
    /// Those of the arena, and options out of their range.
    pub fn alloc(arena: &mut Arena<'a>, rows: usize, vocab: usize, options: &SessionOptions) -> Result<Self, Error> {
        Self::buffers(arena, rows, [1, vocab], false, options)
    }

    /// As [`Self::alloc`], for rows that are problems of `cells` cells with sets of allowed tokens.
    ///
    /// # Errors
    ///
    /// Those of the arena, and options out of their range.
    pub fn alloc_joint(
        arena: &mut Arena<'a>,
        rows: usize,
        cells: usize,
        vocab: usize,
        options: &SessionOptions,
    ) -> Result<Self, Error> {
        Self::buffers(arena, rows, [cells.max(1), vocab], true, options)
    }

    /// Makes rows problems of `cells` cells; the results of the last run are gone.
    ///
    /// # Errors
    ///
    /// No cell, and more cells than there is memory for.
    pub fn set_cells(&mut self, cells: usize) -> Result<(), Error> {
        self.finished = None;
        if cells == 0 || cells > self.cells.most {
            return Err(Error::Cells { given: cells, most: self.cells.most });
        }
        self.cells.count = cells;
        Ok(())
    }

    fn buffers(
        arena: &mut Arena<'a>,
        rows: usize,
        [cells, vocab]: [usize; 2],
        sets: bool,
        options: &SessionOptions,
    ) -> Result<Self, Error> {
        options.validate()?;
        let width = cells.checked_mul(vocab).ok_or(Error::Size { what: "a row" })?;
        let trials = options.trials || options.curvature;
        let (tried, bent) = (if trials { rows } else { 0 }, if options.curvature { rows } else { 0 });
        let steps = options.steps;
        let all_steps = rows.checked_mul(steps).ok_or(Error::Size { what: "the rows" })?;
        Ok(Self {
            cells: Cells::alloc(arena, rows, cells, vocab, sets)?,
            most_rows: rows,
            capacity: steps,
            trials,
            curvature: options.curvature,
            y: arena.matrix(rows, width)?,
            p: arena.matrix(rows, width)?,
            g: arena.matrix(rows, width)?,
            trial_y: arena.matrix(tried, width)?,
            trial_p: arena.matrix(tried, width)?,
            trial_g: arena.matrix(tried, width)?,
            hu: arena.matrix(bent, width)?,
            lse: arena.matrix(rows, cells)?,
            means: arena.matrix(rows, cells)?,
            diagonal: arena.matrix(bent, MOST_PRODUCTS)?,
            off_diagonal: arena.matrix(bent, MOST_PRODUCTS)?,
            rows: arena.words(rows.checked_mul(WORDS).ok_or(Error::Size { what: "the rows" })?)?,
            energies: arena.floats(rows)?,
            mask: arena.flags(rows)?,
            positions: arena.words(rows)?,
            chosen: arena.words(rows)?,
            trajectories: Trajectories {
                landscapes: arena.words(steps)?,
                rounds: arena.words(if sets { all_steps } else { 0 })?,
                energies: arena.matrix(rows, steps)?,
                after: arena.matrix(rows, steps)?,
                sizes: arena.matrix(rows, steps)?,
                dissipations: arena.matrix(rows, steps)?,
                alpha_lambda: arena.matrix(bent, steps)?,
                decreased: arena.flags(all_steps)?,
            },
            finished: None,
        })
    }

    /// Where the results of position `index` of the last finished run lie: `(row, candidate, run)`.
    fn found(&self, index: usize) -> Option<(usize, usize, Finished)> {
        let finished = self.finished.filter(|f| index < f.positions)?;
        let candidate = *self.chosen.get(index)? as usize;
        Some((index.checked_mul(finished.candidates)?.checked_add(candidate)?, candidate, finished))
    }

    pub(super) fn row(&self, r: usize) -> Option<Row> {
        self.rows.as_chunks::<WORDS>().0.get(r).map(Row::load)
    }

    /// Numbers of a row: `cells V`.
    pub(super) fn width(&self) -> usize {
        self.cells.width()
    }

    /// Log-sum-exp of row `r`, summed over its cells.
    pub(super) fn lse_of(&self, r: usize) -> f32 {
        row_of(self.lse, r, self.cells.count).iter().copied().reduce(|sum, lse| sum + lse).unwrap_or(0.0)
    }

    /// Final state `Y (cells, V)` of position `index` of the last run, `-inf` at tokens that are not allowed; empty where
    /// there is none.
    pub fn logits(&self, index: usize) -> &[f32] {
        self.found(index).map_or(&[], |(r, _, _)| row_of(self.y, r, self.width()))
    }

    /// `softmax` of [`Self::logits`] `(cells, V)`, exactly 0 at tokens that are not allowed.
    pub fn probabilities(&self, index: usize) -> &[f32] {
        self.found(index).map_or(&[], |(r, _, _)| row_of(self.p, r, self.width()))
    }

    /// Log-sum-exp of [`Self::logits`], summed over the cells.
    pub fn log_sum_exp(&self, index: usize) -> Option<f32> {
        self.found(index).map(|(r, _, _)| self.lse_of(r))
    }

    /// The answer to problem `index` of the last run, a token a cell: the most probable of the allowed ones, the first among
    /// equals. Nothing where there is no result.
    pub fn answer(&self, index: usize) -> impl Iterator<Item = u32> {
        self.cells.answer(self.probabilities(index))
    }

    /// As [`Self::answer`], of any candidate.
    pub fn candidate_answer(&self, index: usize, candidate: usize) -> impl Iterator<Item = u32> {
        let r = self.row_number(index, candidate);
        self.cells.answer(r.map_or(&[], |(r, _)| row_of(self.p, r, self.width())))
    }

    /// What a candidate of problem or position `index` ended as; none where that was not assessed.
    pub fn assessment(&self, index: usize, candidate: usize) -> Option<Assessment> {
        let (r, finished) = self.row_number(index, candidate)?;
        let (tau, row) = (finished.assessed?, self.row(r)?);
        Some(Assessment {
            energy: row.energy,
            free: free(tau, row.energy, row.entropy),
            entropy: row.entropy,
            residual: sqrt(row.dissipation),
            votes: row.votes,
        })
    }

    /// Row of a candidate in the last finished run.
    fn row_number(&self, index: usize, candidate: usize) -> Option<(usize, Finished)> {
        let finished = self.finished.filter(|f| index < f.positions && candidate < f.candidates)?;
        Some((index.checked_mul(finished.candidates)?.checked_add(candidate)?, finished))
    }

    /// Certificate of position `index` of the last run; none where it was cancelled or failed.
    pub fn certificate(&self, index: usize) -> Option<Certificate<'_>> {
        let (r, candidate, finished) = self.found(index)?;
        let row = self.row(r)?;
        let steps = row.steps as usize;
        let t = &self.trajectories;
        let start = r.checked_mul(self.capacity)?;
        let range = start..start.checked_add(steps)?;
        let column = |all, there| part(all, range.clone(), there);
        let decreased = part(t.decreased, range.clone(), finished.after);
        let alpha_lambda = column(t.alpha_lambda, finished.measured);
        let first = r.saturating_sub(candidate);
        let group = first..first.saturating_add(finished.candidates);
        Some(Certificate {
            position: *self.positions.get(index)? as usize,
            candidate,
            steps,
            stop: row.stop.unwrap_or(Stop::Steps),
            landscapes: t.landscapes.get(..steps).unwrap_or_default(),
            rounds: part(t.rounds, range.clone(), finished.rounds > 1),
            energies: column(t.energies, true),
            energies_after: column(t.after, finished.after),
            step_sizes: column(t.sizes, true),
            dissipations: column(t.dissipations, true),
            decreased,
            sufficient: finished.sufficient,
            all_decreased: finished.after.then(|| decreased.iter().all(|d| *d)),
            alpha_lambda,
            largest_alpha_lambda: alpha_lambda.iter().copied().reduce(f32::max),
            candidate_energies: part(self.energies, group, finished.after || finished.candidates > 1),
            acceptance: row.adapt.rate(),
            end: self.assessment(index, candidate),
        })
    }
}

/// A part of a column, where it was filled.
fn part<T>(all: &[T], range: core::ops::Range<usize>, there: bool) -> &[T] {
    if there { all.get(range).unwrap_or_default() } else { &[] }
}
