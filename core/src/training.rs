//! One training step, for either kind of model on any backend: micro-batches, accumulation, clip, update, average,
//! routing bias, replay buffer. The caller brings tokens and keeps time.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use crate::average::Average;
use crate::compute::Backend;
use crate::config::{Config, ModelKind};
use crate::descent::adjoint::{self, Outcome, Target, Trace};
use crate::descent::replay_buffer::{Memory, ReplayBuffer};
use crate::descent::rollout::Scene;
use crate::error::{Error, Result};
use crate::layer::{Geometry, Model};
use crate::objective::Objective;
use crate::optimizer::{Optimizer, OptimizerConfig};
use crate::parameters::{FeedForwardIds, ParameterLayout};
use crate::transformer;

/// Marks a position without a target.
pub const NO_TARGET: u32 = u32::MAX;

/// Sequences of equal length on the caller's side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sequences {
    /// Sequences.
    pub batch: usize,
    /// Positions of each.
    pub context: usize,
    /// Observed tokens `(batch * context)`.
    pub tokens: Vec<u32>,
    /// Next tokens, [`NO_TARGET`] where there is none.
    pub targets: Vec<u32>,
    /// First visible index of every position inside its sequence; empty if all is visible.
    pub starts: Vec<u32>,
}

impl Sequences {
    /// Checks lengths and token ids against a model.
    pub fn validate(&self, config: &Config) -> Result<()> {
        let n = self.batch * self.context;
        let shape = |message: String| Err(Error::Shape { what: String::from("batch"), message });
        if n == 0 || self.tokens.len() != n || self.targets.len() != n {
            return shape(format!(
                "{} sequences of {} need {n} (> 0) tokens and targets, found {} and {}",
                self.batch,
                self.context,
                self.tokens.len(),
                self.targets.len()
            ));
        }
        if !self.starts.is_empty() && self.starts.len() != n {
            return shape(format!("{n} starts expected, found {}", self.starts.len()));
        }
        let bad = |id: u32| id as usize >= config.vocab;
        let refuse = |position: usize, id: u32| Err(Error::Token { id, position, vocabulary: config.vocab });
        if let Some(i) = self.tokens.iter().position(|&id| bad(id)) {
            return refuse(i, self.tokens[i]);
        }
        if let Some(i) = self.targets.iter().position(|&id| id != NO_TARGET && bad(id)) {
            return refuse(i, self.targets[i]);
        }
        if let Some(i) = self.starts.iter().enumerate().position(|(i, &s)| s as usize > i % self.context) {
            return shape(format!("document start {} lies after its own position {i}", self.starts[i]));
        }
        Ok(())
    }

    /// Positions with a target.
    pub fn positions(&self) -> usize {
        self.targets.iter().filter(|&&t| t != NO_TARGET).count()
    }

    /// Rows `first .. first + count` of the sequences.
    pub fn slice(&self, first: usize, count: usize) -> Self {
        let rows = first * self.context..(first + count) * self.context;
        let starts = if self.starts.is_empty() { Vec::new() } else { self.starts[rows.clone()].to_vec() };
        Self {
            batch: count,
            context: self.context,
            tokens: self.tokens[rows.clone()].to_vec(),
            targets: self.targets[rows].to_vec(),
            starts,
        }
    }
}

/// Sequences on the device.
#[derive(Clone, Debug)]
pub struct DeviceSequences<I> {
    tokens: I,
    targets: I,
    starts: Option<I>,
    groups: I,
    batch: usize,
    context: usize,
}

impl<I: Clone> DeviceSequences<I> {
    /// Uploads checked sequences.
    pub fn upload<B: Backend<Index = I>>(b: &B, config: &Config, s: &Sequences) -> Result<Self> {
        s.validate(config)?;
        let per_sequence = config.moe.as_ref().is_none_or(|m| m.seq_aux);
        let groups: Vec<u32> =
            (0..s.tokens.len()).map(|i| if per_sequence { (i / s.context) as u32 } else { 0 }).collect();
        Ok(Self {
            tokens: b.index(&s.tokens),
            targets: b.index(&s.targets),
            starts: (!s.starts.is_empty()).then(|| b.index(&s.starts)),
            groups: b.index(&groups),
            batch: s.batch,
            context: s.context,
        })
    }

    /// Geometry for a model.
    pub fn geometry(&self, config: &Config) -> Geometry<'_, I> {
        Geometry {
            shape: config.attention(self.batch, self.context),
            starts: self.starts.as_ref(),
            groups: &self.groups,
        }
    }

    /// Observed tokens.
    pub fn tokens(&self) -> &I {
        &self.tokens
    }

    /// Next tokens.
    pub fn targets(&self) -> &I {
        &self.targets
    }
}

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
}

