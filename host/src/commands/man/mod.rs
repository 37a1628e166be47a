//! `ebt man`: the help of the program as pages of the manual.

#[cfg(feature = "manual")]
mod pages;

use std::path::PathBuf;

use anyhow::Result;

/// Print the page of this program for `man`, or write the pages of all commands to a folder.
///
/// A build needs the feature `manual` for this command.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt man | man -l -
  ebt man --out ~/.local/share/man/man1")]
pub struct Args {
    /// Folder for the pages of all commands; it is made where there is none
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
///
/// A folder or a page that cannot be written; the message names it.
#[cfg(feature = "manual")]
pub fn run(args: &Args, program: clap::Command) -> Result<()> {
    match &args.out {
        None => pages::print(program),
        Some(folder) => pages::write(program, folder),
    }
}

/// This build cannot.
///
/// # Errors
///
/// Always; the message says which feature brings the command.
#[cfg(not(feature = "manual"))]
pub fn run(_: &Args, _: clap::Command) -> Result<()> {
    Err(ebt_data::program::lacks("`man`", "manual"))
}
