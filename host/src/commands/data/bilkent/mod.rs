//! `ebt data bilkent`: fetches and prepares the Bilkent Turkish Writings set.

mod args;
#[cfg(feature = "hub")]
mod fetch;

use anyhow::Result;

pub use args::Args;

/// Runs the command.
///
/// # Errors
///
/// A licence that was not accepted, a hub that cannot be reached or refuses, a file that is not the set.
#[cfg(feature = "hub")]
pub fn run(args: &Args) -> Result<()> {
    fetch::run(args)
}

/// This build cannot.
///
/// # Errors
///
/// Always; the message says which feature brings the command.
#[cfg(not(feature = "hub"))]
pub fn run(_: &Args) -> Result<()> {
    Err(ebt_data::program::lacks("`data bilkent`", "hub"))
}
