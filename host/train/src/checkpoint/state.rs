//! The state file: everything that a run needs to go on as if it had never stopped.
//!
//! A safetensors file, as model files are ([`ebt_model::format`]). Weights, both moments and averages are tensors under the
//! published names behind [`GROUPS`]; sequence `i` of the replay buffer is `replay.i.tokens`, `.targets`, `.starts` (absent
//! where everything is visible) and `.state`; adapters are `lora.weights.NAME.a` and `.b` (transposed), `lora.first.*`, `lora.second.*`, and
//! what they are added to is `lora.base.*`. Two strings hold the rest: [`RUN_KEY`] and [`PROGRESS_KEY`]. No clock and no path
//! of the run enters, so equal runs write equal files.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ebt_core::compute::Backend;
use ebt_core::descent::replay_buffer::ReplayBuffer;
use ebt_core::parameters::ParameterLayout;
use ebt_core::training::Trainer;
use ebt_model::weights::{Names, layout_for, read_parameters};
use ebt_model::write;
use ebt_model::{Dtype, Format, TensorFile};

use super::adapters::{Adapters, LORA};
use super::arrays::download;
use super::header::{Header, configuration};
use super::replay::{REPLAY, read_replay, replay_tensors};
use crate::adapt::attach;
use crate::run_config::RunConfig;

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
    /// Adapters, where a run trains these; none before it has begun to.
    pub lora: Option<Adapters>,
}

impl State {
    /// A run that begins with weights in layout order: nothing is done yet, moments are zero, the average is where the weights are.
    pub fn beginning(header: Header, config: &RunConfig, weights: Vec<Vec<f32>>) -> Self {
        let zeros: Vec<Vec<f32>> = weights.iter().map(|values| vec![0.0; values.len()]).collect();
        let replay = ReplayBuffer::new(config.objective.replay);
        Self { header, replay, first: zeros.clone(), second: zeros, average: weights.clone(), weights, lora: None }
    }

    /// Copies a trainer off its device; of a rank among many the replay buffers of its own lanes.
    pub fn of<B: Backend>(b: &B, trainer: &Trainer<B>, mut header: Header) -> Result<Self> {
        header.updates = trainer.optimizer.updates;
        header.average_updates = trainer.average.updates;
        header.loss_scale = trainer.loss_scale;
        let copy = |list: &[B::Array]| download(b, list);
        let state = Self {
            header,
            replay: ReplayBuffer::join(&trainer.replay),
            weights: copy(&trainer.weights),
            first: copy(&trainer.optimizer.first),
            second: copy(&trainer.optimizer.second),
            average: copy(&trainer.average.weights),
            lora: trainer.lora.as_ref().map(|lora| Adapters::of(b, lora)),
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
        attach(b, &mut trainer, config)?;
        match (&self.lora, &mut trainer.lora) {
            (Some(adapters), Some(lora)) => adapters.restore(b, lora)?,
            (None, Some(_)) if self.header.step > 0 => bail!("the state holds no adapters"),
            _ => {}
        }
        if self.replay.capacity() != config.objective.replay {
            bail!("the state remembers {} sequences, not {}", self.replay.capacity(), config.objective.replay);
        }
        let (remembered, lanes) = (self.replay.len(), config.train.lanes());
        trainer.replay = self
            .replay
            .split(lanes)
            .with_context(|| format!("the state remembers {remembered} sequences, which {lanes} lanes cannot share"))?;
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
        if let (Some(adapters), Some(lora)) = (&self.lora, &config.lora) {
            tensors.extend(adapters.tensors(&layout, lora)?);
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
            let aside = |name: &str| {
                [REPLAY, LORA].iter().any(|aside| name.starts_with(aside))
                    || GROUPS.iter().any(|g| g != prefix && name.starts_with(g))
            };
            *list = read_parameters(file, &layout, prefix, aside, |x| Ok(x as f32))?;
        }
        let replay = read_replay(file, &config)?;
        let lora = Adapters::read(file, &layout, config.lora.as_ref())?;
        let [weights, first, second, average] = lists;
        let header = Header { config: text.to_owned(), ..header };
        Ok(Self { header, replay, weights, first, second, average, lora })
    }
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
