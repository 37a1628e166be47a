//! The configuration of a training run: what is built, what is minimised, on which text, for how long.
//!
//! A configuration is put together in layers, later ones winning: preset, file, `--set`, flags ([`layers`]).

mod edits;
pub mod freeze;
pub mod keys;
pub mod layers;
mod lora;
mod names;
pub mod presets;
mod restore;
mod start;
mod sudoku;

use anyhow::{Context, Result, bail};
use ebt::packed::Storage;
use ebt_core::config::Config;
use ebt_core::error::Error;
use ebt_core::objective::Objective;
use ebt_core::optimizer::OptimizerConfig;
use ebt_core::parameters::ParameterLayout;
use ebt_core::schedule::Schedule;
use ebt_data::program;
use ebt_data::{BatchOptions, Batches, DataConfig, Dataset, Documents, Worker};
use ebt_tokenizer::Special;
use serde::{Deserialize, Serialize};

pub use layers::Layers;
pub use lora::LoraConfig;
pub use restore::RestoreConfig;
pub use start::StartConfig;
pub use sudoku::SudokuConfig;

/// Everything a run depends on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// Sizes and semantics of the model.
    pub model: Config,
    /// Rollout and loss.
    pub objective: Objective,
    /// Moments, weight decay and clipping of AdamW.
    pub optimizer: OptimizerConfig,
    /// Learning rate over the run.
    pub schedule: Schedule,
    /// How weights are drawn.
    pub start: StartConfig,
    /// Batches, length, checkpoints.
    pub train: TrainConfig,
    /// Adapters, where these alone are trained.
    pub lora: Option<LoraConfig>,
    /// Text and tokenizer.
    pub data: DataConfig,
    /// Boards, where a joint model learns those.
    pub sudoku: Option<SudokuConfig>,
    /// Damage, where a joint model learns to restore text.
    pub restore: Option<RestoreConfig>,
}

/// Batches, length, checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Keys all randomness of the run.
    pub seed: u64,
    /// Sequences of a micro-batch.
    pub batch: usize,
    /// Micro-batches of a training step; their gradients add up to that of one batch.
    pub accumulate: usize,
    /// Groups of micro-batches whose gradients are added by a fixed tree, so that a run on any number of ranks that shares them
    /// out evenly has the same bits; 0 = as many as a new run has ranks.
    pub lanes: usize,
    /// How ranks add their gradients.
    pub sums: Sums,
    /// Positions of a sequence; 0 = `model.context`.
    pub context: usize,
    /// Wall-clock limit of one invocation in minutes, everything included; none = no limit.
    pub minutes: Option<f64>,
    /// Training steps of the whole run; the learning-rate schedule ends here.
    pub steps: u64,
    /// Decay of the average of the weights.
    pub ema: f64,
    /// Steps between validations; 0 = only at the end.
    pub validate_every: u64,
    /// Most validation tokens of a check during the run; 0 = all. The check at the end uses all.
    pub validate_tokens: usize,
    /// Steps between checkpoints; 0 = only at the end.
    pub checkpoint_every: u64,
    /// Newest checkpoints that are kept.
    pub keep_checkpoints: usize,
    /// Whether the model of the best validation is kept, as `best.ebt` in the folder of the run.
    pub keep_best: bool,
    /// Validations in a row that are no better than the best one, after which the run ends; none = it goes on to its last step.
    pub patience: Option<u64>,
    /// Names of weights, or what such names begin with, that keep their values: `embeddings`, `blocks.0`.
    pub freeze: Vec<String>,
    /// What records the run beside `metrics.jsonl`.
    pub log: Vec<Log>,
    /// CPU threads; none = all cores.
    pub threads: Option<usize>,
    /// Numbers of activations and products; weights, gradients and sums are always single.
    pub precision: Precision,
    /// What a packed model will hold its matrices in: energies and gradients are those of matrices rounded to it, so that the model
    /// learns to do with these; what is trained stays single. f32 = nothing is rounded.
    pub storage: Storage,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            batch: 16,
            accumulate: 1,
            lanes: 0,
            sums: Sums::Fixed,
            context: 0,
            minutes: None,
            steps: 1000,
            ema: 0.999,
            validate_every: 100,
            validate_tokens: 16_384,
            checkpoint_every: 100,
            keep_checkpoints: 2,
            keep_best: false,
            patience: None,
            freeze: Vec::new(),
            log: Vec::new(),
            threads: None,
            precision: Precision::Auto,
            storage: Storage::F32,
        }
    }
}

/// What records a run beside its metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// Files of events for TensorBoard, in the folder `tensorboard` of the run
    Tensorboard,
}

