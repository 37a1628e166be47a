//! `host tokenizer`: trains tokenizers, runs them and measures them.

mod decode;
mod encode;
mod measure;
mod table;
mod train;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Result;
use ebt_data::{DataConfig, dataset};
use ebt_tokenizer::Tokenizer;

use crate::cli::thread_pool;

/// Train tokenizers, run them, and measure how well they write a text.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  host tokenizer train corpus/ --out tokenizer.json
  host tokenizer encode < text.txt > ids.txt
  host tokenizer decode < ids.txt
  host tokenizer measure fixtures/turkish/validation --tokenizer ours.json --tokenizer theirs.json")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What is done; each command is described where its arguments are.
#[derive(Debug, clap::Subcommand)]
enum What {
    Train(train::Args),
    Encode(encode::Args),
    Decode(decode::Args),
    Measure(measure::Args),
}

/// Runs the command.
///
/// # Errors
///
/// Whatever stopped it, in sentences that name the file, line or flag.
pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Train(args) => train::run(args),
        What::Encode(args) => encode::run(args),
        What::Decode(args) => decode::run(args),
        What::Measure(args) => measure::run(args),
    }
}

/// The arguments of a command that runs a tokenizer over lines of standard input.
#[derive(Debug, clap::Args)]
struct LineArgs {
    /// tokenizer.json or compact tokenizer, or `full` for the shipped one of 32,768 tokens [default: the shipped one of 4,096]
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Processor threads [default: all cores]; the result does not depend on it
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl LineArgs {
    /// The tokenizer, and the threads to run it on.
    fn open(self) -> Result<(Tokenizer, rayon::ThreadPool)> {
        let pool = thread_pool(self.threads)?;
        Ok((open(self.tokenizer)?, pool))
    }
}

/// Opens a tokenizer, the shipped one where none is named.
fn open(path: Option<PathBuf>) -> Result<Tokenizer> {
    dataset::tokenizer(&mut DataConfig { tokenizer: path, ..DataConfig::default() })
}
