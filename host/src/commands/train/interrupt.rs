//! Ctrl-C: the first asks to stop after the step, the second stops at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use ebt_data::progress::eprint_line;

/// Exit status of a program stopped by an interrupt.
pub const STATUS: i32 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Installs the handler; the flag is set by the first interrupt.
pub fn watch() -> Result<&'static AtomicBool> {
    let handler = || {
        if ASKED.swap(true, Ordering::Relaxed) {
            std::process::exit(STATUS);
        }
        eprint_line("\nstopping after this step and saving; interrupt again to stop at once");
    };
    ctrlc::set_handler(handler).context("cannot listen for Ctrl-C")?;
    Ok(&ASKED)
}
