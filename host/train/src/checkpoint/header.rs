//! Where a run stands, in numbers.

use anyhow::Result;
use ebt_core::loss_scale::LossScale;
use ebt_model::fields::{self, FieldError};
use serde::{Deserialize, Serialize};

use super::json::{fingerprint, number, numbers};
use crate::boards::Solved;
use crate::restored::{Detection, Restored};
use crate::run_config::RunConfig;
use crate::run_config::layers::{self, TextError};
use crate::task::Task;

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
    /// The boards that were solved, where a run learns boards; the numbers of text are then not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub solved: Option<Solved>,
    /// What is right of a damaged text, where a run learns to restore one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
}

impl Validation {
    /// In a line that tells of a run.
    pub(crate) fn told(&self) -> String {
        if let Some(restored) = &self.restored {
            let right = restored.per_step.last().map_or(0, |right| right.words);
            return format!("  {:.2}% of words", 100.0 * right as f64 / restored.of.words.max(1) as f64);
        }
        match &self.solved {
            Some(solved) => {
                let share = solved.per_step.last().map_or(0.0, |&n| 100.0 * n as f64 / solved.boards.max(1) as f64);
                format!("  solved {share:.1}%")
            }
            None => format!("  validation {:.3} bits/byte", self.bits_per_byte),
        }
    }

    /// Whether it is better than another: fewer bits, more boards solved, or more words right.
    pub fn is_better_than(&self, other: &Self) -> bool {
        if let (Some(mine), Some(other)) = (&self.restored, &other.restored) {
            return mine.per_step.last().map(|right| right.words) > other.per_step.last().map(|right| right.words);
        }
        match (&self.solved, &other.solved) {
            (Some(mine), Some(other)) => mine.per_step.last() > other.per_step.last(),
            _ => self.bits_per_byte < other.bits_per_byte,
        }
    }
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
    /// The model that the run began with; empty where it began afresh.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The last validation.
    pub last: Option<Validation>,
    /// The best validation of those on the same data during the run.
    pub best: Option<Validation>,
    /// Such validations since, none of which was better.
    pub stale: u64,
    /// The configuration as TOML.
    #[serde(skip)]
    pub config: String,
    /// Loss scales of half precision.
    pub loss_scale: LossScale,
}

impl Header {
    /// That of a run of nothing done yet; `toml` is its configuration.
    pub fn new(config: &RunConfig, task: &Task, toml: String) -> Self {
        let prints = task.fingerprints();
        Self {
            total_steps: config.train.steps,
            seed: config.train.seed,
            tokenizer: prints.tokenizer,
            train_data: prints.train,
            validation_data: prints.validation,
            config: toml,
            ..Self::default()
        }
    }

    /// The configuration of the run.
    ///
    /// # Errors
    ///
    /// Text that is no configuration; the message names the key.
    pub fn run_config(&self) -> Result<RunConfig> {
        configuration(&self.config, "the training state")
    }

    /// Dotted names of the fields.
    pub(super) fn names() -> Vec<String> {
        let measured = Some(Validation {
            solved: Some(Solved::default()),
            restored: Some(Restored { detection: Some(Detection::default()), ..Restored::default() }),
            ..Validation::default()
        });
        let from = String::from("a model");
        fields::names(&Self { from, last: measured.clone(), best: measured, ..Self::default() }, "progress")
    }
}

/// The configuration of a run from the text in the state called `name`.
pub(super) fn configuration(text: &str, name: &str) -> Result<RunConfig> {
    layers::parse(text).map_err(|error| match error {
        TextError::Unknown { key, .. } => anyhow::Error::msg(FieldError::Unknown(key).in_file(&name)),
        TextError::Wrong { message, line } => {
            let line = line.map_or(String::new(), |line| format!(", line {line}"));
            anyhow::anyhow!("the configuration inside {name}{line}: {message}")
        }
    })
}
