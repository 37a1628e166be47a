//! How a download reports how far it is.

use ebt_data::progress::{Stretch, clock, size};

const BAR: &str = "{bar:24.cyan/blue} {msg}";
const OPEN_BAR: &str = "{spinner} {msg}";

/// The download of a file of `total` bytes, of which `done` are there already.
pub fn stretch(file: &str, done: u64, total: Option<u64>) -> Stretch {
    let whole = total.map_or(String::new(), |bytes| format!(" ({})", size(bytes as f64)));
    let rest = if done > 0 { format!(", going on after {}", size(done as f64)) } else { String::new() };
    let bar = if total.is_some() { BAR } else { OPEN_BAR };
    Stretch { title: format!("downloading {file}{whole}{rest}"), start: done, total, bar, ..Stretch::default() }
}

/// `1.1 MiB of 2.9 MiB  2.7 MiB/s  1 s left`; the speed is that of the bytes after the first `before`.
pub fn state(position: u64, before: u64, total: Option<u64>, seconds: f64) -> String {
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