/// What a step reports. Counts of steps and tokens are not written out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepReport {
    /// Whole loss.
    pub loss: f64,
    /// Cross entropy part.
    pub reconstruction: f64,
    /// Balance part.
    pub balance: f64,
    /// Contrastive and Lyapunov parts.
    pub extra: f64,
    /// Cross entropy after every descent step.
    pub step_losses: Vec<f64>,
    /// Mean energy before every descent step.
    pub energies: Vec<f64>,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Step size after the update.
    pub alpha: f64,
    /// Descent steps taken.
    #[serde(skip)]
    pub steps: usize,
    /// Tokens per expert, by block with experts.
    #[serde(skip)]
    pub load: Vec<Vec<f64>>,
}

/// A model in training.
#[derive(Debug)]
pub struct Trainer<B: Backend> {
    /// Sizes and semantics.
    pub config: Config,
    /// Objective of an energy-based model.
    pub objective: Objective,
    /// Optimiser settings.
    pub optimizer_config: OptimizerConfig,
    /// Parameter order.
    pub layout: ParameterLayout,
    /// Weights.
    pub weights: Vec<B::Array>,
    /// Moments.
    pub optimizer: Optimizer<B::Array>,
    /// Averaged weights.
    pub average: Average<B::Array>,
    /// Remembered rollouts.
    pub replay: ReplayBuffer,
    grads: Vec<B::Array>,
}

impl<B: Backend> Trainer<B> {
    /// A fresh model: parameters drawn from `seed`.
    pub fn new(b: &B, config: Config, objective: Objective, optimizer: OptimizerConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let layout = ParameterLayout::new(&config);
        let weights = layout
            .entries
            .iter()
            .enumerate()
            .map(|(id, e)| {
                let draw = e.initial(id, seed);
                let values: Vec<f64> = (0..e.len()).map(draw).collect();
                b.upload_f64(e.rows, e.columns, &values)
            })
            .collect();
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
        let replay = ReplayBuffer::new(objective.replay);
        b.status()?;
        Ok(Self { config, objective, optimizer_config, layout, weights, optimizer, average, replay, grads })
    }

