//! `ebt tokenizer decode`: lines of token ids become lines of text.

use std::io;

use anyhow::Result;

use super::open::LineArgs;
use crate::cli::Output;
use crate::tokenization::lines;

/// Turn lines of token ids back into text: the exact inverse of `ebt tokenizer encode`.
///
/// Reads lines of decimal token ids from standard input, with any white space between them, and writes the bytes they
/// stand for; line ends (\n) stay. Special tokens stand for no text. Ids that no text encodes to may give bytes that are
/// not UTF-8; they are written as they are.
///
/// A word that is no id of the vocabulary is an error that names line and word, after all lines before it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echo \"Ankara'nın ilçeleri\" | ebt tokenizer encode | ebt tokenizer decode
  ebt tokenizer decode --tokenizer tokenizer.json < corpus.ids > corpus.txt")]
pub struct Args {
    #[command(flatten)]
    lines: LineArgs,
}

/// Runs the command.
///
/// # Errors
///
/// A tokenizer that cannot be opened, a word that is no id of its vocabulary, streams that fail.
pub fn run(args: Args) -> Result<()> {
    let tokenizer = args.lines.open()?;
    lines::decode(&tokenizer, io::stdin(), Output::of_stream())
}
