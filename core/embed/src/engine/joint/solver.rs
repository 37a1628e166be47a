//! A solver: a joint model and the memory to answer problems in.

use core::ops::ControlFlow;

use super::super::descent::{
    Assessment, Certificate, Descent, DescentOptions, Dynamics, Known, Outcome, Potential, Prior, StepReport,
};
use super::super::error::Error;
use super::super::layer::joint_attention::Buffers;
use super::super::options::SessionOptions;
use super::super::scratch::{Activations, Scratch};
use super::super::sizes::Sizes;
use super::states::{Points, States};
use crate::engine::arena::Arena;
use crate::packed::{Isa, Model};
use ebt_core::config::{Config, ModelKind};

/// What is known of a problem: which tokens each of its cells may hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Problem<'p> {
    /// Number of cells: at most the model's context, and exactly that where cells are those of a grid.
    pub cells: usize,
    /// Sets of allowed tokens `(cells, words)`, `words = V.div_ceil(32)`: bit `v % 32` of word `v / 32` is token `v`. A cell with
    /// one allowed token is given; all others are unknown.
    pub allowed: &'p [u32],
    /// What is held likely of its cells.
    pub prior: Prior<'p>,
}

/// The answer to a problem, and what it was chosen from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Solution<'s, 'a> {
    /// How it was found.
    pub certificate: Certificate<'s>,
    /// What that cost.
    pub outcome: Outcome,
    /// Candidates that it was chosen from.
    pub candidates: usize,
    vocab: usize,
    descent: &'s Descent<'a>,
}

impl<'s> Solution<'s, '_> {
    /// The most probable allowed token of every cell, the first among equals.
    pub fn answer(&self) -> impl Iterator<Item = u32> + use<'s> {
        self.descent.answer(0)
    }

    /// `softmax` of the final state `(cells, V)`.
    pub fn all_probabilities(&self) -> &'s [f32] {
        self.descent.probabilities(0)
    }

    /// Probabilities `(V)` of the tokens of a cell, exactly 0 of those that are not allowed; empty where there is no such cell.
    pub fn probabilities(&self, cell: usize) -> &'s [f32] {
        self.all_probabilities().chunks_exact(self.vocab.max(1)).nth(cell).unwrap_or_default()
    }

    /// The final state `(cells, V)`, `-inf` at tokens that are not allowed.
    pub fn logits(&self) -> &'s [f32] {
        self.descent.logits(0)
    }

    /// The answer of a candidate; nothing where there is none of this number.
    pub fn candidate_answer(&self, candidate: usize) -> impl Iterator<Item = u32> + use<'s> {
        self.descent.candidate_answer(0, candidate)
    }

    /// Energy `E`, `F`, entropy and residual that a candidate ended at, and how many gave its answer; none where that was not
    /// asked for ([`DescentOptions::assess`]).
    pub fn assessment(&self, candidate: usize) -> Option<Assessment> {
        self.descent.assessment(0, candidate)
    }
}

/// Answers problems with a joint model: descends on the energy of all cells together. Nothing is allocated: everything lives in
/// the arena that [`Solver::new`] is given.
///
/// ```
/// use core::ops::ControlFlow;
/// use ebt::packed::Model;
/// use ebt::{DescentOptions, Prior, Problem, SessionOptions, Solver};
///
/// # fn solve(file: &[u8]) -> Result<(), Box<dyn core::error::Error>> {
/// let model = Model::read(file)?;
/// let options = SessionOptions { rows: 8, ..SessionOptions::default() };
/// let mut memory = vec![0; Solver::bytes_needed(&model.config, &options)?];
/// let mut solver = Solver::new(model, &options, &mut memory)?;
/// let mut allowed = [0b1_1111_1111; 81]; // nine digits everywhere, one word a cell
/// allowed[0] = 1 << 4; // the first cell is given
/// let problem = Problem { cells: 81, allowed: &allowed, prior: Prior::default() };
/// let think = DescentOptions { candidates: 8, ..DescentOptions::joint() };
/// let solution = solver.solve(problem, &think, &mut |_| ControlFlow::Continue(()))?;
/// let digits: Vec<u32> = solution.answer().map(|token| token + 1).collect();
/// let end = solution.certificate.end.expect("assessed");
/// assert!(end.votes <= 8, "the candidates that gave {digits:?}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Solver<'m, 'a> {
    model: Model<'m>,
    dynamics: Dynamics,
    sizes: Sizes,
    kernel: Isa,
    /// Most states side by side.
    rows: usize,
    parts: Parts<'a>,
}

