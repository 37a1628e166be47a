//! The state file: everything that a run needs to go on as if it had never stopped.
//!
//! `EBTSTATE`, version, header (postcard), replay buffer, then four lists of arrays (weights, both moments, averages),
//! and a CRC-32 of all before. No clock and no path of the run enters, so equal runs write equal files.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use ebt_core::compute::Backend;
use ebt_core::descent::replay_buffer::{ReplayBuffer, ReplayEntry};
use ebt_core::loss_scale::LossScale;
use ebt_core::parameters::ParameterLayout;
use ebt_core::training::Trainer;
use ebt_data::file;
use serde::{Deserialize, Serialize};

use super::bytes::{Reader, Writer};
use crate::run_config::RunConfig;

const MAGIC: &[u8; 8] = b"EBTSTATE";
const VERSION: u64 = 2;

/// A measurement on validation text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Training steps before it.
    pub step: u64,
    /// Bits per byte after the last thinking step.
    pub bits_per_byte: f64,
    /// Bits per byte after every thinking step.
    pub per_step: Vec<f64>,
    /// Number of tokens whose prediction was measured.
    pub tokens: u64,
}

/// Numbers of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    pub tokenizer: u64,
    /// Fingerprint of the training tokens.
    pub train_data: u64,
    /// Fingerprint of the validation tokens.
    pub validation_data: u64,
    /// The last validation.
    pub last: Option<Validation>,
    /// The best validation.
    pub best: Option<Validation>,
    /// The configuration as TOML.
    pub config: String,
    /// Loss scales of half precision.
    pub loss_scale: LossScale,
}

/// A run at rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Counters, seed, configuration and loss scales.
    pub header: Header,
    /// Sequences that the replay buffer has room for.
    pub replay_capacity: usize,
    /// Remembered sequences with their last states `(T, V)`, at most `replay_capacity` of them.
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
            replay_capacity: trainer.objective.replay,
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
        if self.replay_capacity != config.objective.replay {
            bail!("the state remembers {} sequences, not {}", self.replay_capacity, config.objective.replay);
        }
        for i in 0..self.replay.len() {
            let Some(entry) = self.replay.get(i) else { continue };
            let n = entry.tokens.len();
            let starts = entry.starts.is_empty() || entry.starts.len() == n;
            if entry.targets.len() != n || entry.state.len() != n * config.model.vocab || !starts {
                bail!("remembered sequence {i} of the state does not fit the model");
            }
        }
        trainer.replay = self.replay;
        b.status()?;
        Ok(trainer)
    }

    /// Writes the file.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut out = Writer::new(out);
        out.raw(MAGIC)?;
        out.number(VERSION)?;
        let header = postcard::to_allocvec(&self.header).map_err(io::Error::other)?;
        out.bytes(&header)?;
        out.number(self.replay_capacity as u64)?;
        write_replay(&mut out, &self.replay)?;
        for list in [&self.weights, &self.first, &self.second, &self.average] {
            out.number(list.len() as u64)?;
            for array in list {
                out.floats(array)?;
            }
        }
        out.finish()
    }

    /// Reads a file, trusting nothing in it.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = file::map(path)?;
        Self::parse(&bytes).map_err(|error| anyhow!("{} is not usable: {error:#}", path.display()))
    }

    /// Reads the contents of a file.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if !bytes.starts_with(MAGIC) {
            bail!("it is no training state (it does not start with EBTSTATE)");
        }
        let mut input = Reader::new(bytes)?;
        input.raw(MAGIC.len() as u64)?;
        let version = input.number()?;
        if version != VERSION {
            bail!("it has format version {version}, this program reads version {VERSION}");
        }
        let header: Header =
            postcard::from_bytes(input.bytes()?).map_err(|error| anyhow!("its header is damaged: {error}"))?;
        let replay_capacity = usize::try_from(input.number()?)?;
        let replay = read_replay(&mut input, replay_capacity)?;
        let mut lists = [const { Vec::new() }; 4];
        for list in &mut lists {
            for _ in 0..input.number()? {
                list.push(input.floats()?);
            }
        }
        input.finish()?;
        let [weights, first, second, average] = lists;
        Ok(Self { header, replay_capacity, replay, weights, first, second, average })
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

fn write_replay<W: Write>(out: &mut Writer<W>, replay: &ReplayBuffer) -> io::Result<()> {
    out.number(replay.len() as u64)?;
    for entry in (0..replay.len()).filter_map(|i| replay.get(i)) {
        for words in [&entry.tokens, &entry.targets, &entry.starts] {
            out.words(words.iter().copied())?;
        }
        out.floats(&entry.state)?;
    }
    Ok(())
}

fn read_replay(input: &mut Reader<'_>, capacity: usize) -> Result<ReplayBuffer> {
    let len = input.number()?;
    if len > capacity as u64 {
        bail!("it is damaged: {len} remembered sequences of {capacity}");
    }
    let mut replay = ReplayBuffer::new(capacity);
    for _ in 0..len {
        let (tokens, targets, starts) = (input.words()?, input.words()?, input.words()?);
        replay.insert(0, 0, 0, ReplayEntry { tokens, targets, starts, state: input.floats()? });
    }
    Ok(replay)
}
