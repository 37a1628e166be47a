//! Ctrl-C, a request to end (SIGTERM; SIGUSR1, which launchers of many processes pass on where they would kill after others),
//! a lost terminal: the run stops after the step and saves. Only a second Ctrl-C stops at once: the others are often sent
//! twice, to the process and to its group.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use ebt_data::progress::eprint_line;

/// Exit status of a program stopped by an interrupt.
pub const STATUS: i32 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Whether another process says what is to be said.
static SILENT: AtomicBool = AtomicBool::new(false);

/// Says nothing about signals from now on: another process of the run does.
pub fn silence() {
    SILENT.store(true, Ordering::Relaxed);
}

/// Listens from now on; the flag is set by the first signal.
///
/// # Errors
///
/// A thread that cannot be had to listen on.
#[cfg(unix)]
pub fn watch() -> Result<&'static AtomicBool> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
    use signal_hook::iterator::Signals;

    let failed = "cannot listen for Ctrl-C";
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1]).context(failed)?;
    if !hangup_is_ignored() {
        signals.add_signal(SIGHUP).context(failed)?;
    }
    let listen = move || signals.forever().for_each(|signal| received(signal == SIGINT));
    std::thread::Builder::new().name(String::from("signals")).spawn(listen).context(failed)?;
    Ok(&ASKED)
}

/// Whether the program was started to outlive its terminal (`nohup`), as far as the system tells.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // signal 1 is the lowest bit
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Listens from now on; the flag is set by the first interrupt.
///
/// # Errors
///
/// A thread that cannot be had to listen on.
#[cfg(not(unix))]
pub fn watch() -> Result<&'static AtomicBool> {
    ctrlc::set_handler(|| received(true)).context("cannot listen for Ctrl-C")?;
    Ok(&ASKED)
}

fn received(interrupt: bool) {
    match (ASKED.swap(true, Ordering::Relaxed), interrupt) {
        (true, true) => std::process::exit(STATUS),
        (true, false) => {}
        (false, _) if SILENT.load(Ordering::Relaxed) => {}
        (false, _) => eprint_line("\nstopping after this step and saving; interrupt again to stop at once"),
    }
}
