//! Inference with either kind of model: logits of the next token at every position, step by step.

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::config::{Config, Head, ModelKind};
use ebt_core::descent::recurrence;
use ebt_core::descent::rollout::{self, Rollout};
use ebt_core::energy::{self, Prediction};
use ebt_core::layer::Model;
use ebt_core::objective::{InitialState, Objective};
use ebt_core::training::{DeviceSequences, Sequences};
use ebt_core::transformer;

/// Steps that a model was trained to take at most; 1 for the baseline.
pub fn usual_steps(config: &Config, objective: &Objective) -> usize {
    match config.kind {
        ModelKind::Ebt | ModelKind::Joint => objective.max_steps,
        ModelKind::Transformer => 1,
    }
}

/// The objective as inference uses it: the noise that only training wants is off.
pub fn quiet(objective: &Objective) -> Objective {
    let initial = if objective.initial == InitialState::Mixed { InitialState::Zeros } else { objective.initial };
    Objective { initial, langevin: 0.0, alpha_jitter: 1.0, ..objective.clone() }
}

/// A model ready to predict.
#[derive(Debug)]
pub struct Predictor<'a, B: Backend> {
    b: &'a B,
    model: Model<'a, B::Array>,
    objective: Objective,
    seed: u64,
}

/// Most energies that are kept of a step.
const MOST_ENERGIES: usize = 1 << 16;

/// Energies of the positions that were measured first, before every thinking step: of ranks that share a measurement, of those
/// that this one measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Energies {
    /// By step, from the first; empty where there are none.
    pub by_step: Vec<Vec<f32>>,
    rows: Vec<f32>,
}

impl Energies {
    /// Adds those `energy (n,1)` before step `index`, of the rows that count.
    pub fn add<B: Backend>(&mut self, b: &B, index: usize, energy: Option<&B::Array>, counts: impl Fn(usize) -> bool) {
        let Some(energy) = energy else { return };
        self.by_step.resize(self.by_step.len().max(index + 1), Vec::new());
        let Some(kept) = self.by_step.get_mut(index).filter(|kept| kept.len() < MOST_ENERGIES) else { return };
        self.rows.resize(b.shape(energy).0, 0.0);
        b.download(energy, &mut self.rows);
        let more = self.rows.iter().enumerate().filter(|(row, _)| counts(*row)).map(|(_, &energy)| energy);
        kept.extend(more.take(MOST_ENERGIES - kept.len()));
    }
}

/// What one step of the descent left behind.
#[derive(Debug)]
pub struct Step<'a, T> {
    /// Number of the step, from 0.
    pub index: usize,
    /// Energies `(n,1)` of the state before the step; none in the baseline.
    pub energy: Option<&'a T>,
    /// State after the step: logits `(n,V)` of the next token.
    pub logits: &'a T,
}

impl<'a, B: Backend> Predictor<'a, B> {
    /// A predictor whose initial states are keyed by `seed`.
    pub fn new(b: &'a B, model: Model<'a, B::Array>, objective: &Objective, seed: u64) -> Self {
        Self { b, model, objective: quiet(objective), seed }
    }

    /// Runs `steps` steps of descent on all positions of `sequences` and shows each to `visit`. The baseline, which
    /// does not descend, shows its logits once.
    ///
    /// Row `r` starts from the initial state number `first_row + r`, so results do not depend on how rows are batched.
    ///
    /// # Errors
    ///
    /// Tokens outside the vocabulary, a device failure, and what `visit` returns.
    pub fn run(
        &self,
        sequences: &Sequences,
        first_row: u64,
        steps: usize,
        mut visit: impl FnMut(Step<'_, B::Array>) -> Result<()>,
    ) -> Result<()> {
        let (b, config) = (self.b, self.model.config);
        let device = DeviceSequences::upload(b, config, sequences)?;
        let geometry = device.geometry(config);
        if config.kind == ModelKind::Transformer {
            let logits = transformer::forward(b, self.model, geometry, device.tokens()).0;
            b.status()?;
            return visit(Step { index: 0, energy: None, logits: &logits });
        }
        let rollout = self.rollout(&device, first_row, steps);
        let alphas = rollout.step_sizes(&rollout.alpha().0);
        let mut y = rollout.masked(rollout.initial());
        if config.head == Head::Logits {
            let base = recurrence::base(&rollout);
            for index in 0..steps {
                y = recurrence::advance(&rollout, &base, &y);
                b.status()?;
                visit(Step { index, energy: None, logits: &y })?;
            }
            return Ok(());
        }
        let (mut condition, mut observed) = (None, None);
        for index in 0..steps {
            let s = rollout.landscape(index);
            let (_, condition) = match condition.take() {
                Some((at, c)) if at == s => condition.insert((at, c)),
                _ => condition.insert((s, rollout::condition_of(&rollout, s).0)),
            };
            let key = rollout.observed_key(s);
            let (_, observed) = match observed.take() {
                Some((at, o)) if at == key => observed.insert((at, o)),
                _ => observed.insert((key, rollout::observe(&rollout, condition))),
            };
            let at = rollout::evaluate(&rollout, condition, observed, &y, false);
            y = rollout::advance(&rollout, y, &at, &alphas);
            b.status()?;
            visit(Step { index, energy: Some(&at.energy), logits: &y })?;
        }
        Ok(())
    }

    /// The energies of tokens as vertices, `onehot(tokens[r])` at every row `r` of `sequences`, on the last landscape: shows `visit`
    /// those `(n,1)` of every list in turn. The baseline has none.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); lists of another length are refused by the device.
    pub fn vertices(
        &self,
        sequences: &Sequences,
        lists: &[Vec<u32>],
        mut visit: impl FnMut(usize, &B::Array) -> Result<()>,
    ) -> Result<()> {
        let (b, config) = (self.b, self.model.config);
        if !config.has_energy() {
            return Ok(());
        }
        let device = DeviceSequences::upload(b, config, sequences)?;
        let rollout = self.rollout(&device, 0, 1);
        let condition = rollout::condition_of(&rollout, config.landscapes - 1).0;
        let observed = rollout::observe(&rollout, &condition);
        let (model, geometry) = (self.model, device.geometry(config));
        let x = Prediction { model, geometry, condition: &condition, memory: &observed.memory };
        for (i, tokens) in lists.iter().enumerate() {
            let vertices = b.gather_rows(rollout.vocabulary(), &b.index(tokens));
            let energies = energy::forward(b, &x, &vertices).0;
            b.status()?;
            visit(i, &energies)?;
        }
        Ok(())
    }

    fn rollout<'r>(&'r self, device: &'r DeviceSequences<B>, first_row: u64, steps: usize) -> Rollout<'r, B> {
        Rollout {
            b: self.b,
            model: self.model,
            geometry: device.geometry(self.model.config),
            tokens: device.tokens(),
            problems: device.problems(),
            objective: &self.objective,
            seed: self.seed,
            step: 0,
            first_row,
            steps,
            scaling: None,
        }
    }
}
