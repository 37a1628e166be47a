//! `ebt completions`: what a shell needs to complete commands and flags.

use anyhow::Result;

/// Print a script that completes commands and flags of this program in a shell.
///
/// A build needs the feature `manual` for this command.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt completions bash > ~/.local/share/bash-completion/completions/ebt
  ebt completions zsh > ~/.zfunc/_ebt
  ebt completions fish > ~/.config/fish/completions/ebt.fish
  ebt completions powershell >> $PROFILE")]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    shell: String,
}

/// Runs the command.
///
/// # Errors
///
/// Output that cannot be written.
#[cfg(feature = "manual")]
pub fn run(args: &Args, mut program: clap::Command) -> Result<()> {
    use std::io::Write as _;

    use anyhow::anyhow;
    use clap_complete::Shell;

    let shell: Shell = args.shell.parse().map_err(|why| anyhow!("{}: {why}", args.shell))?;
    let name = program.get_name().to_owned();
    // the generator panics where it cannot write
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    let mut out = crate::cli::Output::of_results();
    out.write_all(&script)?;
    Ok(out.flush()?)
}

/// This build cannot.
///
/// # Errors
///
/// Always; the message says which feature brings the command.
#[cfg(not(feature = "manual"))]
pub fn run(_: &Args, _: clap::Command) -> Result<()> {
    Err(ebt_data::program::lacks("`completions`", "manual"))
}
