//! The course of a run: steps, checks and checkpoints in their turn, until the end, the time limit or an interrupt.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context, Result};
use ebt_core::compute::Backend;
use ebt_core::error::Error;
use ebt_core::training::{Part, Sequences, StepSettings, Trainer};
use ebt_data::file;
use ebt_data::loader::DEPTH;
use ebt_data::progress::{Progress, Stretch, clock};
use ebt_data::{BatchSource, Loader, Worker};
use ebt_model::model::MODEL_FILE;
use ebt_ranks::Place;

use super::begin::begin;
use super::share;
use super::types::{BEST_FILE, Ending, METRICS_FILE, Session, resume_command};
use crate::checkpoint::{Header, Store, Validation};
#[cfg(feature = "tensorboard")]
use crate::metrics::Events;
use crate::metrics::{Metrics, Standing, StepLine};
use crate::rounding::{self, Rounding};
#[cfg(feature = "tensorboard")]
use crate::run_config::Log;
use crate::task::Probe;

/// Largest share of a time limit that is kept for the validation at the end.
const MOST_VALIDATION: f64 = 0.2;

/// Share of the time waiting for data from which on it is shown: the machine could train faster.
const NOTABLE_WAIT: f64 = 0.01;
const BAR: &str = "{bar:24.cyan/blue} {pos}/{len} steps  {msg}";

fn line(stretch: &Stretch, step: u64, message: &str) -> String {
    format!("step {step}/{}  {message}", stretch.total.unwrap_or(0))
}

/// A run in progress.
pub(super) struct Run<'a, B: Backend> {
    pub(super) session: Session<'a, B>,
    pub(super) trainer: Trainer<B>,
    pub(super) header: Header,
    pub(super) store: Store,
    pub(super) metrics: Metrics,
    /// Seconds of training in earlier invocations.
    before: f64,
    clock: Instant,
    /// First step of this invocation.
    first: u64,
    /// Seconds spent in training steps of this invocation, waiting for data included.
    training: f64,
    /// Seconds of these that were spent waiting for data.
    waiting: f64,
    /// Tokens trained on in this invocation.
    trained: u64,
    /// Seconds a validation token takes, once measured.
    pub(super) validation_cost: Option<f64>,
    /// The last check of this invocation.
    shown: Option<Validation>,
    /// Bits per byte of a bigram table on what checks measure on, where that is text.
    pub(super) bigram: Option<f64>,
    /// What checks during the run measure on.
    pub(super) probe: Probe,
    /// The model that was saved last.
    pub(super) model: PathBuf,
    /// What matrices are rounded to.
    pub(super) rounding: Option<Rounding>,
}

impl<'a, B: Backend> Run<'a, B> {
    pub(super) fn start(mut session: Session<'a, B>, toml: String) -> Result<Self> {
        let (config, task) = (session.config, session.task);
        let probe = task.probe(config, config.train.validate_tokens)?;
        let (header, trainer) = begin(&mut session, toml)?;
        let (mut metrics, mut standing) = (Metrics::none(), Standing::default());
        if session.ranks.place().is_first() {
            (metrics, standing) = Metrics::open(&session.out.join(METRICS_FILE), header.step)?;
            if header.step == 0 {
                // of a run that ended before it had saved anything else
                file::remove(&session.out.join(BEST_FILE))?;
            }
            #[cfg(feature = "tensorboard")]
            if config.train.log.contains(&Log::Tensorboard) {
                let standing = Standing { step: header.step, ..standing };
                metrics.also(Box::new(Events::begin(session.out, standing, &header.config)?));
            }
        }
        Ok(Self {
            store: Store::new(session.out, config.train.keep_checkpoints),
            probe,
            model: session.out.join(MODEL_FILE),
            rounding: Rounding::of(config.train.storage, &trainer.layout),
            first: header.step,
            clock: Instant::now(),
            training: 0.0,
            waiting: 0.0,
            trained: 0,
            validation_cost: None,
            shown: None,
            bigram: None,
            session,
            trainer,
            header,
            metrics,
            before: standing.seconds,
        })
    }

