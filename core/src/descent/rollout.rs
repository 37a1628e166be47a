//! A rollout: states, energies and the moves between them, on real or recorded evaluations of the energy.

use alloc::vec::Vec;

use super::balance::{Balance, balance};
use super::update_rule::{advance, direction};
use crate::compute::{Backend, Scope};
use crate::config::Conditioning;
use crate::energy::{self, Observed, Prediction};
use crate::layer::condition::{self, Condition, ConditionSaved};
use crate::layer::{Geometry, Model};
use crate::objective::Objective;
use crate::random::{Purpose, Stream};
use crate::record::{Record, Tape};

/// Smallest step size: a learned `alpha` is limited from below (reference `rollout`).
pub const SMALLEST_ALPHA: f64 = 1e-4;

/// What a rollout is about: model, sequences, settings, randomness.
#[derive(Debug)]
pub struct Scene<'a, B: Backend> {
    /// Backend.
    pub b: &'a B,
    /// Model.
    pub model: Model<'a, B::Array>,
    /// Sequences.
    pub geometry: Geometry<'a, B::Index>,
    /// Observed tokens `(n)`.
    pub tokens: &'a B::Index,
    /// Settings.
    pub objective: &'a Objective,
    /// Seed of the run.
    pub seed: u64,
    /// Training step, keys the noise.
    pub step: u32,
    /// Row of the whole (accumulated) batch at which these rows start: keys the noise.
    pub first_row: u64,
    /// Update steps of the rollout.
    pub steps: usize,
}

impl<B: Backend> Clone for Scene<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<B: Backend> Copy for Scene<'_, B> {}

impl<B: Backend> Scene<'_, B> {
    /// Landscape of step `i`: the steps beyond the last landscape stay on it.
    pub fn landscape(&self, i: usize) -> usize {
        i.min(self.model.config.landscapes - 1)
    }

    /// Which observed stream serves landscape `s`.
    pub fn observed_key(&self, s: usize) -> usize {
        match self.model.config.condition {
            Conditioning::All => s,
            Conditioning::Predictions => 0,
        }
    }

    /// A noise stream of this training step.
    pub fn stream(&self, purpose: Purpose, detail: usize) -> Stream {
        Stream::new(self.seed, self.step, purpose).detail(detail as u16)
    }

    /// The candidate mixing matrix `W_v (V,D)`.
    pub fn vocabulary(&self) -> &B::Array {
        &self.model.weights[self.model.layout.vocabulary]
    }

    /// `a W_v`, `(n,V) -> (n,D)`.
    pub fn mix(&self, a: &B::Array) -> B::Array {
        let left = self.b.enter(Scope::Vocabulary);
        let p = self.b.linear_adjoint(a, self.vocabulary());
        self.b.enter(left);
        p
    }

    /// `a W_v^T`, `(n,D) -> (n,V)`.
    pub fn unmix(&self, a: &B::Array) -> B::Array {
        let left = self.b.enter(Scope::Vocabulary);
        let g = self.b.linear(a, self.vocabulary());
        self.b.enter(left);
        g
    }

    /// `max(alpha, 1e-4)` and its slope, both `(1,1)`.
    pub fn alpha(&self) -> (B::Array, B::Array) {
        let b = self.b;
        match self.model.layout.energy {
            Some(ids) => {
                let over = b.offset(&self.model.weights[ids.alpha], -SMALLEST_ALPHA);
                let slope = b.step(&over);
                (b.offset(&b.mul(&over, &slope), SMALLEST_ALPHA), slope)
            }
            None => (b.fill(1, 1, 0.0), b.fill(1, 1, 0.0)),
        }
    }

    /// Step size of every position `(n,1)`: `alpha`, or drawn log-free uniform from `[alpha / j, alpha j]`.
    pub fn step_sizes(&self, alpha: &B::Array) -> B::Array {
        let (b, n) = (self.b, self.geometry.shape.rows());
        let jitter = self.objective.alpha_jitter;
        if jitter == 1.0 {
            return b.mul(&b.fill(n, 1, 1.0), alpha);
        }
        let stream = self.stream(Purpose::Jitter, 0);
        let draw = |i| 1.0 / jitter + (jitter - 1.0 / jitter) * stream.uniform(self.first_row + i);
        let ratios: Vec<f64> = (0..n as u64).map(draw).collect();
        b.mul(&b.upload_f64(n, 1, &ratios), alpha)
    }

    /// An initial state `(n,V)`.
    pub fn initial(&self) -> B::Array {
        let (n, v) = (self.geometry.shape.rows(), self.model.config.vocab);
        match self.objective.initial {
            crate::objective::InitialState::Zeros => self.b.fill(n, v, 0.0),
            crate::objective::InitialState::Noise => {
                let stream = self.stream(Purpose::InitialState, 0);
                self.b.normal(n, v, stream, self.first_row * v as u64, self.objective.sigma0)
            }
        }
    }

    /// The state of step `i` with its Langevin noise.
    pub fn noised(&self, i: usize, y: &B::Array) -> B::Array {
        if self.objective.langevin == 0.0 {
            return y.clone();
        }
        let (n, v) = self.b.shape(y);
        let stream = self.stream(Purpose::Langevin, i);
        let noise = self.b.normal(n, v, stream, self.first_row * v as u64, self.objective.langevin);
        self.b.axpy(noise, &self.b.fill(1, 1, 1.0), y)
    }

    /// `softmax(y)`, accounted to the vocabulary.
    pub fn probabilities(&self, y: &B::Array) -> B::Array {
        let left = self.b.enter(Scope::Vocabulary);
        let p = self.b.softmax(y);
        self.b.enter(left);
        p
    }
}

