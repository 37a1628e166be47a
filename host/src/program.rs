//! The whole program, which the binaries `ebt` and `host` are: from its arguments to its exit status.

use std::io;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{CommandFactory, FromArgMatches, Parser};
use ebt_data::program;

use crate::cli::{Output, called_by, reporting_mistakes, taking_negative_numbers};
use crate::commands::Command;
use crate::commands::doctor::NoGpu;

/// Energy-based transformer language models: train, evaluate, generate.
///
/// Every candidate for the next token gets an energy; prediction is a descent on that energy, and more steps of
/// descent are more thinking.
#[derive(Debug, Parser)]
#[command(version, long_version = VERSION.as_str(), propagate_version = true)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  ebt import published.safetensors --out model.ebt --tokenizer tokenizer.json --heads 12
  ebt inspect model.ebt
  ebt eval --model model.ebt
  ebt generate --model model.ebt --prompt \"Bir varmış\" --tokens 100 --temperature 0.8 --seed 7
  ebt doctor

`ebt COMMAND --help` explains a command. Exit status: 0 success, 1 failure, 2 wrong usage,
3 no GPU (`ebt doctor`).";

/// The version, and the features of this build.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all = [
        ("cuda", cfg!(feature = "cuda")),
        ("hub", cfg!(feature = "hub")),
        ("language", cfg!(feature = "language")),
        ("manual", cfg!(feature = "manual")),
        ("parity", cfg!(feature = "parity")),
        ("parquet", cfg!(feature = "parquet")),
        ("png", cfg!(feature = "png")),
        ("serve", cfg!(feature = "serve")),
        ("tensorboard", cfg!(feature = "tensorboard")),
    ];
    let list = |wanted: bool| {
        let names: Vec<&str> = all.iter().filter(|(_, built)| *built == wanted).map(|(name, _)| *name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    format!("{}\nfeatures: {}\nnot in this build: {}", env!("CARGO_PKG_VERSION"), list(true), list(false))
});

/// The arguments of the program under the name that it was called by.
pub fn command() -> clap::Command {
    called_by(Cli::command(), program::name())
}

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    if let Some(word) = std::env::args_os().next() {
        program::set_name(&word);
    }
    report_full_files();
    reporting_mistakes(run).unwrap_or_else(ExitCode::from)
}

/// Lets a file that reaches the limit of its size (`ulimit -f`) be an error as a full disk is, and not the end.
#[cfg(unix)]
fn report_full_files() {
    // where the system refuses, the limit ends the program, as it would have without this
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
}

#[cfg(not(unix))]
fn report_full_files() {}

fn run() -> ExitCode {
    let matches = taking_negative_numbers(command()).try_get_matches();
    let done = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli.command.run(&command),
        // help and version are asked for and go to standard output
        Err(told) if !told.use_stderr() => print(&told).map_err(anyhow::Error::from),
        Err(wrong) => wrong.exit(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if closed_pipe(&error) => ExitCode::SUCCESS,
        // the command has said why
        Err(error) if error.is::<NoGpu>() => ExitCode::from(NoGpu::STATUS),
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Prints help or version.
fn print(told: &clap::Error) -> io::Result<()> {
    use std::io::Write as _;
    let mut out = Output::of_results();
    write!(out, "{}", told.render())?;
    out.flush()
}

/// Whether the reader of our output went away (`ebt generate ... | head`), which is no failure.
fn closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints an error with its causes, each once, to standard error.
fn report(error: &anyhow::Error) {
    use std::io::Write as _;
    let mut err = io::stderr().lock();
    // nothing sensible is left to do when standard error is closed too
    let _ = writeln!(err, "error: {error}");
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // many errors already quote their cause
        if !last.contains(&text) {
            let _ = writeln!(err, "  caused by: {text}");
        }
        last = text;
    }
}