    pub(super) fn train(&mut self, progress: &mut dyn Progress) -> Result<Ending> {
        let (config, task) = (self.session.config, self.session.task);
        let (t, every) = (&config.train, |n: u64, step: u64| n > 0 && step.is_multiple_of(n));
        progress.begin(Stretch {
            start: self.header.step,
            total: Some(self.header.total_steps),
            bar: BAR,
            line: Some(line),
            prompt: true,
            lasting: true,
            ..Stretch::default()
        });
        if self.is_out_of_patience() {
            return Ok(Ending::OutOfPatience);
        }
        let Place { rank, world } = self.session.ranks.place();
        let all = task.batches(config, Worker { rank: rank as u64, world: world as u64 });
        let mut batches = Loader::new(all.clone(), self.header.step..self.header.total_steps, DEPTH)?;
        while self.header.step < self.header.total_steps {
            // many ranks leave together, after the step whose sum tells all of them that one wishes to
            let wish = self.wish(u64::from(world > 1));
            if let Some(ending) = wish.filter(|_| world == 1) {
                return Ok(ending);
            }
            let start = Instant::now();
            let batch = batches.next_batch().map_err(|error| self.cut_short(error, progress))?;
            let waited = start.elapsed().as_secs_f64();
            let lanes = config.train.lanes();
            let positions = if world > 1 { all.positions(self.header.step)? } else { batch.positions() };
            let part = (world > 1 || lanes > 1).then(|| Part {
                lanes,
                first: rank * batch.batch,
                sequences: world * batch.batch,
                positions,
                stop: wish.is_some(),
            });
            progress.during(&format!("step {}", self.header.step + 1));
            let leave = self.step(&batch, part, (start, waited), progress)?;
            let step = self.header.step;
            if every(t.validate_every, step) && step < self.header.total_steps {
                progress.during(&format!("the validation after step {step}"));
                self.shown = Some(self.check(progress)?);
            }
            if every(t.checkpoint_every, step) && step < self.header.total_steps {
                self.save(progress)?;
            }
            // every rank has the same validations
            if self.is_out_of_patience() {
                return Ok(Ending::OutOfPatience);
            }
            if leave && step < self.header.total_steps {
                // whose clock it is, is only asked of the first
                let up = share::first(self.session.ranks, u64::from(wish == Some(Ending::TimeUp)))?;
                return Ok(if up == 1 { Ending::TimeUp } else { Ending::Stopped });
            }
        }
        Ok(Ending::Finished)
    }

    /// One step on `batch`; whether all ranks are to leave after it.
    fn step(
        &mut self,
        batch: &Sequences,
        part: Option<Part>,
        (start, waited): (Instant, f64),
        progress: &mut dyn Progress,
    ) -> Result<bool> {
        let config = self.session.config;
        let settings = StepSettings {
            seed: config.train.seed,
            step: u32::try_from(self.header.step).context("a run has at most 2^32 steps")?,
            rate: config.schedule.at(self.header.step, self.header.total_steps),
            micro_batch: config.train.batch,
            ema_decay: config.train.ema,
            part,
        };
        let positions = part.map_or_else(|| batch.positions(), |part| part.positions) as u64;
        let b = self.session.backend;
        let report = rounding::step(self.rounding.as_ref(), b, &mut self.trainer, batch, &settings);
        let report = report.map_err(|error| self.explained(error))?;
        self.training += start.elapsed().as_secs_f64();
        if report.skipped {
            let scale = self.trainer.loss_scale;
            progress.note(&format!(
                "step {}: a gradient left the range of half precision; nothing was updated, the loss scales are now {} (loss) and {} (energy)",
                self.header.step + 1, scale.outer.factor, scale.inner.factor
            ));
        }
        self.waiting += waited;
        self.trained += positions;
        self.header.step += 1;
        self.header.tokens += positions;
        let leave = report.stop;
        let seconds = self.before + self.clock.elapsed().as_secs_f64();
        let line = StepLine {
            data_wait: waited,
            ..StepLine::new(report, self.header.step, self.header.tokens, seconds, settings.rate)
        };
        self.metrics.step(&line)?;
        let left = (self.header.total_steps - self.header.step) as f64 * self.step_seconds();
        let left = self.time_left().map_or(left, |limit| left.min(limit));
        let (tokens_per_second, data_wait) = (self.speed(), self.data_wait());
        let shown = self.shown.as_ref().map_or_else(String::new, |shown| shown.told() + &self.beside_bigram(shown));
        progress.advance(line.step, &|| {
            let waiting = match data_wait {
                share if share >= NOTABLE_WAIT => format!("  {:.0}% waiting for data", 100.0 * share),
                _ => String::new(),
            };
            let loss = line.report.loss;
            format!("loss {loss:.3}{shown}  {tokens_per_second:.0} tokens/s{waiting}  {} left", clock(left))
        });
        Ok(leave)
    }

