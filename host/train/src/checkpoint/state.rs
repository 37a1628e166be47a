//! The state file: everything that a run needs to go on as if it had never stopped.
//!
//! A safetensors file, as model files are ([`ebt_model::format`]). Weights, both moments and averages are tensors under the
//! published names behind [`GROUPS`]; sequence `i` of the replay buffer is `replay.i.tokens`, `.targets`, `.starts` (absent
//! where everything is visible) and `.state`. Two strings hold the rest: [`RUN_KEY`] and [`PROGRESS_KEY`]. No clock and no path
//! of the run enters, so equal runs write equal files.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ebt_core::compute::Backend;
use ebt_core::descent::replay_buffer::{ReplayBuffer, ReplayEntry};
use ebt_core::loss_scale::LossScale;
use ebt_core::parameters::ParameterLayout;
use ebt_core::training::Trainer;
use ebt_model::fields::{self, FieldError};
use ebt_model::weights::{Names, layout_for, read_parameters};
use ebt_model::write::{self, Tensor, Values};
use ebt_model::{Dtype, Format, TensorFile};
use serde::{Deserialize, Serialize};

use super::json::{fingerprint, number, numbers};
use crate::run_config::RunConfig;
use crate::run_config::layers::{self, TextError};

/// The training state. Versions 1 and 2 were files of another kind.
pub const FORMAT: Format = Format {
    name: "state",
    what: "training state",
    version: 3,
    keys: &[RUN_KEY, PROGRESS_KEY],
    foreign: || "is a safetensors file, but no training state".into(),
};

/// Metadata key of the configuration of the run, as `config.toml` has it.
pub const RUN_KEY: &str = "ebt_run";
/// Metadata key of where the run stands (JSON of [`Header`]).
pub const PROGRESS_KEY: &str = "ebt_progress";

/// What the names of weights, first and second moments and averages begin with.
pub const GROUPS: [&str; 4] = ["weights.", "first_moments.", "second_moments.", "average."];

/// What the names of the replay buffer begin with.
const REPLAY: &str = "replay.";

/// A measurement on validation text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Validation {
    /// Training steps before it.
    pub step: u64,
    /// Bits per byte after the last thinking step.
    #[serde(deserialize_with = "number")]
    pub bits_per_byte: f64,
    /// Bits per byte after every thinking step.
    #[serde(deserialize_with = "numbers")]
    pub per_step: Vec<f64>,
    /// Number of tokens whose prediction was measured.
    pub tokens: u64,
}

/// Numbers of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Header {
    /// Training steps done; the next step is this one, and so is the next batch.
    pub step: u64,
    /// Training steps of the whole run.
    pub total_steps: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Tokens trained on.
    pub tokens: u64,
    /// Updates of the optimiser.
    pub updates: u64,
    /// Updates of the averaged weights.
    pub average_updates: u64,
    /// Fingerprint of the tokenizer.
    #[serde(with = "fingerprint")]
    pub tokenizer: u64,
    /// Fingerprint of the training tokens.
    #[serde(with = "fingerprint")]
    pub train_data: u64,
    /// Fingerprint of the validation tokens.
    #[serde(with = "fingerprint")]
    pub validation_data: u64,
    /// The last validation.
    pub last: Option<Validation>,
    /// The best validation.
    pub best: Option<Validation>,
    /// The configuration as TOML.
    #[serde(skip)]
    pub config: String,
    /// Loss scales of half precision.
    pub loss_scale: LossScale,
}

impl Header {
    /// The configuration of the run.
    ///
    /// # Errors
    ///
    /// Text that is no configuration; the message names the key.
    pub fn run_config(&self) -> Result<RunConfig> {
        configuration(&self.config, "the training state")
    }

    /// Dotted names of the fields.
    fn names() -> Vec<String> {
        let measured = Some(Validation::default());
        fields::names(&Self { last: measured.clone(), best: measured, ..Self::default() }, "progress")
    }
}

/// The configuration of a run from the text in the state called `name`.
fn configuration(text: &str, name: &str) -> Result<RunConfig> {
    layers::parse(text).map_err(|error| match error {
        TextError::Unknown { key, .. } => anyhow::Error::msg(FieldError::Unknown(key).in_file(&name)),
        TextError::Wrong { message, line } => {
            let line = line.map_or(String::new(), |line| format!(", line {line}"));
            anyhow::anyhow!("the configuration inside {name}{line}: {message}")
        }
    })
}