/// How ranks add their gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sums {
    /// In the order of the canonical tree: the same bits for any number of ranks
    #[default]
    Fixed,
    /// As MPI or NCCL finds fastest: the same bits on all ranks, others for other numbers and places of ranks
    Fast,
}

/// Numbers to compute with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// f32 on the processor; bf16 on a GPU that has it, else f16
    #[default]
    Auto,
    /// IEEE single
    F32,
    /// IEEE single, products with 10-bit mantissas; GPU only
    Tf32,
    /// Brain float; on the processor in products alone, faster than f32 with AMX or AMD's AVX512-BF16
    Bf16,
    /// IEEE half with dynamic loss scaling; GPU only
    F16,
}

impl Precision {
    /// Name as written in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }
}

/// Most threads of the processor: no machine gains from more.
pub const MOST_THREADS: usize = 1024;

/// Most lanes.
const MOST_LANES: usize = 4096;

/// Largest stride: far beyond any context, far below what overflows.
const MOST_STRIDE: usize = 1 << 31;

impl RunConfig {
    /// Positions of a training sequence.
    pub fn context(&self) -> usize {
        if self.train.context == 0 { self.model.context } else { self.train.context }
    }

    /// The same with a token embedding that is drawn as its model has it and learns as fast as the rest.
    #[must_use]
    pub fn with_plain_embedding(mut self) -> Self {
        self.start.embedding = None;
        self.optimizer.embedding_rate = 1.0;
        self
    }

    /// Sequences of a training step.
    pub fn sequences(&self) -> usize {
        self.train.batch * self.train.accumulate
    }

    /// Tokens of a training step.
    pub fn tokens_per_step(&self) -> u64 {
        (self.sequences() * self.context()) as u64
    }

    /// Takes the vocabulary from the tokenizer where it is left open (0), and refuses a different one.
    pub fn fit_vocabulary(&mut self, size: usize) -> Result<()> {
        if self.model.vocab == 0 {
            self.model.vocab = size;
        }
        if self.model.vocab != size {
            bail!(
                "`model.vocab` is {}, but the tokenizer has {size} tokens: leave `model.vocab` out (or 0) to take the tokenizer's",
                self.model.vocab
            );
        }
        Ok(())
    }

    /// The batches of a run on `data`, those of one of the workers that share every step.
    pub fn batches(&self, data: &Dataset, worker: Worker) -> Batches {
        let options = BatchOptions {
            batch: self.sequences() / worker.world.max(1) as usize,
            context: self.context(),
            stride: self.data.stride,
            documents: self.data.documents,
            isolate: self.data.isolate_documents,
            pad: data.tokenizer.special(Special::Pad).unwrap_or_default(),
            seed: self.train.seed,
            worker,
        };
        Batches::new(&data.train, options)
    }

    /// Refuses what cannot be run, naming the field.
    pub fn validate(&self) -> Result<()> {
        self.model.validate().map_err(|error| match error {
            Error::Config(error) => {
                anyhow::anyhow!("configuration field `model.{}`: {}", error.field, error.reason())
            }
            other => anyhow::Error::new(other),
        })?;
        self.objective.validate()?;
        self.optimizer.validate()?;
        self.schedule_is_sane()?;
        self.start.validate()?;
        self.train.validate(self.model.context)?;
        let layout = ParameterLayout::new(&self.model);
        freeze::frozen(&layout, &self.train.freeze)?;
        if let Some(lora) = &self.lora {
            lora.adapted(&layout)?;
            if self.train.storage != Storage::F32 {
                bail!(
                    "configuration field `train.storage`: with a section `lora` the matrices themselves are not trained; leave one of them out"
                );
            }
            if !self.train.freeze.is_empty() {
                bail!(
                    "configuration field `train.freeze`: with a section `lora` only adapters are trained; leave one of them out"
                );
            }
        }
        if !self.objective.replay.is_multiple_of(self.train.lanes()) {
            bail!(
                "configuration field `objective.replay`: {} remembered sequences cannot be shared by {} lanes (`train.lanes`)",
                self.objective.replay,
                self.train.lanes
            );
        }
        self.data_is_sane()
    }

    fn data_is_sane(&self) -> Result<()> {
        if self.data.stride > MOST_STRIDE {
            bail!("configuration field `data.stride`: must be at most {MOST_STRIDE}, got {}", self.data.stride);
        }
        // the balance of experts is taken over all positions, those of padding included
        let balanced = self.model.moe.as_ref().filter(|moe| moe.aux_coeff > 0.0 || moe.bias_rate > 0.0);
        if self.data.documents == Documents::Padded && balanced.is_some() {
            bail!(
                "configuration field `data.documents`: \"padded\" rows would count in the balance of experts; \
                 set `model.moe.aux_coeff` and `model.moe.bias_rate` to 0, or use \"packed\""
            );
        }
        Ok(())
    }

