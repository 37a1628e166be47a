//! Training and evaluation on a device.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::layer::Model;
use ebt_data::Tokens;
use ebt_data::progress::{Progress, eprint_line};
use ebt_model::LoadedModel;
use ebt_tokenizer::Tokenizer;
use ebt_train::checkpoint::State;
use ebt_train::evaluate::{EvaluateOptions, Evaluation, evaluate_tokens};
use ebt_train::run_config::RunConfig;
use ebt_train::session::{RateSearch, Session, Summary, find_rate, train};
use ebt_train::task::Task;

use crate::device::{BackendTask, Device};
use crate::ranks::Ranks;

impl Device {
    /// Opens this device and runs one session of training on it.
    ///
    /// # Errors
    ///
    /// A device that cannot be opened, and as [`train`].
    pub fn train(&self, training: Training<'_>) -> Result<Summary> {
        let ranks = training.ranks.clone();
        self.with_ranks(&ranks, training)
    }

    /// Opens this device and sweeps over learning rates on it.
    ///
    /// # Errors
    ///
    /// A device that cannot be opened, and as [`find_rate`].
    pub fn find_rate(&self, training: Training<'_>) -> Result<RateSearch> {
        self.with_backend(Sweeping(training))
    }

    /// Evaluates a model; gives the device's name, too.
    ///
    /// # Errors
    ///
    /// A device that cannot be opened, and as [`evaluate_tokens`].
    pub fn evaluate(&self, evaluating: Evaluating<'_>) -> Result<(Evaluation, String)> {
        self.with_backend(evaluating)
    }
}

/// A session that waits for its device; its fields are those of [`Session`].
pub struct Training<'a> {
    /// The ranks that train together.
    pub ranks: Ranks,
    /// What to train.
    pub config: &'a RunConfig,
    /// What it learns.
    pub task: &'a Task,
    /// Folder of the run.
    pub out: &'a Path,
    /// A checkpoint to go on from, checked against configuration and data.
    pub state: Option<State>,
    /// Set from outside: finish the step, save, return.
    pub stop: &'a AtomicBool,
    /// When the invocation started: the time limit counts from here.
    pub started: Instant,
    /// Why it is this device.
    pub why: &'a str,
    /// Receives a note of the device and a report of every step.
    pub progress: &'a mut dyn Progress,
}

impl Training<'_> {
    /// Tells the device, and does `work` as a session on it.
    fn on<B: Backend, T>(
        self,
        backend: &B,
        work: impl FnOnce(Session<'_, B>, &mut dyn Progress) -> Result<T>,
    ) -> Result<T> {
        let Self { ranks, config, task, out, state, stop, started, why, progress } = self;
        progress.note(&format!("device: {} ({why})", backend.name()));
        let ranks = &*ranks.collective;
        work(Session { backend, ranks, config, task, out, resume: state, stop, stop_after: None, started }, progress)
    }
}

impl BackendTask for Training<'_> {
    type Output = Summary;

    fn run<B: Backend>(self, backend: &B) -> Result<Summary> {
        self.on(backend, train)
    }
}

/// A sweep over learning rates that waits for its device.
struct Sweeping<'a>(Training<'a>);

impl BackendTask for Sweeping<'_> {
    type Output = RateSearch;

    fn run<B: Backend>(self, backend: &B) -> Result<RateSearch> {
        self.0.on(backend, find_rate)
    }
}

/// An evaluation that waits for its device.
#[derive(Debug)]
pub struct Evaluating<'a> {
    /// The model, whose weights are copied to the device.
    pub model: &'a LoadedModel,
    /// The tokenizer that `text` was encoded with.
    pub tokenizer: &'a Tokenizer,
    /// What is measured.
    pub text: &'a Tokens,
    /// How many descent steps are taken, on how much of the text.
    pub options: &'a EvaluateOptions,
    /// Why it is this device.
    pub why: &'a str,
}

impl BackendTask for Evaluating<'_> {
    type Output = (Evaluation, String);

    fn run<B: Backend>(self, b: &B) -> Result<Self::Output> {
        if self.options.progress {
            eprint_line(format_args!("device: {} ({})", b.name(), self.why));
        }
        let LoadedModel { config, layout, objective, .. } = self.model;
        let weights = self.model.upload(b)?;
        let model = Model { config, layout, weights: &weights };
        let result = evaluate_tokens(b, model, objective, self.tokenizer, self.text, self.options)?;
        Ok((result, b.name().to_owned()))
    }
}
