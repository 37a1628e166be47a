//! One invocation of training: from a fresh model or a checkpoint to the end of the run, of the time, or an interrupt.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, Result};
use ebt_core::compute::Backend;
use ebt_data::Dataset;
use ebt_data::baselines::{self, Counts};
use ebt_data::file;
use serde::Serialize;

use super::run::Run;
use crate::checkpoint::{State, Validation};
use crate::model::MODEL_FILE;
use crate::progress::Observer;
use crate::run_config::RunConfig;

/// Name of the configuration in the folder of a run.
pub const CONFIG_FILE: &str = "config.toml";
/// Name of the metrics in the folder of a run.
pub const METRICS_FILE: &str = "metrics.jsonl";

/// What a session needs.
#[derive(Debug)]
pub struct Session<'a, B> {
    /// Where to compute.
    pub backend: &'a B,
    /// What to train; valid, with its vocabulary filled in ([`RunConfig::load_data`]).
    pub config: &'a RunConfig,
    /// Text and tokenizer.
    pub data: &'a Dataset,
    /// Folder of the run.
    pub out: &'a Path,
    /// A checkpoint to go on from, checked against configuration and data.
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
}

/// What a session achieved.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Why it ended.
    pub ending: Ending,
    /// Steps done.
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
    /// Folder of the run.
    pub out: PathBuf,
    /// The averaged model.
    pub model: PathBuf,
}

/// Trains.
pub fn session<B: Backend>(session: Session<'_, B>, observer: &mut dyn Observer) -> Result<Summary> {
    let (config, data, out) = (session.config, session.data, session.out);
    std::fs::create_dir_all(out).with_context(|| format!("cannot create the folder {}", out.display()))?;
    let toml = config.to_toml()?;
    file::write(&out.join(CONFIG_FILE), |to| Ok(to.write_all(toml.as_bytes())?))?;
    let counts = Counts::new(&data.train, config.model.vocab)?;
    let some = data.validation.sample(baselines::SAMPLE as usize, config.model.context, &data.tokenizer)?;
    let mut baselines = counts.measure(&some)?;
    let mut run = Run::start(session, toml)?;
    run.describe(baselines, observer);
    observer.start(run.header.step, run.header.total_steps);
    let ended = run.train(observer);
    observer.finish();
    let ending = ended?;
    let validation = match run.conclude(ending, observer)? {
        Some((validation, text)) => {
            baselines = counts.measure(&text)?;
            Some(validation)
        }
        None => None,
    };
    Ok(Summary {
        ending,
        step: run.header.step,
        total_steps: run.header.total_steps,
        parameters: run.trainer.layout.count(),
        tokens: run.header.tokens,
        tokens_per_second: run.speed(),
        data_wait: run.data_wait(),
        seconds: run.session.started.elapsed().as_secs_f64(),
        unigram: baselines.unigram,
        bigram: baselines.bigram,
        validation,
        out: out.to_path_buf(),
        model: out.join(MODEL_FILE),
    })
}