    fn schedule_is_sane(&self) -> Result<()> {
        let s = &self.schedule;
        if !(s.rate.is_finite() && s.rate > 0.0) {
            bail!("configuration field `schedule.rate`: must be positive, got {}", s.rate);
        }
        if !(s.min_scale.is_finite() && s.min_scale >= 1.0) {
            bail!("configuration field `schedule.min_scale`: must be at least 1, got {}", s.min_scale);
        }
        Ok(())
    }

    /// The configuration as a TOML document that [`Layers`] reads back.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).context("cannot write the configuration as TOML")
    }
}

impl TrainConfig {
    /// Lanes of a step; 1 where they were left open.
    pub fn lanes(&self) -> usize {
        self.lanes.max(1)
    }

    /// Lays a new run out for so many ranks: lanes that were left open become as many, and where they do not share the
    /// micro-batches of a step, its sequences are cut into as many as there are lanes; the sentence says so.
    ///
    /// # Errors
    ///
    /// Sequences that cannot be shared evenly.
    pub fn share_among(&mut self, world: usize) -> Result<Option<String>> {
        if self.lanes == 0 {
            self.lanes = world;
        }
        let (batch, accumulate, lanes) = (self.batch, self.accumulate, self.lanes);
        if accumulate.is_multiple_of(lanes) {
            return Ok(None);
        }
        let all = batch.saturating_mul(accumulate);
        if !all.is_multiple_of(lanes) {
            bail!(
                "configuration field `train.lanes`: {lanes} lanes cannot share a step of {accumulate} x {batch} sequences \
                 (`train.accumulate`, `train.batch`) evenly"
            );
        }
        (self.accumulate, self.batch) = (lanes, all / lanes);
        Ok(Some(format!(
            "a step of {accumulate} x {batch} sequences is computed as {lanes} x {} (`train.accumulate`, `train.batch`)",
            self.batch
        )))
    }

    /// Refuses a number of threads that cannot be had, naming the field.
    ///
    /// # Errors
    ///
    /// None, and more than [`MOST_THREADS`].
    pub fn validate_threads(&self) -> Result<()> {
        match self.threads {
            Some(n) if !(1..=MOST_THREADS).contains(&n) => {
                bail!("configuration field `train.threads`: must be between 1 and {MOST_THREADS}, got {n}")
            }
            _ => Ok(()),
        }
    }

    fn validate(&self, longest: usize) -> Result<()> {
        let between = |field: &str, value: u64, low: u64, high: u64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            bail!("configuration field `train.{field}`: must be between {low} and {high}, got {value}")
        };
        between("seed", self.seed, 0, i64::MAX as u64)?;
        between("batch", self.batch as u64, 1, 1 << 20)?;
        between("accumulate", self.accumulate as u64, 1, 1 << 20)?;
        between("lanes", self.lanes as u64, 0, MOST_LANES as u64)?;
        if !self.accumulate.is_multiple_of(self.lanes()) {
            bail!(
                "configuration field `train.lanes`: {} lanes do not share {} micro-batches (`train.accumulate`) evenly",
                self.lanes,
                self.accumulate
            );
        }
        between("steps", self.steps, 1, u64::from(u32::MAX))?;
        between("keep_checkpoints", self.keep_checkpoints as u64, 1, 1 << 20)?;
        self.validate_threads()?;
        if let Some(patience) = self.patience {
            between("patience", patience, 1, u64::from(u32::MAX))?;
            if self.validate_every == 0 {
                bail!(
                    "configuration field `train.patience`: it counts validations, of which there are none (`train.validate_every` is 0)"
                );
            }
        }
        if self.log.contains(&Log::Tensorboard) && !cfg!(feature = "tensorboard") {
            return Err(program::lacks("`train.log`: writing events for TensorBoard", "tensorboard"));
        }
        if self.context > longest {
            bail!(
                "configuration field `train.context`: {} positions are more than `model.context`, {longest}",
                self.context
            );
        }
        if !(0.0..1.0).contains(&self.ema) {
            bail!("configuration field `train.ema`: must be in [0, 1), got {}", self.ema);
        }
        if let Some(minutes) = self.minutes
            && !(minutes.is_finite() && minutes > 0.0)
        {
            bail!("configuration field `train.minutes`: must be positive, got {minutes}");
        }
        let context = if self.context == 0 { longest } else { self.context };
        let rows = (self.batch as u64 * self.accumulate as u64).saturating_mul(context as u64);
        if rows > 1 << 31 {
            bail!("configuration field `train.batch`: {rows} tokens a step are too many (at most 2^31)");
        }
        Ok(())
    }
}
