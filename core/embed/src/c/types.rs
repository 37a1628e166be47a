//! What crosses the boundary.

use core::ffi::{c_int, c_void};

use ebt_core::config::Grid;

use crate::engine;
use crate::engine::descent::{Certificate, DescentOptions, Noise, Selection, StepReport, StepSize, Stop, Tolerance};
use crate::packed::Storage;
use crate::{Letter, Options, Sampling, Settings};

/// Extents; they fix the memory that a generator needs. `ebt_options_default` fills in the usual ones.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct COptions {
    /// Tokens of a prompt that are computed together.
    pub block: u32,
    /// Candidates that are computed side by side.
    pub rows: u32,
    /// Most descent steps of a token.
    pub steps: u32,
    /// Most bytes of one prompt.
    pub prompt: u32,
    /// Not 0: backtracking and Metropolis tests may be asked for.
    pub trials: u32,
    /// Not 0: curvatures may be asked for.
    pub curvature: u32,
    /// How observed keys and values are kept: `EBT_CACHE_F32` or a smaller one.
    pub cache: u32,
}

/// Keys and values are kept as they are: results are those of the model as it was trained.
pub const CACHE_F32: u32 = 0;
/// Keys and values are kept as half-precision numbers.
pub const CACHE_F16: u32 = 1;
/// Keys and values are kept as brain floats.
pub const CACHE_BF16: u32 = 2;
/// Keys and values are kept as 8-bit integers, with a scale a head and token.
pub const CACHE_INT8: u32 = 3;
/// Keys and values are kept as 4-bit integers, with a scale for 32 of them.
pub const CACHE_INT4: u32 = 4;

/// What these numbers mean.
const CACHES: [(u32, Storage); 5] = [
    (CACHE_F32, Storage::F32),
    (CACHE_F16, Storage::F16),
    (CACHE_BF16, Storage::Bf16),
    (CACHE_INT8, Storage::Int8),
    (CACHE_INT4, Storage::Int4),
];

/// How steps are sized: by the model.
pub const STEP_MODEL: u32 = 0;
/// By `step_value`.
pub const STEP_FIXED: u32 = 1;
/// By backtracking until the energy decreases sufficiently.
pub const STEP_ARMIJO: u32 = 2;
/// `step_value / lambda_max`.
pub const STEP_CURVATURE: u32 = 3;

/// Noise: none.
pub const NOISE_NONE: u32 = 0;
/// Langevin noise with standard deviation `noise_value`.
pub const NOISE_LANGEVIN: u32 = 1;
/// Langevin dynamics at temperature `noise_value`.
pub const NOISE_TEMPERATURE: u32 = 2;
/// Metropolis-adjusted Langevin dynamics at temperature `noise_value`.
pub const NOISE_METROPOLIS: u32 = 3;

/// How a token is thought of and drawn. `ebt_settings_default` fills in the usual values.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CSettings {
    /// Seed of all noise and draws.
    pub seed: u64,
    /// Most descent steps; 0: the model's own number.
    pub steps: u32,
    /// Starts of a token; the best is kept.
    pub candidates: u32,
    /// What best means: 0 the least final energy, 1 the largest drop.
    pub choose: u32,
    /// Not 0: the energy after every step is evaluated, so that the certificate says whether it decreased.
    pub certify: u32,
    /// Hessian-vector products a step to measure `alpha lambda_max` with; 0: not measured.
    pub curvature: u32,
    /// One of `EBT_STEP_...`.
    pub step_size: u32,
    /// The step size, or the product `alpha lambda_max` wanted.
    pub step_value: f32,
    /// One of `EBT_NOISE_...`.
    pub noise: u32,
    /// The standard deviation or the temperature.
    pub noise_value: f32,
    /// Transitions during which Metropolis steps are adapted.
    pub warm_up: u32,
    /// Stop when a step changed the energy by no more than this; 0: off.
    pub tolerance_energy: f32,
    /// Stop when the dissipation was no more than this; 0: off.
    pub tolerance_dissipation: f32,
    /// Never stop before this many steps.
    pub min_steps: u32,
    /// Logits are divided by this before the draw; 0 takes the most probable token.
    pub temperature: f32,
    /// Draw from this many most probable tokens; 0: from all.
    pub top_k: u32,
    /// Draw from the most probable tokens that together reach this probability; 1: from all.
    pub top_p: f32,
    /// Draw from tokens with at least this share of the most probable token's probability; 0: from all.
    pub min_p: f32,
}

