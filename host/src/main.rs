//! The command `host`: train, evaluate and generate with energy-based transformers.

#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};
use ebt_host::cli::{Output, reporting_mistakes, taking_negative_numbers};
use ebt_host::commands::Command;
use ebt_host::commands::doctor::NoGpu;

/// Energy-based transformer language models: train, evaluate, generate.
///
/// Every candidate for the next token gets an energy; prediction is a descent on that energy, and more steps of
/// descent are more thinking.
#[derive(Debug, Parser)]
#[command(name = "host", version, propagate_version = true, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  host import published.safetensors --out model.ebt --tokenizer tokenizer.json --heads 12
  host inspect model.ebt
  host eval --model model.ebt fixtures/turkish/validation
  host generate --model model.ebt --prompt \"Bir varmış\" --tokens 100 --temperature 0.8 --seed 7
  host parity fixtures/golden/*.safetensors
  host doctor

`host COMMAND --help` explains a command. Exit status: 0 success, 1 failure, 2 wrong usage,
3 no GPU (`host doctor`).";

fn main() -> ExitCode {
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
    let matches = taking_negative_numbers(Cli::command()).try_get_matches();
    let done = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli.command.run(),
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
    use std::io::{IsTerminal as _, Write as _};
    let (text, mut out) = (told.render(), Output::of_results());
    let (plain, coloured) = (text.to_string(), text.ansi().to_string());
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    out.write_all(if colours { &coloured } else { &plain }.as_bytes())?;
    out.flush()
}

/// Whether the reader of our output went away (`host generate ... | head`), which is no failure.
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