/// A run at rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Counters, seed, configuration and loss scales.
    pub header: Header,
    /// Remembered sequences with their last states `(T, V)`.
    pub replay: ReplayBuffer,
    /// Weights in layout order.
    pub weights: Vec<Vec<f32>>,
    /// First moments of the optimiser, with the order and shapes of the weights.
    pub first: Vec<Vec<f32>>,
    /// Second moments of the optimiser, with the order and shapes of the weights.
    pub second: Vec<Vec<f32>>,
    /// Averaged weights in layout order: those that evaluation and generation use.
    pub average: Vec<Vec<f32>>,
}

impl State {
    /// Copies a trainer off its device.
    pub fn of<B: Backend>(b: &B, trainer: &Trainer<B>, mut header: Header) -> Result<Self> {
        header.updates = trainer.optimizer.updates;
        header.average_updates = trainer.average.updates;
        header.loss_scale = trainer.loss_scale;
        let copy = |list: &[B::Array]| download(b, list);
        let state = Self {
            header,
            replay: trainer.replay.clone(),
            weights: copy(&trainer.weights),
            first: copy(&trainer.optimizer.first),
            second: copy(&trainer.optimizer.second),
            average: copy(&trainer.average.weights),
        };
        b.status()?;
        Ok(state)
    }

    /// The trainer it was copied from. `config` is the state's configuration.
    pub fn restore<B: Backend>(self, b: &B, config: &RunConfig) -> Result<Trainer<B>> {
        let layout = ParameterLayout::new(&config.model);
        let up = |what: &str, list: &[Vec<f32>]| upload(b, &layout, what, list);
        let weights = up("weights", &self.weights)?;
        let (model, objective) = (config.model.clone(), config.objective.clone());
        let mut trainer = Trainer::with_weights(b, model, objective, config.optimizer.clone(), weights)?;
        trainer.optimizer.first = up("first moments", &self.first)?;
        trainer.optimizer.second = up("second moments", &self.second)?;
        trainer.optimizer.updates = self.header.updates;
        trainer.average.weights = up("averages", &self.average)?;
        trainer.average.updates = self.header.average_updates;
        trainer.loss_scale = self.header.loss_scale;
        if self.replay.capacity() != config.objective.replay {
            bail!("the state remembers {} sequences, not {}", self.replay.capacity(), config.objective.replay);
        }
        trainer.replay = self.replay;
        b.status()?;
        Ok(trainer)
    }

    /// Writes the file, array by array.
    ///
    /// # Errors
    ///
    /// Arrays and remembered sequences that do not fit the configuration, and what `out` refuses.
    pub fn write(&self, out: &mut dyn Write) -> Result<()> {
        let config = self.header.run_config()?;
        config.model.validate()?;
        let layout = ParameterLayout::new(&config.model);
        let (names, lists) = (Names::of(&layout), [&self.weights, &self.first, &self.second, &self.average]);
        let mut tensors = Vec::new();
        for (prefix, list) in GROUPS.iter().zip(lists) {
            tensors.extend(names.tensors(&layout, list, prefix, Dtype::F32).context("the state does not fit its run")?);
        }
        for (i, memory) in (0..self.replay.len()).filter_map(|i| Some((i, self.replay.get(i)?))) {
            tensors.extend(replay_tensors(i, memory, config.model.vocab)?);
        }
        let mut strings = FORMAT.stamp();
        strings.insert(RUN_KEY, self.header.config.clone());
        strings.insert(PROGRESS_KEY, serde_json::to_string(&self.header)?);
        write::write(out, strings, tensors)
    }

    /// Reads a file, trusting nothing in it.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is no sound training state; the message names it.
    pub fn read(path: &Path) -> Result<Self> {
        Self::of_file(&FORMAT.open(path)?)
    }

    /// The same of bytes in memory; `path` names them in messages.
    ///
    /// # Errors
    ///
    /// As [`State::read`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        Self::of_file(&FORMAT.require(TensorFile::from_bytes(path, bytes)?)?)
    }

    fn of_file(file: &TensorFile) -> Result<Self> {
        let path = file.path().display();
        let progress: Option<Header> = file.settings(PROGRESS_KEY, "progress", &Header::names())?;
        let missing = |key: &str| format!("{path} is no whole training state: it has no metadata `{key}`");
        let header = progress.with_context(|| missing(PROGRESS_KEY))?;
        let text = file.text(RUN_KEY).with_context(|| missing(RUN_KEY))?;
        let config = configuration(text, &path.to_string())?;
        let layout = layout_for(file, &config.model)?;
        let mut lists = GROUPS.map(|_| Vec::new());
        for (prefix, list) in GROUPS.iter().zip(&mut lists) {
            let aside =
                |name: &str| name.starts_with(REPLAY) || GROUPS.iter().any(|g| g != prefix && name.starts_with(g));
            *list = read_parameters(file, &layout, prefix, aside, |x| Ok(x as f32))?;
        }
        let replay = read_replay(file, &config)?;
        let [weights, first, second, average] = lists;
        let header = Header { config: text.to_owned(), ..header };
        Ok(Self { header, replay, weights, first, second, average })
    }
}

