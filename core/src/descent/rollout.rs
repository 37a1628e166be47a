//! A rollout: states, energies and the moves between them, on real or recorded evaluations of the energy.

use super::balance::{Balance, balance};
use super::distribution::Distribution;
use super::problem::Problems;
use super::update_rule::{self, Origin, Rule};
use crate::compute::{Backend, Scope};
use crate::config::{Conditioning, SMALLEST_ALPHA};
use crate::energy::{self, Observed, Prediction};
use crate::layer::condition::{self, Condition, ConditionSaved};
use crate::layer::{Geometry, Model};
use crate::loss_scale::Scaling;
use crate::objective::target::Target;
use crate::objective::{Checkpointing, Objective};
use crate::random::{Purpose, Stream};
use crate::record::{Record, Tape};

/// What a rollout is about: model, sequences, settings, randomness.
#[derive(Debug)]
pub struct Rollout<'a, B: Backend> {
    /// The backend that everything is computed on.
    pub b: &'a B,
    /// The model whose energy is descended.
    pub model: Model<'a, B::Array>,
    /// Sequences of the `n` rows.
    pub geometry: Geometry<'a, B::Index>,
    /// Observed tokens `(n)`; of a joint model 0 where a position is given, else 1.
    pub tokens: &'a B::Index,
    /// The problems of a joint model.
    pub problems: Option<Problems<'a, B::Array, B::Index>>,
    /// Settings of the rollout and the loss.
    pub objective: &'a Objective,
    /// Seed of the run.
    pub seed: u64,
    /// Training step, keys the noise.
    pub step: u32,
    /// Row of the whole (accumulated) batch at which these rows start: keys the noise.
    pub first_row: u64,
    /// Update steps of the rollout.
    pub steps: usize,
    /// Loss scales, where the backend's numbers need them.
    pub scaling: Option<&'a Scaling<B::Array>>,
}

impl<B: Backend> Clone for Rollout<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<B: Backend> Copy for Rollout<'_, B> {}

