//! `ebt parity`: golden cases of the reference implementation.

mod args;
#[cfg(feature = "parity")]
mod compare;

use anyhow::Result;

pub use args::Args;

/// Runs the command.
///
/// # Errors
///
/// A device or precision that is not there, and any case that fails.
#[cfg(feature = "parity")]
pub fn run(args: Args) -> Result<()> {
    compare::run(args)
}

/// This build cannot.
///
/// # Errors
///
/// Always; the message says which feature brings the command.
#[cfg(not(feature = "parity"))]
pub fn run(_: Args) -> Result<()> {
    Err(ebt_data::program::lacks("`parity`", "parity"))
}
