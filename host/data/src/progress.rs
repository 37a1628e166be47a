//! How far a long piece of work is: a bar on a terminal, lines elsewhere; numbers that read well.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget};

/// A bar of `length` on a terminal; one that is never seen elsewhere, or where nothing is to be told.
pub fn bar(length: u64, quiet: bool) -> ProgressBar {
    if quiet || !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(5))
}

/// Writes a line to standard error, or nowhere when that is closed or full: telling must never stop the work.
pub fn tell(text: impl std::fmt::Display) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{text}");
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
    match bytes {
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
    }
}
