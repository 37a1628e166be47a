//! How far a long piece of work is: it reports to a [`Progress`], and a [`Terminal`] shows it, as a bar on a
//! terminal, as lines elsewhere; and numbers that read well.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Receives what a long piece of work reports.
pub trait Progress {
    /// A sentence for the user.
    fn note(&mut self, text: &str);
    /// A stretch of the work begins; the one before, if any, has ended.
    fn begin(&mut self, stretch: Stretch);
    /// The stretch has come to `position`; `message`, which is asked for when it is shown, says the rest.
    fn advance(&mut self, position: u64, message: &dyn Fn() -> String);
    /// What is done now inside the stretch does not change the position.
    fn stage(&mut self, text: &str);
    /// The stretch has ended or was broken off.
    fn end(&mut self);
    /// What is done from now on, as words of a sentence about an end in the middle of it: `step 7`. Nothing is shown.
    fn during(&mut self, _what: &str) {}
}

/// A stretch of work whose progress is shown, and how.
#[derive(Clone, Debug, Default)]
pub struct Stretch {
    /// A sentence at its beginning; empty = none.
    pub title: String,
    /// What `{prefix}` stands for in the bar, and [`Stretch::line`] may use.
    pub name: &'static str,
    /// Position at its beginning.
    pub start: u64,
    /// Position at its end, if that is known.
    pub total: Option<u64>,
    /// Template of the bar, as `indicatif` understands it; empty = a plain bar with position and total.
    pub bar: &'static str,
    /// A state as a line for where there is no terminal, from position and message; `None` = nothing is shown there.
    pub line: Option<fn(&Stretch, u64, &str) -> String>,
    /// Whether the first state makes a line at once, and not after some time.
    pub prompt: bool,
    /// Whether the last state of the bar stays on the terminal, as a line.
    pub lasting: bool,
}

/// Discards every report: for commands with `--quiet`, and for callers that show no progress.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn note(&mut self, _: &str) {}
    fn begin(&mut self, _: Stretch) {}
    fn advance(&mut self, _: u64, _: &dyn Fn() -> String) {}
    fn stage(&mut self, _: &str) {}
    fn end(&mut self) {}
}

/// What a command reports to: nothing is shown when `quiet`, else everything, on standard error.
pub fn of_command(quiet: bool) -> Box<dyn Progress + Send> {
    if quiet { Box::new(Silent) } else { Box::new(Terminal::default()) }
}

/// Shows progress on standard error: a bar where that is a terminal that can redraw a line, a line now and then elsewhere
/// (a pipe, a file, `TERM=dumb`). What cannot be shown, because standard error is closed, full or a terminal that is gone,
/// is passed over: a report never stops the work.
#[derive(Debug, Default)]
pub struct Terminal {
    notes_alone: bool,
    shown: Option<Shown>,
}

/// A stretch that is being shown.
#[derive(Debug)]
struct Shown {
    stretch: Stretch,
    bar: Option<ProgressBar>,
    /// When its state was shown last.
    last: Option<Instant>,
}

/// Time between lines.
const PAUSE: Duration = Duration::from_secs(10);
/// Time between changes of the message of a bar.
const BLINK: Duration = Duration::from_millis(100);
/// Redraws of a bar in a second.
const REDRAWS: u8 = 10;
/// Time between turns of a spinner.
const TURN: Duration = Duration::from_millis(200);

impl Terminal {
    /// One that shows sentences and no progress.
    pub fn of_notes() -> Self {
        Self { notes_alone: true, shown: None }
    }

    fn bar(&self) -> Option<&ProgressBar> {
        self.shown.as_ref().and_then(|shown| shown.bar.as_ref())
    }
}

impl Progress for Terminal {
    fn note(&mut self, text: &str) {
        match self.bar() {
            Some(bar) => bar.println(text),
            None => eprint_line(text),
        }
    }

    fn begin(&mut self, stretch: Stretch) {
        self.end();
        if self.notes_alone {
            return;
        }
        if !stretch.title.is_empty() {
            eprint_line(&stretch.title);
        }
        let bar = bar(&stretch);
        let last = if bar.is_some() || stretch.prompt { None } else { Some(Instant::now()) };
        self.shown = Some(Shown { stretch, bar, last });
    }