    /// The model with its current weights.
    pub fn model(&self) -> Model<'_, B::Array> {
        Model { config: &self.config, layout: &self.layout, weights: &self.weights }
    }

    /// The gradients of the last step, in layout order.
    pub fn gradients(&self) -> &[B::Array] {
        &self.grads
    }

    /// Gradient of the loss over `sequences` without an update, from a given initial state `(n,V)` if there is one.
    /// The replay buffer is left alone. Micro-batches add up to the gradient of the whole.
    pub fn gradient(
        &mut self,
        b: &B,
        sequences: &Sequences,
        settings: &StepSettings,
        initial: Option<&[f64]>,
        trace: bool,
    ) -> Result<(StepReport, Vec<Trace<B::Array>>)> {
        let initial = initial.map_or(Initial::Drawn, Initial::Given);
        let (report, parts) = self.accumulate(b, sequences, settings, initial, trace)?;
        Ok((report, parts.into_iter().filter_map(|p| p.trace).collect()))
    }

    /// One whole training step: gradient, clip, update, average, routing bias, replay buffer.
    ///
    /// On an error the weights are those of before the step.
    pub fn step(&mut self, b: &B, sequences: &Sequences, settings: &StepSettings) -> Result<StepReport> {
        let slots = self.recalled(sequences, settings);
        let sequences = &self.with_recalled(sequences, &slots);
        let states: Vec<Vec<f32>> = slots.iter().filter_map(|&s| self.replay.get(s)).map(|m| m.state.clone()).collect();
        let initial = if states.is_empty() {
            Initial::Drawn
        } else {
            Initial::Recalled { from: sequences.batch - states.len(), states: &states }
        };
        let (mut report, parts) = self.accumulate(b, sequences, settings, initial, false)?;
        let squares = b.sum_squares(&self.grads);
        if !report.loss.is_finite() || !scalar(b, &squares).is_finite() {
            let tensor = if report.loss.is_finite() { self.culprit(b) } else { String::from("the loss") };
            return Err(Error::NonFinite { step: u64::from(settings.step), tensor });
        }
        let norm = self.optimizer.update(
            b,
            &self.layout,
            &self.optimizer_config,
            settings.rate,
            self.objective.learn_alpha,
            &mut self.weights,
            &self.grads,
            &squares,
        );
        self.nudge_routing(b, &report);
        self.average.update(b, &self.weights, settings.ema_decay);
        report.gradient_norm = scalar(b, &norm);
        report.alpha = self.layout.energy.map_or(0.0, |ids| scalar(b, &self.weights[ids.alpha]));
        self.remember(b, sequences, &slots, settings, &parts);
        b.status()?;
        Ok(report)
    }

    /// Adds up the gradients of all micro-batches.
    fn accumulate(
        &mut self,
        b: &B,
        sequences: &Sequences,
        settings: &StepSettings,
        initial: Initial<'_>,
        trace: bool,
    ) -> Result<(StepReport, Vec<Part<B::Array>>)> {
        sequences.validate(&self.config)?;
        for g in &mut self.grads {
            b.clear(g);
        }
        let positions = sequences.positions();
        if positions == 0 {
            let message = String::from("no position has a target");
            return Err(Error::Shape { what: String::from("batch"), message });
        }
        let steps = match self.config.kind {
            ModelKind::Ebt => self.objective.steps(settings.seed, settings.step),
            ModelKind::Transformer => 1,
        };
        let mut report = StepReport { steps, ..StepReport::default() };
        let mut parts = Vec::new();
        let mut first = 0;
        while first < sequences.batch {
            let count = settings.micro_batch.max(1).min(sequences.batch - first);
            let device = DeviceSequences::upload(b, &self.config, &sequences.slice(first, count))?;
            let target = Target {
                targets: &device.targets,
                positions: positions as f64,
                share: count as f64 / sequences.batch as f64,
            };
            let model = Model { config: &self.config, layout: &self.layout, weights: &self.weights };
            let geometry = device.geometry(&self.config);
            if self.config.kind == ModelKind::Transformer {
                let loss = transformer::gradient(b, model, geometry, &device.tokens, target, &mut self.grads);
                report.add_baseline(b, &loss);
            } else {
                let scene = Scene {
                    b,
                    model,
                    geometry,
                    tokens: &device.tokens,
                    objective: &self.objective,
                    seed: settings.seed,
                    step: settings.step,
                    first_row: (first * sequences.context) as u64,
                    steps,
                };
                let y = initial.build(&scene, first, count, sequences.context);
                let mut outcome = adjoint::gradient(scene, target, y, &mut self.grads, trace)?;
                report.add(b, &outcome, count as f64 / sequences.batch as f64);
                let last = (self.objective.replay > 0).then_some(outcome.last);
                parts.push(Part { first, last, trace: outcome.trace.take() });
            }
            first += count;
        }
        report.loss = report.reconstruction + report.balance + report.extra;
        b.status()?;
        Ok((report, parts))
    }

    /// Buffer slots that this step continues.
    fn recalled(&self, sequences: &Sequences, settings: &StepSettings) -> Vec<usize> {
        let wanted = self.replay.wanted(sequences.batch, self.objective.replay_share);
        let mut slots = self.replay.choose(settings.seed, settings.step, wanted);
        slots.retain(|&s| self.replay.get(s).is_some_and(|m| m.tokens.len() == sequences.context));
        slots
    }

    /// `sequences` with its last ones replaced by the remembered.
    fn with_recalled(&self, sequences: &Sequences, slots: &[usize]) -> Sequences {
        let mut all = sequences.clone();
        let t = all.context;
        let from = all.batch - slots.len();
        for (i, memory) in slots.iter().filter_map(|&s| self.replay.get(s)).enumerate() {
            let rows = (from + i) * t..(from + i + 1) * t;
            all.tokens[rows.clone()].copy_from_slice(&memory.tokens);
            all.targets[rows.clone()].copy_from_slice(&memory.targets);
            if !memory.starts.is_empty() && all.starts.is_empty() {
                all.starts = alloc::vec![0; all.tokens.len()];
            }
            if !all.starts.is_empty() {
                for (to, from) in all.starts[rows].iter_mut().zip(memory.starts.iter().chain(core::iter::repeat(&0))) {
                    *to = *from;
                }
            }
        }
        all
    }

    /// Puts last states into the buffer: continued sequences back to their slots, new ones over random slots.
    fn remember(
        &mut self,
        b: &B,
        sequences: &Sequences,
        slots: &[usize],
        settings: &StepSettings,
        parts: &[Part<B::Array>],
    ) {
        let (t, v) = (sequences.context, self.config.vocab);
        let from = sequences.batch - slots.len();
        for part in parts {
            let Some(last) = &part.last else { continue };
            let mut values = alloc::vec![0.0f32; b.shape(last).0 * v];
            b.download(last, &mut values);
            for (i, state) in values.chunks_exact(t * v).enumerate() {
                let row = part.first + i;
                let one = sequences.slice(row, 1);
                let memory =
                    Memory { tokens: one.tokens, targets: one.targets, starts: one.starts, state: state.to_vec() };
                match row.checked_sub(from).and_then(|k| slots.get(k)) {
                    Some(&slot) => self.replay.put(slot, memory),
                    None => self.replay.insert(settings.seed, settings.step, row as u64, memory),
                }
            }
        }
    }

    /// Auxiliary-loss-free balancing (arXiv 2408.15664): every routing bias moves by `bias_rate` against the sign of
    /// its expert's load error.
    fn nudge_routing(&mut self, b: &B, report: &StepReport) {
        let Some(moe) = self.config.moe.as_ref().filter(|m| m.bias_rate > 0.0) else { return };
        let biases = self.layout.blocks.iter().filter_map(|block| match block.feed_forward {
            FeedForwardIds::Mixture { bias, .. } => Some(bias),
            FeedForwardIds::Dense(_) => None,
        });
        for (bias, load) in biases.zip(&report.load) {
            let mean = load.iter().sum::<f64>() / load.len() as f64;
            let nudge: Vec<f64> = load.iter().map(|&l| moe.bias_rate * sign(mean - l)).collect();
            let nudge = b.upload_f64(1, load.len(), &nudge);
            b.collect(&mut self.weights[bias], &nudge);
        }
    }

    /// The first parameter whose gradient is not finite.
    fn culprit(&self, b: &B) -> String {
        let bad = self
            .layout
            .entries
            .iter()
            .zip(&self.grads)
            .find(|(_, g)| !scalar(b, &b.sum_squares(core::slice::from_ref(*g))).is_finite());
        bad.map_or_else(|| String::from("the gradient"), |(e, _)| format!("the gradient of {}", e.name))
    }
}