/// One candidate after one step of the descent. Arrays are borrowed until the callback returns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CStep {
    /// Tokens before the one thought of.
    pub position: u32,
    /// Candidate, from 0.
    pub candidate: u32,
    /// Step, from 0.
    pub step: u32,
    /// Landscape of the step.
    pub landscape: u32,
    /// Energy before the step.
    pub energy: f32,
    /// Energy after the step on the same landscape; not a number where it was not evaluated.
    pub energy_after: f32,
    /// Step size; 0 where no trial was accepted.
    pub step_size: f32,
    /// What the energy loses to first order per unit of step size.
    pub dissipation: f32,
    /// Length of the two arrays.
    pub vocabulary: usize,
    /// The new state.
    pub logits: *const f32,
    /// The softmax of the new state.
    pub probabilities: *const f32,
}

/// Sees every step; returns 0 to go on and anything else to cancel.
pub type StepFunction = Option<unsafe extern "C" fn(user: *mut c_void, step: *const CStep) -> c_int>;

/// How a token, or the answer to a problem, was found. Arrays have `steps` numbers, but for `candidate_energies` with `candidates`; they are null where
/// nothing was evaluated, and borrowed until the next call with the same generator or solver.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CCertificate {
    /// Tokens before this one.
    pub position: u32,
    /// Which candidate was kept.
    pub candidate: u32,
    /// Steps spent.
    pub steps: u32,
    /// Why it stopped: 0 all steps were taken, 1 energy tolerance, 2 dissipation tolerance, 3 stationary to rounding.
    pub stop: u32,
    /// Whether every step decreased the energy sufficiently: 1 yes, 0 no, -1 not evaluated.
    pub all_decreased: c_int,
    /// The constant of sufficient decrease.
    pub sufficient: f32,
    /// The largest `alpha lambda_max`; not a number where it was not measured. Below 2 the linearised dynamics are stable.
    pub largest_alpha_lambda: f32,
    /// Share of accepted Metropolis proposals; not a number without any.
    pub acceptance: f32,
    /// Landscape of every step.
    pub landscapes: *const u32,
    /// Energy before every step.
    pub energies: *const f32,
    /// Energy after every step on the same landscape.
    pub energies_after: *const f32,
    /// Step size of every step.
    pub step_sizes: *const f32,
    /// Dissipation of every step.
    pub dissipations: *const f32,
    /// `alpha lambda_max` of every step.
    pub alpha_lambda: *const f32,
    /// How many candidates have a final energy.
    pub candidates: u32,
    /// Final energies of the candidates.
    pub candidate_energies: *const f32,
}

/// A generated token.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CToken {
    /// Its id.
    pub id: u32,
    /// Its probability among the tokens that could be drawn.
    pub probability: f32,
    /// Bytes written to the buffer for the piece of text, without the 0 that ends it.
    pub length: usize,
    /// How it was found.
    pub certificate: CCertificate,
}

/// How a problem is solved. `ebt_solver_settings_default` fills in the usual values.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CSolverSettings {
    /// Seed of the starts.
    pub seed: u64,
    /// Most descent steps of a round; 0: the model's own number.
    pub steps: u32,
    /// Starts; the best is kept.
    pub candidates: u32,
    /// What best means: 0 the least final energy `E`, 1 the largest drop of `F`, 2 the least `F`, 3 the least entropy, 4 the
    /// least residual, 5 the answer that most candidates give.
    pub choose: u32,
    /// Rounds of committing; 0 or 1: none.
    pub commits: u32,
    /// Step size in step sizes of the model; 0: backtracking until the energy decreases sufficiently.
    pub eta: f32,
    /// Standard deviation of the starts of further candidates; 0: the model's.
    pub spread: f32,
}

/// The grid of a problem's cells.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct CGrid {
    /// Rows of the grid.
    pub rows: u32,
    /// Columns of the grid.
    pub columns: u32,
    /// Rows of a box.
    pub box_rows: u32,
    /// Columns of a box.
    pub box_columns: u32,
}

