//! What `prepare` tells while it works: a bar on a terminal, a plain line now and then elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use ebt_data::progress::{clock, count, size, tell};

/// Tells on standard error, or nothing at all.
#[derive(Debug)]
pub struct Progress {
    quiet: bool,
    bar: Option<ProgressBar>,
    pass: &'static str,
    total: u64,
    /// Bytes that were passed over at the start of the pass.
    skipped: u64,
    began: Instant,
    told: Instant,
}

/// Time between plain lines.
const PAUSE: Duration = Duration::from_secs(10);
/// Time between changes of the bar.
const BLINK: Duration = Duration::from_millis(100);
const TEMPLATE: &str = "{prefix}  {bar:24.cyan/blue}  {binary_bytes} of {binary_total_bytes}  {msg}";

impl Progress {
    /// Tells what happens, unless `quiet`.
    pub fn new(quiet: bool) -> Self {
        let now = Instant::now();
        Self { quiet, bar: None, pass: "", total: 0, skipped: 0, began: now, told: now }
    }

    /// A sentence for the user.
    pub fn note(&self, text: &str) {
        match (&self.bar, self.quiet) {
            (_, true) => {}
            (Some(bar), _) => bar.println(text),
            (None, _) => tell(text),
        }
    }

    /// A pass over `total` bytes of input begins at byte `skipped`.
    pub fn begin(&mut self, pass: &'static str, skipped: u64, total: u64) {
        let now = Instant::now();
        (self.pass, self.total, self.skipped, self.began, self.told) = (pass, total, skipped, now, now);
        if self.quiet || !stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.set_prefix(pass);
        bar.set_position(skipped);
        self.bar = Some(bar);
    }

    /// So far `position` bytes of input were read, `documents` documents used.
    pub fn update(&mut self, position: u64, documents: u64) {
        let pause = if self.bar.is_some() { BLINK } else { PAUSE };
        if self.quiet || self.told.elapsed() < pause {
            return;
        }
        self.told = Instant::now();
        let speed = position.saturating_sub(self.skipped) as f64 / self.began.elapsed().as_secs_f64().max(1e-3);
        let left = clock(self.total.saturating_sub(position) as f64 / speed.max(1.0));
        let message = format!("{} documents  {}/s  {left} left", count(documents as f64), size(speed));
        match &self.bar {
            Some(bar) => {
                bar.set_message(message);
                bar.set_position(position.min(self.total));
            }
            None => {
                let (at, of) = (size(position as f64), size(self.total as f64));
                tell(format_args!("{}  {at} of {of}  {message}", self.pass));
            }
        }
    }

    /// Ends a stage inside a pass that has no measure of its own.
    pub fn stage(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.note(text),
        }
    }

    /// Takes the bar away after a failure.
    pub fn abandon(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// The pass ended; returns its seconds.
    pub fn end(&mut self, documents: u64) -> f64 {
        let seconds = self.began.elapsed().as_secs_f64();
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let bytes = self.total.saturating_sub(self.skipped) as f64;
        let speed = size(bytes / seconds.max(1e-3));
        self.note(&format!(
            "{}  {} documents in {} of input, {}, {speed}/s",
            self.pass,
            count(documents as f64),
            size(bytes),
            clock(seconds)
        ));
        seconds
    }
}
