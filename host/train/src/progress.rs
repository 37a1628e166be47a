//! What a training run tells while it runs: a bar on a terminal, a plain line now and then elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use ebt_data::progress::{clock, tell};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::checkpoint::Validation;
use crate::metrics::StepLine;

/// Receives the events of a session.
pub trait Observer {
    /// A sentence for the user.
    fn note(&mut self, text: &str);
    /// Training starts: steps done and steps in all.
    fn start(&mut self, done: u64, total: u64);
    /// A step was done.
    fn step(&mut self, line: &StepLine, pace: Pace);
    /// The model was measured.
    fn validated(&mut self, validation: &Validation);
    /// Training ended.
    fn finish(&mut self);
}

/// How fast training goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Tokens a second of training steps.
    pub tokens_per_second: f64,
    /// Share of the time of training steps that was spent waiting for data, from 0 to 1.
    pub data_wait: f64,
    /// Estimate of the training that remains.
    pub seconds_left: f64,
}

/// Tells nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn note(&mut self, _: &str) {}
    fn start(&mut self, _: u64, _: u64) {}
    fn step(&mut self, _: &StepLine, _: Pace) {}
    fn validated(&mut self, _: &Validation) {}
    fn finish(&mut self) {}
}

/// Tells on standard error.
#[derive(Debug, Default)]
pub struct Terminal {
    bar: Option<ProgressBar>,
    total: u64,
    validation: Option<f64>,
    told: Option<Instant>,
}

/// Time between plain lines.
const PAUSE: Duration = Duration::from_secs(10);
/// Share of the time waiting for data from which on it is told: the machine could train faster.
const NOTABLE_WAIT: f64 = 0.01;
const TEMPLATE: &str = "{bar:24.cyan/blue} {pos}/{len} steps  {msg}";

impl Observer for Terminal {
    fn note(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => tell(text),
        }
    }

    fn start(&mut self, done: u64, total: u64) {
        self.total = total;
        if !stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.set_position(done);
        self.bar = Some(bar);
    }

    fn step(&mut self, line: &StepLine, pace: Pace) {
        let message = || {
            let validation = self.validation.map_or(String::new(), |v| format!("  validation {v:.3} bits/byte"));
            let waiting = match pace.data_wait {
                share if share >= NOTABLE_WAIT => format!("  {:.0}% waiting for data", 100.0 * share),
                _ => String::new(),
            };
            let (speed, left) = (pace.tokens_per_second, clock(pace.seconds_left));
            format!("loss {:.3}{validation}  {speed:.0} tokens/s{waiting}  {left} left", line.report.loss)
        };
        if let Some(bar) = &self.bar {
            bar.set_message(message());
            bar.set_position(line.step);
        } else if self.told.is_none_or(|at| at.elapsed() >= PAUSE) {
            tell(format_args!("step {}/{}  {}", line.step, self.total, message()));
            self.told = Some(Instant::now());
        }
    }

    fn validated(&mut self, validation: &Validation) {
        self.validation = Some(validation.bits_per_byte);
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            let (step, message) = (bar.position(), bar.message());
            bar.finish_and_clear();
            tell(format_args!("step {step}/{}  {message}", self.total));
        }
    }
}
