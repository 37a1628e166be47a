//! `ebt tokenizer encode`: lines of text become lines of token ids.

use std::io;

use anyhow::Result;

use super::open::LineArgs;
use crate::cli::Output;
use crate::tokenization::lines;

/// Turn lines of text into lines of token ids.
///
/// Reads UTF-8 text from standard input. Every line becomes a line of ids, decimal numbers with one space between them.
/// The line end (\n) is not encoded and stays; all else is encoded, \r and white space included; an empty line stays
/// empty; a last line without line end becomes a last line without line end. `ebt tokenizer decode` is the exact
/// inverse, byte for byte: so nothing is cleaned here, while `train`, `eval` and `generate` encode text in Unicode NFC with
/// LF at line ends. No special token is added, and text that spells one is encoded as text.
///
/// Works in constant memory on any number of lines, and answers each line as it comes in. Input that is not UTF-8 is an
/// error that names line and byte, after all lines before it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echo \"Ankara'nın ilçeleri\" | ebt tokenizer encode
  ebt tokenizer encode --tokenizer tokenizer.json --threads 8 < corpus.txt > corpus.ids
  ebt tokenizer encode < text.txt | ebt tokenizer decode | cmp - text.txt")]
pub struct Args {
    #[command(flatten)]
    lines: LineArgs,
}

/// Runs the command.
///
/// # Errors
///
/// A tokenizer that cannot be opened, input that is not UTF-8, streams that fail.
pub fn run(args: Args) -> Result<()> {
    let tokenizer = args.lines.open()?;
    lines::encode(&tokenizer, io::stdin(), Output::of_stream())
}