/// Everything that lies in the arena.
#[derive(Debug)]
struct Parts<'a> {
    saved: Activations<'a>,
    work: Scratch<'a>,
    attention: Buffers<'a>,
    /// Row, column and box of every cell `(context, 3)`, where relations are those of a grid.
    places: &'a mut [u32],
    points: Points<'a>,
    descent: Descent<'a>,
}

impl<'a> Parts<'a> {
    fn alloc(arena: &mut Arena<'a>, config: &Config, sizes: &Sizes, options: &SessionOptions) -> Result<Self, Error> {
        let grid = config.joint.grid.filter(|_| config.joint.classes() > 0);
        let cells = if grid.is_some() { sizes.rows } else { 0 };
        let parts = Self {
            // without a way back one block's activations are enough
            saved: Activations::alloc(
                arena,
                sizes,
                sizes.most_rows(),
                if config.has_energy() { sizes.layers } else { 1 },
            )?,
            work: Scratch::alloc(arena, sizes, config.rope_theta)?,
            attention: Buffers::alloc(arena, sizes)?,
            places: arena.words(cells.checked_mul(3).ok_or(Error::Size { what: "the cells" })?)?,
            points: Points::alloc(arena, sizes, options.rows)?,
            descent: Descent::alloc_joint(arena, options.rows, sizes.rows, sizes.vocab, options)?,
        };
        if let Some(grid) = grid {
            for (cell, places) in parts.places.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                *places = grid.place(cell).map(|place| place as u32);
            }
        }
        Ok(parts)
    }
}

fn check(config: &Config) -> Result<(), Error> {
    config.check().map_err(Error::Config)?;
    if config.kind != ModelKind::Joint {
        let requirement = "this is no joint model: open a `Session` or a `Generator` with it, which continue text";
        return Err(Error::Option { field: "model", requirement });
    }
    Ok(())
}

/// A head of logits replaces states and has no energies: steps, rounds of committing and a seed are all that can be asked of it.
fn check_loop(think: &DescentOptions) -> Result<(), Error> {
    let DescentOptions { steps, commits, seed, .. } = *think;
    let requirement = "a head of logits has no energy to descend on: only `steps`, `commits` and `seed` may be set";
    let plain = *think == DescentOptions { steps, commits, seed, ..DescentOptions::default() };
    if plain { Ok(()) } else { Err(Error::Option { field: "model", requirement }) }
}

impl<'m, 'a> Solver<'m, 'a> {
    /// Bytes that the arena of a solver needs, exactly: one byte less is refused by [`Solver::new`]. Of the options `rows` is the
    /// most candidates of a problem, and `block` does not count.
    ///
    /// # Errors
    ///
    /// A configuration that cannot be built or is not that of a joint model, options out of their range, and sizes beyond
    /// the address space.
    pub fn bytes_needed(config: &Config, options: &SessionOptions) -> Result<usize, Error> {
        check(config)?;
        let mut arena = Arena::measure();
        Parts::alloc(&mut arena, config, &Sizes::of(config, options)?, options)?;
        Ok(arena.used())
    }

    /// A solver in `arena`, which must start at a multiple of 4 and hold [`Solver::bytes_needed`] bytes.
    ///
    /// # Errors
    ///
    /// As [`Solver::bytes_needed`], and an arena that is too small or not aligned.
    pub fn new(model: Model<'m>, options: &SessionOptions, arena: &'a mut [u8]) -> Result<Self, Error> {
        check(&model.config)?;
        let sizes = Sizes::of(&model.config, options)?;
        let parts = Parts::alloc(&mut Arena::over(arena)?, &model.config, &sizes, options)?;
        let dynamics = Dynamics::of(&model, sizes.landscapes, options.steps);
        Ok(Self { model, dynamics, sizes, kernel: Isa::detect(), rows: options.rows, parts })
    }

    /// The same solver with its products computed by `kernel`; results have the same bits.
    #[must_use]
    pub fn with_isa(self, kernel: Isa) -> Self {
        Self { kernel, ..self }
    }