/// What one micro-batch leaves behind.
struct Part<T> {
    first: usize,
    last: Option<T>,
    trace: Option<Trace<T>>,
}

/// Where initial states come from.
enum Initial<'a> {
    Drawn,
    Given(&'a [f64]),
    /// Sequences `from ..` continue these states.
    Recalled {
        from: usize,
        states: &'a [Vec<f32>],
    },
}

impl Initial<'_> {
    /// State of sequences `first .. first + count`.
    fn build<B: Backend>(&self, scene: &Scene<'_, B>, first: usize, count: usize, context: usize) -> B::Array {
        let (b, v) = (scene.b, scene.model.config.vocab);
        match self {
            Initial::Drawn => scene.initial(),
            Initial::Given(y) => {
                let rows = first * context * v..(first + count) * context * v;
                b.upload_f64(count * context, v, &y[rows])
            }
            Initial::Recalled { from, states } => {
                let fresh = from.saturating_sub(first).min(count) * context;
                if fresh == count * context {
                    return scene.initial();
                }
                let skip = first.saturating_sub(*from);
                let recalled: Vec<f32> =
                    states.iter().skip(skip).take(count - fresh / context).flatten().copied().collect();
                let recalled = b.upload(count * context - fresh, v, &recalled);
                if fresh == 0 {
                    return recalled;
                }
                let mut y = b.fill(count * context, v, 0.0);
                let index = |rows: core::ops::Range<usize>| b.index(&rows.map(|r| r as u32).collect::<Vec<_>>());
                b.collect_scatter(&mut y, &index(0..fresh), &b.slice_rows(&scene.initial(), 0, fresh));
                b.collect_scatter(&mut y, &index(fresh..count * context), &recalled);
                y
            }
        }
    }
}

impl StepReport {
    fn add<B: Backend>(&mut self, b: &B, o: &Outcome<B::Array>, share: f64) {
        self.reconstruction += scalar(b, &o.reconstruction);
        self.balance += scalar(b, &o.balance);
        self.extra += scalar(b, &o.extra);
        let n = o.energies.len();
        self.step_losses.resize(n, 0.0);
        self.energies.resize(n, 0.0);
        for i in 0..n {
            let rows = b.shape(&o.energies[i]).0 as f64;
            self.step_losses[i] += scalar(b, &o.step_losses[i]);
            self.energies[i] += share * scalar(b, &b.sum_rows(&o.energies[i])) / rows;
        }
        self.add_load(b, &o.load);
    }

    fn add_baseline<B: Backend>(&mut self, b: &B, o: &transformer::TransformerLoss<B::Array>) {
        self.reconstruction += scalar(b, &o.reconstruction);
        self.balance += scalar(b, &o.balance);
        self.step_losses = [self.reconstruction].to_vec();
        self.add_load(b, &o.load);
    }

    fn add_load<B: Backend>(&mut self, b: &B, load: &[Option<B::Array>]) {
        for (i, load) in load.iter().flatten().enumerate() {
            let mut counts = alloc::vec![0.0; b.shape(load).1];
            b.download_f64(load, &mut counts);
            match self.load.get_mut(i) {
                Some(sum) => sum.iter_mut().zip(&counts).for_each(|(s, c)| *s += c),
                None => self.load.push(counts),
            }
        }
    }
}

/// Reads a `(1,1)` matrix.
pub fn scalar<B: Backend>(b: &B, a: &B::Array) -> f64 {
    let mut out = [f64::NAN];
    b.download_f64(a, &mut out);
    out[0]
}

fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}