    fn advance(&mut self, position: u64, message: &dyn Fn() -> String) {
        let Some(Shown { stretch, bar, last }) = &mut self.shown else { return };
        let due = |pause| last.is_none_or(|at| at.elapsed() >= pause);
        match (bar, stretch.line) {
            (Some(bar), _) => {
                if stretch.lasting || due(BLINK) {
                    bar.set_message(message());
                    *last = Some(Instant::now());
                }
                bar.set_position(position.min(stretch.total.unwrap_or(u64::MAX)));
            }
            (None, Some(line)) if due(PAUSE) => {
                eprint_line(line(stretch, position, &message()));
                *last = Some(Instant::now());
            }
            (None, _) => {}
        }
    }

    fn stage(&mut self, text: &str) {
        match self.bar() {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.note(text),
        }
    }

    fn end(&mut self) {
        let Some(Shown { stretch, bar: Some(bar), .. }) = self.shown.take() else { return };
        let (position, message) = (bar.position(), bar.message());
        bar.finish_and_clear();
        if let (true, Some(line)) = (stretch.lasting, stretch.line) {
            eprint_line(line(&stretch, position, &message));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.end();
    }
}

/// A bar for a stretch, where standard error can show one.
fn bar(stretch: &Stretch) -> Option<ProgressBar> {
    let bar = ProgressBar::with_draw_target(stretch.total, ProgressDrawTarget::stderr_with_hz(REDRAWS));
    if bar.is_hidden() {
        return None;
    }
    if !stretch.bar.is_empty()
        && let Ok(style) = ProgressStyle::with_template(stretch.bar)
    {
        bar.set_style(style);
    }
    bar.set_prefix(stretch.name);
    bar.set_position(stretch.start);
    if stretch.total.is_none() && threads_can_be_had() {
        bar.enable_steady_tick(TURN);
    }
    Some(bar)
}

/// Whether the system gives this process another thread. The bar that turns by itself needs one, and asks without a way
/// to be refused.
fn threads_can_be_had() -> bool {
    std::thread::Builder::new().spawn(|| ()).is_ok()
}

/// A count that several threads may add to: a bar on a terminal, nothing elsewhere.
#[derive(Debug)]
pub struct Counter(Mutex<(Terminal, u64)>);

impl Counter {
    /// A count up to `total`; nobody sees it if it is not `wanted`.
    pub fn new(wanted: bool, total: usize) -> Self {
        let mut terminal = if wanted { Terminal::default() } else { Terminal::of_notes() };
        terminal.begin(Stretch { total: Some(total as u64), ..Stretch::default() });
        Self(Mutex::new((terminal, 0)))
    }

    /// Adds to the count.
    pub fn advance(&self, by: usize) {
        if let Ok(mut this) = self.0.lock() {
            this.1 += by as u64;
            let position = this.1;
            this.0.advance(position, &String::new);
        }
    }
}

/// Writes a line to standard error at once, or nowhere when that is closed or full: a report must never stop the work.
pub fn eprint_line(text: impl std::fmt::Display) {
    use std::io::Write as _;
    // in one piece, so that lines of several processes do not run into each other
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// `1:05:09`, `5:09` or `9 s`.
pub fn clock(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m}:{s:02}"),
        (h, m, s) => format!("{h}:{m:02}:{s:02}"),
    }
}

/// `1.23 M` and the like.
pub fn count(x: f64) -> String {
    match x {
        x if x >= 1e12 => format!("{:.2} T", x / 1e12),
        x if x >= 1e9 => format!("{:.2} G", x / 1e9),
        x if x >= 1e6 => format!("{:.2} M", x / 1e6),
        x if x >= 1e4 => format!("{:.1} k", x / 1e3),
        x => format!("{x:.0}"),
    }
}

/// `1.5 GiB` and the like.
pub fn size(bytes: f64) -> String {
    let kib = 1024.0;
    let tib = kib * kib * kib * kib;
    match bytes {
        x if x >= tib => format!("{:.2} TiB", x / tib),
        x if x >= kib * kib * kib => format!("{:.2} GiB", x / (kib * kib * kib)),
        x if x >= kib * kib => format!("{:.1} MiB", x / (kib * kib)),
        x if x >= kib => format!("{:.1} KiB", x / kib),
        x => format!("{x:.0} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([clock(8.6), clock(309.0), clock(3909.0)], ["9 s", "5:09", "1:05:09"]);
        assert_eq!([count(999.0), count(12_345.0), count(1_234_567.0)], ["999", "12.3 k", "1.23 M"]);
        assert_eq!([size(512.0), size(1536.0), size(3.0 * 1024.0 * 1024.0)], ["512 bytes", "1.5 KiB", "3.0 MiB"]);
        assert_eq!(size(1.5 * f64::from(1 << 20) * f64::from(1 << 20)), "1.50 TiB");
    }
}
