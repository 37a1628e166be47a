//! What a download tells while it runs: a bar on a terminal, plain lines elsewhere.

use std::fmt;
use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use ebt_data::progress::{clock, size, tell};

/// Receives the events of a download.
pub trait Observer {
    /// A sentence for the user.
    fn note(&mut self, text: &str);
    /// Bytes of the file begin to come; `done` of `total` are there already.
    fn start(&mut self, file: &str, done: u64, total: Option<u64>);
    /// So many more bytes came.
    fn received(&mut self, bytes: u64);
    /// The last byte came, or the connection broke.
    fn finish(&mut self);
}

/// Tells nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn note(&mut self, _: &str) {}
    fn start(&mut self, _: &str, _: u64, _: Option<u64>) {}
    fn received(&mut self, _: u64) {}
    fn finish(&mut self) {}
}

/// Tells on standard error.
#[derive(Debug, Default)]
pub struct Terminal {
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Terminal {
    /// With `quiet`, tells notes and no progress.
    pub fn new(quiet: bool) -> Self {
        Self { bar: None, quiet }
    }
}

const TEMPLATE: &str = "{bar:24.cyan/blue} {state}";
const OPEN_TEMPLATE: &str = "{spinner} {state}";

impl Observer for Terminal {
    fn note(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => tell(text),
        }
    }

    fn start(&mut self, file: &str, done: u64, total: Option<u64>) {
        if self.quiet {
            return;
        }
        let whole = total.map_or(String::new(), |bytes| format!(" ({})", size(bytes as f64)));
        let rest = if done > 0 { format!(", going on after {}", size(done as f64)) } else { String::new() };
        tell(format!("downloading {file}{whole}{rest}"));
        if !stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(5));
        if let Ok(style) = ProgressStyle::with_template(if total.is_some() { TEMPLATE } else { OPEN_TEMPLATE }) {
            let state = move |bar: &ProgressState, to: &mut dyn fmt::Write| {
                // a bar that cannot be drawn is no failure
                let _ = to.write_str(&state(bar.pos(), done, total, bar.elapsed().as_secs_f64()));
            };
            bar.set_style(style.with_key("state", state));
        }
        bar.set_position(done);
        self.bar = Some(bar);
    }

    fn received(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// `1.1 MiB of 2.9 MiB  2.7 MiB/s  1 s left`; the speed is that of the bytes after the first `before`.
fn state(position: u64, before: u64, total: Option<u64>, seconds: f64) -> String {
    let speed = position.saturating_sub(before) as f64 / seconds.max(1e-3);
    let of = total.map_or(String::new(), |total| format!(" of {}", size(total as f64)));
    let left = match total {
        Some(total) if speed > 0.0 => format!("  {} left", clock(total.saturating_sub(position) as f64 / speed)),
        _ => String::new(),
    };
    format!("{}{of}  {}/s{left}", size(position as f64), size(speed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_and_time_count_what_came_this_time() {
        let mib = 1 << 20;
        assert_eq!(state(30 * mib, 10 * mib, Some(50 * mib), 4.0), "30.0 MiB of 50.0 MiB  5.0 MiB/s  4 s left");
        assert_eq!(state(3 * mib, 0, None, 1.0), "3.0 MiB  3.0 MiB/s");
        assert_eq!(state(mib, mib, Some(2 * mib), 0.0), "1.0 MiB of 2.0 MiB  0 bytes/s");
    }
}