impl From<Grid> for CGrid {
    fn from(grid: Grid) -> Self {
        let Grid { rows, columns, box_rows, box_columns } = grid;
        let [rows, columns, box_rows, box_columns] = [rows, columns, box_rows, box_columns].map(|x| x as u32);
        Self { rows, columns, box_rows, box_columns }
    }
}

/// What became of a character.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CLetter {
    /// Where it starts in the text of its pass, in bytes.
    pub at: usize,
    /// Number of the pass, from 0: text is restored until nothing changes any more.
    pub pass: u32,
    /// The code point that stood there.
    pub was: u32,
    /// The code point that belongs there, as the model says.
    pub is: u32,
    /// How probable the model holds it; 1 where nothing else may stand there.
    pub probability: f32,
    /// 1 where anything else might have stood there, else 0.
    pub in_doubt: u32,
}

impl CLetter {
    /// A letter of a pass.
    pub(super) fn of(pass: usize, letter: Letter) -> Self {
        let Letter { at, was, is, probability, in_doubt } = letter;
        Self { at, pass: pass as u32, was: was.into(), is: is.into(), probability, in_doubt: in_doubt.into() }
    }
}

/// Sees a letter; may be null.
pub type LetterFunction = Option<unsafe extern "C" fn(user: *mut c_void, letter: *const CLetter)>;

/// The answer to a problem, as it was found: energy, entropy and residual are those of its last state. `probabilities` has the
/// vocabulary's numbers for every cell, borrowed as the arrays of the certificate are.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CSolution {
    /// Energy `E`.
    pub energy: f32,
    /// `F = E - tau entropy`, what was descended on.
    pub free_energy: f32,
    /// Entropy of the unknown cells in nats.
    pub entropy: f32,
    /// How far the state is from rest: 0 where `F` is stationary.
    pub residual: f32,
    /// Candidates that give this answer, itself included.
    pub votes: u32,
    /// Probabilities of all tokens, cell by cell; exactly 0 where a token is not allowed.
    pub probabilities: *const f32,
    /// How it was found.
    pub certificate: CCertificate,
}

impl CSolverSettings {
    /// The usual values.
    pub(super) fn usual() -> Self {
        let DescentOptions { steps, spread, .. } = DescentOptions::joint();
        Self { seed: 0, steps: steps as u32, candidates: 1, choose: 2, commits: 0, eta: 0.5, spread }
    }

    /// The settings, or none if a number names no choice.
    pub(super) fn think(&self) -> Option<DescentOptions> {
        let choose = match self.choose {
            0 => Selection::Energy,
            1 => Selection::Drop,
            2 => Selection::Free,
            3 => Selection::Entropy,
            4 => Selection::Residual,
            5 => Selection::Vote,
            _ => return None,
        };
        Some(DescentOptions {
            seed: self.seed,
            steps: self.steps as usize,
            candidates: self.candidates as usize,
            choose,
            commits: self.commits as usize,
            step_size: if self.eta == 0.0 { StepSize::ARMIJO } else { StepSize::Scaled(self.eta) },
            spread: self.spread,
            ..DescentOptions::joint()
        })
    }
}

impl COptions {
    /// The options, or none if a number names no choice.
    pub(super) fn options(&self) -> Option<Options> {
        let o = self;
        let session = engine::SessionOptions {
            block: o.block as usize,
            rows: o.rows as usize,
            steps: o.steps as usize,
            trials: o.trials != 0,
            curvature: o.curvature != 0,
            cache: CACHES.into_iter().find(|(number, _)| *number == o.cache)?.1,
        };
        Some(Options { session, prompt: o.prompt as usize })
    }
}

impl From<Options> for COptions {
    fn from(o: Options) -> Self {
        let small = |x: usize| u32::try_from(x).unwrap_or(u32::MAX);
        Self {
            block: small(o.session.block),
            rows: small(o.session.rows),
            steps: small(o.session.steps),
            prompt: small(o.prompt),
            trials: o.session.trials.into(),
            curvature: o.session.curvature.into(),
            cache: CACHES
                .into_iter()
                .find(|(_, storage)| *storage == o.session.cache)
                .map_or(CACHE_F32, |(number, _)| number),
        }
    }
}