impl<B: Backend> Rollout<'_, B> {
    /// Landscape of step `i`: the steps beyond the last landscape stay on it.
    pub fn landscape(&self, i: usize) -> usize {
        i.min(self.model.config.landscapes - 1)
    }

    /// Which observed stream serves landscape `s`.
    pub fn observed_key(&self, s: usize) -> usize {
        match self.model.config.condition {
            Conditioning::All => s,
            Conditioning::Predictions | Conditioning::None => 0,
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
                let slope = b.heaviside(&over);
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
        let (count, first) = self.energies();
        let drawn = b.uniform(count, 1, self.stream(Purpose::Jitter, 0), first, 1.0 / jitter, jitter);
        b.mul(&self.to_rows(drawn), alpha)
    }

    /// How many energies there are, and the number of the first in the whole batch: one for every position, or for every
    /// problem of a joint model.
    fn energies(&self) -> (usize, u64) {
        match self.problems {
            Some(_) => (self.geometry.shape.batch, self.first_row / self.geometry.shape.context as u64),
            None => (self.geometry.shape.rows(), self.first_row),
        }
    }

    /// The number of every energy `(m,1)` at each of its rows `(n,1)`.
    pub fn to_rows(&self, x: B::Array) -> B::Array {
        match self.problems {
            Some(_) => self.b.gather_rows(&x, self.geometry.sequences),
            None => x,
        }
    }

    /// Numbers of rows `(n,1)` added up for every energy `(m,1)`.
    pub fn by_energy(&self, x: B::Array) -> B::Array {
        match self.problems {
            Some(_) => self.b.scatter_rows(&x, self.geometry.sequences, self.geometry.shape.batch),
            None => x,
        }
    }

    /// 1 at rows whose energy counts `(n,1)`, 0 at padding.
    pub fn present(&self) -> B::Array {
        match self.problems {
            Some(problems) => problems.present.clone(),
            None => self.b.fill(self.geometry.shape.rows(), 1, 1.0),
        }
    }

    /// `y (n,V)` with tokens that are not allowed put out of reach.
    pub fn masked(&self, y: B::Array) -> B::Array {
        match self.problems {
            Some(problems) => problems.masked(self.b, &y),
            None => y,
        }
    }

    /// `y - l (n,V)` with 0 at tokens that are not allowed: the state relative to the prior.
    pub fn within(&self, y: &B::Array) -> B::Array {
        let Some(problems) = self.problems else { return y.clone() };
        let within = self.b.mul(y, problems.allowed);
        match problems.prior {
            Some(prior) => self.b.axpy(within, &self.b.fill(1, 1, -1.0), prior),
            None => within,
        }
    }

    /// `y + l (n,V)`.
    pub fn with_prior(&self, y: B::Array) -> B::Array {
        match self.problems.and_then(|problems| problems.prior) {
            Some(prior) => self.b.add(&y, prior),
            None => y,
        }
    }

    /// What weighs the number of an energy, or of a problem, in a mean over all of the batch, where `weight (1,1)` is that of a
    /// position with a target.
    pub fn mean_weight(&self, target: &Target<'_, B::Array, B::Index>) -> B::Array {
        let (b, batch) = (self.b, self.geometry.shape.batch);
        match self.problems {
            Some(_) => target.scaled(b, b.fill(batch, 1, target.share / batch as f64)),
            None => {
                let present = b.sum_columns(&b.one_hot(target.targets, self.model.config.vocab));
                b.mul(&present, target.weight)
            }
        }
    }

    /// An initial state `(n,V)`: the prior with the noise of the start.
    pub fn initial(&self) -> B::Array {
        let (n, v) = (self.geometry.shape.rows(), self.model.config.vocab);
        self.with_prior(match self.objective.initial {
            crate::objective::InitialState::Zeros => self.b.fill(n, v, 0.0),
            crate::objective::InitialState::Noise => {
                let stream = self.stream(Purpose::InitialState, 0);
                self.b.normal(n, v, stream, self.first_row * v as u64, self.objective.sigma0)
            }
            crate::objective::InitialState::Mixed => {
                let b = self.b;
                let sequences = self.geometry.shape.batch;
                let first = self.first_row / self.geometry.shape.context as u64;
                let sigma0 = self.objective.sigma0;
                // half of the numbers are negative, and those sequences start from zeros
                let drawn = b.uniform(sequences, 1, self.stream(Purpose::InitialState, 1), first, -sigma0, sigma0);
                let sigma = b.gather_rows(&b.mul(&drawn, &b.heaviside(&drawn)), self.geometry.sequences);
                let stream = self.stream(Purpose::InitialState, 0);
                b.mul(&b.normal(n, v, stream, self.first_row * v as u64, 1.0), &sigma)
            }
        })
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

    /// The update rule.
    pub fn rule(&self) -> &dyn Rule<B> {
        update_rule::of(self.model.config.update)
    }

    /// Whether states are met only through [`crate::compute::SoftmaxRows`]: no matrix `(n,V)` lives beside the states.
    pub fn streams(&self) -> bool {
        let plain = self.problems.is_none() && self.entropy().is_none();
        plain && self.b.streams_vocabulary() && self.rule().follows_gradient() && !self.objective.needs_matrices()
    }

    /// `softmax(y)`, accounted to the vocabulary.
    pub fn distribution(&self, y: &B::Array) -> Distribution<B::Array> {
        let left = self.b.enter(Scope::Vocabulary);
        let p =
            if self.streams() { Distribution::of_logits(self.b, y) } else { Distribution::Stored(self.b.softmax(y)) };
        self.b.enter(left);
        p
    }

    /// `P W_v`, `(n,D)`.
    pub fn mix_distribution(&self, p: &Distribution<B::Array>) -> B::Array {
        let left = self.b.enter(Scope::Vocabulary);
        let mixed = p.view().mix(self.b, self.vocabulary());
        self.b.enter(left);
        mixed
    }

    /// `a` times the inner loss scale.
    pub fn scaled(&self, a: B::Array) -> B::Array {
        match self.scaling {
            Some(s) => self.b.mul(&a, &s.inner),
            None => a,
        }
    }

    /// `a` over the inner loss scale.
    pub fn unscaled(&self, a: B::Array) -> B::Array {
        match self.scaling {
            Some(s) => self.b.mul(&a, &s.inverse_inner),
            None => a,
        }
    }
}

/// The condition vectors of landscape `s` for the predicted stream.
pub fn condition_of<B: Backend>(
    rollout: &Rollout<'_, B>,
    s: usize,
) -> (Condition<B::Array>, Option<ConditionSaved<B::Array>>) {
    match condition::conditioned(rollout.b, rollout.model, s) {
        Some((condition, saved)) => (condition, Some(saved)),
        None => (condition::unconditioned::<B>(rollout.model), None),
    }
}

/// Runs the observed stream that serves the predictions under `condition`.
pub fn observe<B: Backend>(rollout: &Rollout<'_, B>, condition: &Condition<B::Array>) -> Observed<B::Array, B::Index> {
    let plain;
    let condition = match rollout.model.config.condition {
        Conditioning::All | Conditioning::None => condition,
        Conditioning::Predictions => {
            plain = condition::unconditioned::<B>(rollout.model);
            &plain
        }
    };
    if let Some(problems) = rollout.problems {
        return energy::joint::observe(rollout.b, rollout.model, rollout.tokens, problems.places);
    }
    energy::observe(
        rollout.b,
        rollout.model,
        rollout.geometry,
        condition,
        rollout.tokens,
        rollout.objective.checkpointing,
    )
}

/// One evaluation of the energy and its gradient.
#[derive(Clone, Debug)]
pub struct EnergyAt<T, I> {
    /// Candidate distribution `P = softmax(Y)` after noise `(n,V)`.
    pub p: Distribution<T>,
    /// `P W_v (n,D)`.
    pub mixed: T,
    /// The state relative to the prior `(n,V)` ([`Rollout::within`]), where an entropy asks for it.
    pub y: Option<T>,
    /// Energies `(n,1)` at `P`; those of a joint model add up to the energy of the problem, and are 0 at padding.
    pub energy: T,
    /// `dE/dp (n,D)`: the gradient before the vocabulary matrix, times the inner loss scale.
    pub dp: T,
    /// Recorded primal pass, when asked for.
    pub tape: Option<Tape<T, I>>,
    /// Balance of this evaluation, for models with experts.
    pub balance: Option<Balance<T>>,
}

/// Evaluates the energy of step `i` and its gradient at `y` (noised already).
pub fn evaluate<B: Backend>(
    rollout: &Rollout<'_, B>,
    condition: &Condition<B::Array>,
    observed: &Observed<B::Array, B::Index>,
    y: &B::Array,
    record: bool,
) -> EnergyAt<B::Array, B::Index> {
    let b = rollout.b;
    let p = rollout.distribution(y);
    let x = Prediction { model: rollout.model, geometry: rollout.geometry, condition, memory: &observed.memory };
    let mixed = rollout.mix_distribution(&p);
    let ones = rollout.scaled(rollout.present());
    let checkpointed = rollout.objective.checkpointing == Checkpointing::Block;
    let (energy, dp, tape, gates) = if checkpointed {
        let (energy, saved) = energy::checkpointed_forward(b, &x, &mixed);
        let dp = energy::checkpointed_backward(b, &x, &saved, &ones, None);
        (energy, dp, None, saved.gates)
    } else if record {
        let r = Record::new(b, Tape::new());
        let (energy, saved) = energy::forward(&r, &x, &mixed);
        let dp = energy::backward(&r, &x, &saved, &ones, None);
        (energy, dp, Some(r.finish()), saved.gates())
    } else {
        let (energy, saved) = energy::forward(b, &x, &mixed);
        let dp = energy::backward(b, &x, &saved, &ones, None);
        (energy, dp, None, saved.gates())
    };
    let balance =
        rollout.model.config.moe.is_some().then(|| balance(b, rollout.model, rollout.geometry, observed, &gates));
    let energy = if rollout.problems.is_some() { b.mul(&energy, &rollout.present()) } else { energy };
    let y = rollout.entropy().map(|_| rollout.within(y));
    EnergyAt { p, mixed, y, energy, dp, tape, balance }
}

/// Moves from `y` (noised already) along the evaluated gradient, `alpha` being the step sizes over the inner loss scale:
/// the next state `(n,V)`.
pub fn advance<B: Backend>(
    rollout: &Rollout<'_, B>,
    y: B::Array,
    at: &EnergyAt<B::Array, B::Index>,
    alpha: &B::Array,
) -> B::Array {
    let (b, rule) = (rollout.b, rollout.rule());
    let left = b.enter(Scope::Vocabulary);
    let next = match &at.p {
        Distribution::Logits { lse, .. } => {
            let lse = (rule.origin() == Origin::Distribution).then_some(lse);
            b.descend(y, lse, alpha, &at.dp, rollout.vocabulary())
        }
        Distribution::Stored(p) => {
            let g = rollout.unmix(&at.dp);
            let g = match rollout.entropy() {
                Some(tau) => b.add(&g, &rollout.scaled(b.scale(&rollout.within(&y), tau))),
                None => g,
            };
            let direction = rule.direction(b, p, g);
            rollout.masked(rule.advance(b, (&y, p), alpha, &direction))
        }
    };
    b.enter(left);
    next
}

/// The direction `(n,V)` that [`advance`] follows.
pub fn direction_at<B: Backend>(rollout: &Rollout<'_, B>, at: &EnergyAt<B::Array, B::Index>) -> B::Array {
    let b = rollout.b;
    let g = rollout.unscaled(rollout.unmix(&at.dp));
    let g = match &at.y {
        Some(y) => rollout.with_entropy(g, y),
        None => g,
    };
    rollout.rule().direction(b, &at.p.dense(b), g)
}
