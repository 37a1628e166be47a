//! What a session is given and what it gives back.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use ebt_data::program;
use ebt_ranks::Collective;
use serde::Serialize;

use crate::checkpoint::{State, Validation};
use crate::run_config::RunConfig;
use crate::task::Task;

/// Name of the configuration in the folder of a run.
pub const CONFIG_FILE: &str = "config.toml";
/// Name of the metrics in the folder of a run.
pub const METRICS_FILE: &str = "metrics.jsonl";
/// Name of the model of the best validation in the folder of a run.
pub const BEST_FILE: &str = "best.ebt";

/// What a session needs.
#[derive(Debug)]
pub struct Session<'a, B> {
    /// Where to compute.
    pub backend: &'a B,
    /// The ranks that train together; every one of them has a session with the same configuration and data.
    pub ranks: &'a dyn Collective,
    /// What to train; valid, with its vocabulary filled in ([`RunConfig::load_data`]).
    pub config: &'a RunConfig,
    /// What it learns.
    pub task: &'a Task,
    /// Folder of the run; read and written by the first rank alone.
    pub out: &'a Path,
    /// A checkpoint to go on from, checked against configuration and data; that of the first rank counts.
    pub resume: Option<State>,
    /// Set from outside: finish the step, save, return.
    pub stop: &'a AtomicBool,
    /// Training steps after which to save and return as if stopped.
    pub stop_after: Option<u64>,
    /// When the invocation started: the time limit counts from here.
    pub started: Instant,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All steps are done.
    Finished,
    /// The time is up.
    TimeUp,
    /// Somebody asked to stop.
    Stopped,
    /// As many validations as `train.patience` says were no better than the best one.
    OutOfPatience,
}

/// What a run learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Learns {
    /// The next token of a text.
    Text,
    /// The letters of a damaged text.
    Letters,
    /// The unknown cells of boards.
    Boards,
}

/// What a session achieved.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// What the run learns.
    pub learns: Learns,
    /// Why it ended.
    pub ending: Ending,
    /// Training steps done so far, over all invocations of the run.
    pub step: u64,
    /// Steps of the run.
    pub total_steps: u64,
    /// Trained values of the model.
    pub parameters: usize,
    /// Tokens trained on, over all invocations; padding does not count.
    pub tokens: u64,
    /// Tokens a second of training steps in this invocation.
    pub tokens_per_second: f64,
    /// Share of the time of these steps that was spent waiting for data, from 0 to 1.
    pub data_wait: f64,
    /// Seconds of this invocation.
    pub seconds: f64,
    /// Bits per byte of a unigram table on the text of `validation`; counted on at most 16 Mi tokens of training text.
    pub unigram: f64,
    /// Bits per byte of a bigram table on it.
    pub bigram: f64,
    /// The whole validation text, or what the time limit allowed of it; none if stopped.
    pub validation: Option<Validation>,
    /// The best validation during the run, if there was one.
    pub best: Option<Validation>,
    /// The model of it, where it is kept.
    pub best_model: Option<PathBuf>,
    /// Folder of the run.
    pub out: PathBuf,
    /// The averaged model: in the folder of the run, or in its last checkpoint where another program used the file that was
    /// to be replaced.
    pub model: PathBuf,
}

/// A path as an argument for the shell of this system.
pub fn quoted(path: &Path) -> String {
    program::argument(&path.display().to_string())
}

/// The command that goes on with a run.
pub fn resume_command(out: &Path) -> String {
    format!("{} train --resume {}", program::name(), quoted(out))
}