/// Copies arrays off a device.
pub fn download<B: Backend>(b: &B, list: &[B::Array]) -> Vec<Vec<f32>> {
    let copy = |a: &B::Array| {
        let (rows, columns) = b.shape(a);
        let mut values = vec![0.0; rows * columns];
        b.download(a, &mut values);
        values
    };
    list.iter().map(copy).collect()
}

fn upload<B: Backend>(b: &B, layout: &ParameterLayout, what: &str, list: &[Vec<f32>]) -> Result<Vec<B::Array>> {
    if list.len() != layout.entries.len() {
        bail!("the state holds {} {what}, the model has {} parameters", list.len(), layout.entries.len());
    }
    let mut arrays = Vec::with_capacity(list.len());
    for (entry, values) in layout.entries.iter().zip(list) {
        if values.len() != entry.len() {
            bail!("the {what} of {} are {} values instead of {}", entry.name, values.len(), entry.len());
        }
        arrays.push(b.upload(entry.rows, entry.columns, values));
    }
    Ok(arrays)
}

/// The names of the parts of remembered sequence `i`.
fn replay_names(i: usize) -> [String; 4] {
    ["tokens", "targets", "starts", "state"].map(|part| format!("{REPLAY}{i}.{part}"))
}

fn replay_tensors(i: usize, memory: &ReplayEntry, vocab: usize) -> Result<Vec<Tensor<'_>>> {
    let n = memory.tokens.len();
    let starts = memory.starts.is_empty() || memory.starts.len() == n;
    if memory.targets.len() != n || memory.state.len() != n * vocab || !starts {
        bail!("remembered sequence {i} of the state does not fit the model");
    }
    let [tokens, targets, from, state] = replay_names(i);
    let mut all = Vec::new();
    for (name, words) in [(tokens, &memory.tokens), (targets, &memory.targets), (from, &memory.starts)] {
        if !words.is_empty() {
            all.push(Tensor { name, shape: vec![words.len()], values: Values::Words(words) });
        }
    }
    let values = Values::Floats { values: &memory.state, transposed: None, dtype: Dtype::F32 };
    all.push(Tensor { name: state, shape: vec![n, vocab], values });
    Ok(all)
}

fn read_replay(file: &TensorFile, config: &RunConfig) -> Result<ReplayBuffer> {
    let (path, capacity) = (file.path().display(), config.objective.replay);
    let mut replay = ReplayBuffer::new(capacity);
    let mut left = file.names().filter(|name| name.starts_with(REPLAY)).count();
    while left > 0 {
        let i = replay.len();
        if i == capacity {
            bail!(
                "{path} holds more than the {capacity} remembered sequences of its configuration, or other tensors `{REPLAY}*`"
            );
        }
        let [tokens, targets, starts, state] = replay_names(i);
        let Some(&[n]) = file.shape(&tokens) else {
            bail!("{path} lacks remembered sequence {i}: there is no tensor {tokens} of one dimension");
        };
        let visible = file.shape(&starts).is_some();
        for (name, shape) in [(&targets, &[n][..]), (&state, &[n, config.model.vocab])]
            .into_iter()
            .chain(visible.then_some((&starts, &[n][..])))
        {
            match file.shape(name) {
                Some(found) if found == shape => {}
                Some(found) => bail!("tensor {name} of {path} is {found:?} instead of {shape:?}"),
                None => bail!("{path} lacks remembered sequence {i}: there is no tensor {name}"),
            }
        }
        let memory = ReplayEntry {
            tokens: file.words(&tokens)?,
            targets: file.words(&targets)?,
            starts: if visible { file.words(&starts)? } else { Vec::new() },
            state: file.numbers(&state)?.iter().map(|x| x as f32).collect(),
        };
        left = left.saturating_sub(3 + usize::from(visible));
        replay.insert(0, 0, 0, memory);
    }
    Ok(replay)
}
