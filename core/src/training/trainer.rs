//! A model in training: weights, moments, averages, and what they were made from.

use alloc::format;
use alloc::vec::Vec;

use super::inputs::Inputs;
use super::lanes::{Part, Sum};
use super::sequences::Sequences;
use crate::average::Average;
use crate::compute::Backend;
use crate::config::{Config, ModelKind};
use crate::config_error::ConfigError;
use crate::descent::replay_buffer::ReplayBuffer;
use crate::error::{Error, Result};
use crate::layer::Model;
use crate::lora::Lora;
use crate::loss_scale::LossScale;
use crate::objective::Objective;
use crate::optimizer::{Optimizer, OptimizerConfig};
use crate::parameters::{ParameterId, ParameterLayout};

/// Settings of a training step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSettings {
    /// Seed of the run.
    pub seed: u64,
    /// Training step: keys all randomness.
    pub step: u32,
    /// Learning rate of this step.
    pub rate: f64,
    /// Sequences of a micro-batch.
    pub micro_batch: usize,
    /// Decay of the average of the weights.
    pub ema_decay: f64,
    /// What the given sequences are of the whole step; none: all of it, in one lane.
    pub part: Option<Part>,
}

impl StepSettings {
    /// What `sequences` are of the whole step.
    pub(super) fn part_of(&self, sequences: &Sequences) -> Part {
        self.part.unwrap_or_else(|| Part::whole(sequences, 1))
    }
}

/// A model in training.
#[derive(Debug)]
pub struct Trainer<B: Backend> {
    /// Sizes and semantics.
    pub config: Config,
    /// Objective of an energy-based model.
    pub objective: Objective,
    /// Settings of the optimiser.
    pub optimizer_config: OptimizerConfig,
    /// Names, shapes and order of the parameters.
    pub layout: ParameterLayout,
    /// The weights, in layout order.
    pub weights: Vec<B::Array>,
    /// The moments of the weights.
    pub optimizer: Optimizer<B::Array>,
    /// The average of the weights over the updates.
    pub average: Average<B::Array>,
    /// Sequences with the states that their rollouts ended in, to be continued: a buffer a lane.
    pub replay: Vec<ReplayBuffer>,
    /// Parameters that no step changes: their weights, moments and averages keep their bits, and their gradients count nowhere, in
    /// the clip neither. Empty in a fresh trainer; the same in all steps of a run.
    pub frozen: Vec<ParameterId>,
    /// Adapters that are trained in place of the parameters; all of these are then [frozen](Self::frozen).
    pub lora: Option<Lora<B::Array>>,
    /// Loss scales, for backends whose numbers need them.
    pub loss_scale: LossScale,
    /// Gradients of the last step, in layout order.
    pub(super) grads: Vec<B::Array>,
    /// Sums of lanes that wait for those after them.
    pub(super) waiting: Vec<Sum<B::Array>>,
    /// What the step takes from the host; none before the first.
    pub(super) inputs: Option<Inputs<B>>,
}

impl<B: Backend> Trainer<B> {
    /// A fresh model: parameters drawn from `seed`.
    pub fn new(b: &B, config: Config, objective: Objective, optimizer: OptimizerConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let weights = ParameterLayout::new(&config).draw(b, seed);
        Self::with_weights(b, config, objective, optimizer, weights)
    }

    /// A model with given weights in layout order, fresh moments and average.
    pub fn with_weights(
        b: &B,
        config: Config,
        objective: Objective,
        optimizer_config: OptimizerConfig,
        weights: Vec<B::Array>,
    ) -> Result<Self> {
        config.validate()?;
        objective.validate()?;
        optimizer_config.validate()?;
        if config.kind == ModelKind::Joint && objective.replay > 0 {
            let rule = "must be 0: a joint model starts every problem afresh";
            return Err(ConfigError { field: "objective.replay", rule, found: Some(objective.replay as f64) }.into());
        }
        let layout = ParameterLayout::new(&config);
        for (e, w) in layout.entries.iter().zip(&weights) {
            if b.shape(w) != (e.rows, e.columns) {
                let message = format!("expected {} x {}, found {:?}", e.rows, e.columns, b.shape(w));
                return Err(Error::Shape { what: e.name.clone(), message });
            }
        }
        let optimizer = Optimizer::new(b, &layout);
        let average = Average::new(b, &weights);
        let grads = layout.entries.iter().map(|e| b.fill(e.rows, e.columns, 0.0)).collect();
        let replay = alloc::vec![ReplayBuffer::new(objective.replay)];
        b.status()?;
        Ok(Self {
            config,
            objective,
            optimizer_config,
            layout,
            weights,
            optimizer,
            average,
            replay,
            frozen: Vec::new(),
            lora: None,
            loss_scale: LossScale::default(),
            grads,
            waiting: Vec::new(),
            inputs: None,
        })
    }

    /// The model with its current weights.
    pub fn model(&self) -> Model<'_, B::Array> {
        Model { config: &self.config, layout: &self.layout, weights: &self.weights }
    }

    /// The gradients of the last step, in layout order. Backends with loss scales leave them scaled by the outer one
    /// after [`Trainer::step`], and at their true size after [`Trainer::gradient`].
    pub fn gradients(&self) -> &[B::Array] {
        &self.grads
    }
}
