//! `ebt serve`: completions over HTTP.

mod args;
#[cfg(feature = "serve")]
mod start;

use anyhow::Result;

pub use args::{Args, LimitArgs};

/// Runs the command, until it is asked to end.
///
/// # Errors
///
/// A model that cannot be read or continues no text, memory that cannot be had, an address that cannot be listened on.
#[cfg(feature = "serve")]
pub fn run(args: &Args) -> Result<()> {
    start::run(args)
}

/// This build cannot.
///
/// # Errors
///
/// Always; the message says which feature brings the command.
#[cfg(not(feature = "serve"))]
pub fn run(_: &Args) -> Result<()> {
    Err(ebt_data::program::lacks("`serve`", "serve"))
}
