//! `ebt tokenizer`: trains tokenizers, runs them and measures them.

mod decode;
mod encode;
mod measure;
mod open;
mod table;
mod train;

use anyhow::Result;

/// Train tokenizers, run them, and measure how well they write a text.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt tokenizer train corpus/ --out tokenizer.json
  ebt tokenizer encode < text.txt > ids.txt
  ebt tokenizer decode < ids.txt
  ebt tokenizer measure fixtures/turkish/validation --tokenizer ours.json --tokenizer theirs.json")]
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