    /// Saves a run whose next batch cannot be read; the message says where it can go on from.
    fn cut_short(&mut self, error: anyhow::Error, progress: &mut dyn Progress) -> anyhow::Error {
        let step = self.header.step;
        match self.save(progress) {
            Ok(()) => error.context(format!(
                "training stopped after {step} steps, which are saved; to go on when the data are whole again: {}",
                resume_command(self.session.out)
            )),
            Err(unsaved) => {
                error.context(format!("training stopped after {step} steps; saving failed, too: {unsaved:#}"))
            }
        }
    }

    fn explained(&self, error: Error) -> anyhow::Error {
        let diverged = matches!(error, Error::NonFinite { .. });
        let error = anyhow::Error::new(error);
        if !diverged {
            return error;
        }
        let kept = match self.store.list().ok().and_then(|list| list.last().cloned()) {
            Some((step, path)) => format!("the last good checkpoint, of step {step}, is {}", path.display()),
            None => String::from("there is no checkpoint yet"),
        };
        error.context(format!(
            "training diverged after {} good steps; {kept}; a lower `schedule.rate`, a longer `schedule.warmup` or a smaller `model.alpha` may help",
            self.header.step
        ))
    }

    /// Why this rank wishes to end after `more` further steps.
    fn wish(&self, more: u64) -> Option<Ending> {
        let done = self.header.step - self.first + more;
        if self.session.stop.load(Ordering::Relaxed) || self.session.stop_after.is_some_and(|n| done >= n) {
            return Some(Ending::Stopped);
        }
        let first = self.session.ranks.place().is_first();
        (first && self.time_is_up(more)).then_some(Ending::TimeUp)
    }

    /// Whether yet another step would leave too little time for the validation at the end. The first step always runs.
    fn time_is_up(&self, more: u64) -> bool {
        let needed = (1 + more) as f64 * self.step_seconds();
        self.header.step > self.first && self.time_left().is_some_and(|left| left < needed)
    }

    /// Seconds left for training: a share of the limit is reserved for the validation at the end.
    fn time_left(&self) -> Option<f64> {
        let limit = 60.0 * self.session.config.train.minutes?;
        let config = self.session.config;
        let probe = if config.train.keep_best { self.probe.tokens(config) } else { 0 };
        let tokens = self.session.task.whole().tokens(config) + probe;
        let whole = 1.1 * self.validation_cost() * tokens as f64;
        Some(self.until(limit) - whole.min(MOST_VALIDATION * limit))
    }

    /// Seconds that a validation token takes; as long as a training token while it is not known.
    pub(super) fn validation_cost(&self) -> f64 {
        self.validation_cost.unwrap_or(1.0 / self.speed())
    }

    /// Seconds until `limit` seconds after the start.
    pub(super) fn until(&self, limit: f64) -> f64 {
        limit - self.session.started.elapsed().as_secs_f64()
    }

    fn step_seconds(&self) -> f64 {
        self.training / (self.header.step - self.first).max(1) as f64
    }

    /// Tokens a second; padding does not count.
    pub(super) fn speed(&self) -> f64 {
        self.trained as f64 / self.training.max(1e-9)
    }

    /// Share of the time of training steps that was spent waiting for data.
    pub(super) fn data_wait(&self) -> f64 {
        self.waiting / self.training.max(1e-9)
    }
}