impl CSettings {
    /// The usual values.
    pub(super) fn usual() -> Self {
        let (think, sampling) = (DescentOptions::default(), Sampling::default());
        Self {
            seed: 0,
            steps: 0,
            candidates: 1,
            choose: 0,
            certify: 0,
            curvature: 0,
            step_size: STEP_MODEL,
            step_value: 0.0,
            noise: NOISE_NONE,
            noise_value: 0.0,
            warm_up: 0,
            tolerance_energy: think.tolerance.energy,
            tolerance_dissipation: think.tolerance.dissipation,
            min_steps: 0,
            temperature: sampling.temperature,
            top_k: 0,
            top_p: sampling.top_p,
            min_p: sampling.min_p,
        }
    }

    /// The settings, or none if a number names no choice.
    pub(super) fn settings(&self) -> Option<Settings> {
        let value = self.step_value;
        let step_size = match self.step_size {
            STEP_MODEL => StepSize::Model,
            STEP_FIXED => StepSize::Fixed(value),
            STEP_ARMIJO => StepSize::ARMIJO,
            STEP_CURVATURE => StepSize::Curvature { c: value, iterations: self.curvature as usize },
            _ => return None,
        };
        let value = self.noise_value;
        let noise = match self.noise {
            NOISE_NONE => Noise::None,
            NOISE_LANGEVIN => Noise::Langevin { sigma: value },
            NOISE_TEMPERATURE => Noise::Temperature { tau: value },
            NOISE_METROPOLIS => Noise::Metropolis { tau: value, warm_up: self.warm_up },
            _ => return None,
        };
        let choose = match self.choose {
            0 => Selection::Energy,
            1 => Selection::Drop,
            _ => return None,
        };
        let tolerance = Tolerance {
            energy: self.tolerance_energy,
            dissipation: self.tolerance_dissipation,
            min_steps: self.min_steps as usize,
        };
        let think = DescentOptions {
            steps: self.steps as usize,
            step_size,
            noise,
            tolerance,
            candidates: self.candidates as usize,
            choose,
            certify: self.certify != 0,
            curvature: self.curvature as usize,
            seed: self.seed,
            ..DescentOptions::default()
        };
        let sampling = Sampling {
            temperature: self.temperature,
            top_k: self.top_k as usize,
            top_p: self.top_p,
            min_p: self.min_p,
        };
        Some(Settings { think, sampling })
    }
}

impl From<&StepReport<'_>> for CStep {
    fn from(s: &StepReport<'_>) -> Self {
        Self {
            position: s.position as u32,
            candidate: s.candidate as u32,
            step: s.step as u32,
            landscape: s.landscape as u32,
            energy: s.energy,
            energy_after: s.energy_after.unwrap_or(f32::NAN),
            step_size: s.step_size,
            dissipation: s.dissipation,
            vocabulary: s.logits.len(),
            logits: s.logits.as_ptr(),
            probabilities: s.probabilities.as_ptr(),
        }
    }
}

impl From<&Certificate<'_>> for CCertificate {
    fn from(c: &Certificate<'_>) -> Self {
        Self {
            position: c.position as u32,
            candidate: c.candidate as u32,
            steps: c.steps as u32,
            stop: match c.stop {
                Stop::Steps => 0,
                Stop::Energy => 1,
                Stop::Dissipation => 2,
                Stop::Stationary => 3,
            },
            all_decreased: c.all_decreased.map_or(-1, c_int::from),
            sufficient: c.sufficient,
            largest_alpha_lambda: c.largest_alpha_lambda.unwrap_or(f32::NAN),
            acceptance: c.acceptance.unwrap_or(f32::NAN),
            landscapes: start(c.landscapes),
            energies: start(c.energies),
            energies_after: start(c.energies_after),
            step_sizes: start(c.step_sizes),
            dissipations: start(c.dissipations),
            alpha_lambda: start(c.alpha_lambda),
            candidates: c.candidate_energies.len() as u32,
            candidate_energies: start(c.candidate_energies),
        }
    }
}

/// The first element, null for none.
fn start<T>(list: &[T]) -> *const T {
    if list.is_empty() { core::ptr::null() } else { list.as_ptr() }
}