    /// The packed model that is run, with bytes that are borrowed for `'m`.
    pub fn model(&self) -> &Model<'m> {
        &self.model
    }

    /// What the model says about its own descent. It may be changed: the update rule, the start, the entropy.
    pub fn dynamics_mut(&mut self) -> &mut Dynamics {
        &mut self.dynamics
    }

    /// Answers a problem; `on_step` sees every step and may cancel. Where the head makes logits, every step replaces the state by them
    /// (plus the prior), and energies are 0.
    ///
    /// # Errors
    ///
    /// A problem that does not fit the model: too many cells, or another number than the grid has; another number of words than
    /// its cells take; a cell without an allowed token; tokens outside the vocabulary; a prior of such a cell or token. Settings out of their range or beyond the
    /// options, a value that is not finite, and [`Error::Cancelled`]. After any of them the next call starts afresh.
    pub fn solve(
        &mut self,
        problem: Problem<'_>,
        think: &DescentOptions,
        on_step: &mut dyn FnMut(&StepReport<'_>) -> ControlFlow<()>,
    ) -> Result<Solution<'_, 'a>, Error> {
        self.check(problem)?;
        self.parts.descent.set_cells(problem.cells)?;
        if !self.model.config.has_energy() {
            check_loop(think)?;
        }
        let (dynamics, one) = (self.dynamics, core::iter::once(0));
        let known = Known { allowed: problem.allowed, prior: problem.prior };
        let (mut states, descent) = self.states(problem.cells, think.candidates);
        let outcome = descent.solve(&mut states, think, &dynamics, one, known, on_step)?;
        let (vocab, descent) = (self.sizes.vocab, &self.parts.descent);
        let certificate = descent.certificate(0).ok_or(Error::Shape { what: "results", expected: 1, given: 0 })?;
        Ok(Solution { certificate, outcome, candidates: think.candidates, vocab, descent })
    }

    /// The energy of `rows` states of a problem of `cells` cells, to be evaluated, differentiated and probed at will. All cells
    /// are unknown until [`Potential::set_given`] says otherwise.
    ///
    /// # Errors
    ///
    /// A head of logits, more cells or rows than there is memory for, and none.
    pub fn potential(&mut self, cells: usize, rows: usize) -> Result<impl Potential + use<'_, 'm, 'a>, Error> {
        self.fits(cells)?;
        if !self.model.config.has_energy() {
            return Err(Error::Option { field: "model", requirement: "a head of logits has no energy" });
        }
        if rows == 0 || rows > self.rows {
            return Err(Error::Option { field: "rows", requirement: "must lie between 1 and the solver's rows" });
        }
        Ok(self.states(cells, rows).0)
    }

    /// The potential of `rows` states, with the memory to descend on it.
    fn states(&mut self, cells: usize, rows: usize) -> (States<'_, 'm, 'a>, &mut Descent<'a>) {
        let Parts { saved, work, attention, places, points, descent } = &mut self.parts;
        points.clear();
        let (model, sizes, kernel) = (&self.model, &self.sizes, self.kernel);
        (States { model, sizes, kernel, saved, work, attention, places, points, cells, n: rows }, descent)
    }

    fn fits(&self, cells: usize) -> Result<(), Error> {
        let most = self.sizes.rows;
        if cells == 0 {
            return Err(Error::Option { field: "cells", requirement: "a problem has at least one cell" });
        }
        if self.model.config.joint.grid.is_some() && cells != most {
            return Err(Error::Shape { what: "cells of the grid", expected: most, given: cells });
        }
        if cells > most { Err(Error::Cells { given: cells, most }) } else { Ok(()) }
    }

    fn check(&self, problem: Problem<'_>) -> Result<(), Error> {
        self.fits(problem.cells)?;
        let vocabulary = self.sizes.vocab;
        let words = self.model.config.set_words();
        let (expected, given) = (problem.cells.saturating_mul(words), problem.allowed.len());
        if expected != given {
            return Err(Error::Shape { what: "words of allowed tokens", expected, given });
        }
        for (cell, set) in problem.allowed.chunks_exact(words.max(1)).enumerate() {
            let last = set.last().copied().unwrap_or(0);
            let highest = (words.saturating_mul(32) as u32).saturating_sub(last.leading_zeros()).saturating_sub(1);
            if last != 0 && highest as usize >= vocabulary {
                return Err(Error::Token { id: highest, vocabulary });
            }
            if set.iter().all(|word| *word == 0) {
                return Err(Error::Empty { cell });
            }
        }
        Ok(())
    }
}