/// Condition vectors and observed stream of one landscape.
#[derive(Clone, Debug)]
pub struct Landscape<T, I> {
    /// Condition vectors of the predicted stream.
    pub condition: Condition<T>,
    /// For their backward pass.
    pub saved: Option<ConditionSaved<T>>,
    /// The observed stream.
    pub observed: Observed<T, I>,
}

/// The condition vectors of landscape `s` for the predicted stream.
pub fn condition_of<B: Backend>(
    scene: &Scene<'_, B>,
    s: usize,
) -> (Condition<B::Array>, Option<ConditionSaved<B::Array>>) {
    match condition::conditioned(scene.b, scene.model, s) {
        Some((condition, saved)) => (condition, Some(saved)),
        None => (condition::unconditioned::<B>(scene.model), None),
    }
}

/// Runs the observed stream that serves the predictions under `condition`.
pub fn observe<B: Backend>(scene: &Scene<'_, B>, condition: &Condition<B::Array>) -> Observed<B::Array, B::Index> {
    let plain;
    let condition = match scene.model.config.condition {
        Conditioning::All => condition,
        Conditioning::Predictions => {
            plain = condition::unconditioned::<B>(scene.model);
            &plain
        }
    };
    energy::observe(scene.b, scene.model, scene.geometry, condition, scene.tokens)
}

/// One evaluation of the energy and its gradient.
#[derive(Clone, Debug)]
pub struct Evaluated<T, I> {
    /// Candidate distribution `P = softmax(Y)` after noise `(n,V)`.
    pub p: T,
    /// `P W_v (n,D)`.
    pub mixed: T,
    /// Energies `(n,1)` at `P`.
    pub energy: T,
    /// `dE/dp (n,D)`: the gradient before the vocabulary matrix.
    pub dp: T,
    /// Recorded primal pass, when asked for.
    pub tape: Option<Tape<T, I>>,
    /// Balance of this evaluation, for models with experts.
    pub balance: Option<Balance<T>>,
}

/// Evaluates the energy of step `i` and its gradient at `y` (noised already).
pub fn evaluate<B: Backend>(
    scene: &Scene<'_, B>,
    condition: &Condition<B::Array>,
    observed: &Observed<B::Array, B::Index>,
    y: &B::Array,
    record: bool,
) -> Evaluated<B::Array, B::Index> {
    let b = scene.b;
    let p = scene.probabilities(y);
    let x = Prediction { model: scene.model, geometry: scene.geometry, condition, memory: &observed.memory };
    let mixed = scene.mix(&p);
    let ones = b.fill(scene.geometry.shape.rows(), 1, 1.0);
    let (energy, dp, tape, blocks) = if record {
        let r = Record::new(b, Tape::new());
        let (energy, saved) = energy::forward(&r, &x, &mixed);
        let dp = energy::backward(&r, &x, &saved, &ones, None);
        (energy, dp, Some(r.finish()), saved.blocks)
    } else {
        let (energy, saved) = energy::forward(b, &x, &mixed);
        let dp = energy::backward(b, &x, &saved, &ones, None);
        (energy, dp, None, saved.blocks)
    };
    let balance = scene.model.config.moe.is_some().then(|| balance(b, scene.model, scene.geometry, observed, &blocks));
    Evaluated { p, mixed, energy, dp, tape, balance }
}

/// Moves from `y` (noised already) along the evaluated gradient: `(direction, next state)`, both `(n,V)`.
pub fn walk<B: Backend>(
    scene: &Scene<'_, B>,
    y: &B::Array,
    at: &Evaluated<B::Array, B::Index>,
    alpha: &B::Array,
) -> (B::Array, B::Array) {
    let (b, rule) = (scene.b, scene.model.config.update);
    let g = scene.unmix(&at.dp);
    let left = b.enter(Scope::Vocabulary);
    let direction = direction(b, rule, &at.p, g);
    let next = advance(b, rule, scene.objective.limits(), (y, &at.p), alpha, &direction);
    b.enter(left);
    (direction, next)
}
