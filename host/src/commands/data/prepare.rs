//! `host data prepare`: raw corpora to shards of tokens.

use std::path::PathBuf;

use anyhow::Result;
use ebt_corpus::format::Format;
use ebt_corpus::inputs;
use ebt_corpus::licence::Licence;
use ebt_corpus::read::{Borders, ReadOptions};

use super::making::Making;

/// Clean, deduplicate and tokenise text files into shards to train on.
///
/// Reads plain text, JSON lines, CSV, TSV, Parquet and Arrow, also under gzip and Zstandard, never a whole file at a
/// time: memory stays below 1 GB whatever the size of the input. The result is the same, bit for bit, with any number
/// of threads, and after any interruption.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// Files, folders (searched for files of known formats) and quoted globs
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,
    /// Folder of the data: a new one, or one in which the same command was interrupted
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Read all input as this format, whatever the names say
    #[arg(long, value_enum, help_heading = "Reading")]
    format: Option<Format>,
    /// Column or key that holds the text
    #[arg(long, value_name = "NAME", default_value = "text", allow_hyphen_values = true, help_heading = "Reading")]
    column: String,
    /// Where documents of plain text end
    #[arg(long, value_enum, value_name = "WHERE", default_value_t = Borders::BlankLine, help_heading = "Reading")]
    documents: Borders,
    /// Licence of a source (several by a glob), or of all; may be repeated
    #[arg(long, value_name = "[SOURCE=]TEXT", allow_hyphen_values = true, help_heading = "Writing")]
    licence: Vec<Licence>,
    /// Replace invalid UTF-8 by U+FFFD instead of stopping
    #[arg(long, help_heading = "Reading")]
    lossy: bool,
    #[command(flatten)]
    making: Making,
}

const NOTES: &str = "\
Formats, by extension, also with .gz, .gzip or .zst after it: .txt .text .md (plain text), .jsonl .ndjson .json (JSON
lines), .csv, .tsv, .parquet, .arrow .ipc .feather. The name of a file without them is the name of its source.

Cleaning, in this order: byte-order marks removed; line ends to LF; Unicode NFC; blank lines at start and end removed.
Then dropped are: empty documents; those shorter than --shortest; those that whatlang takes for another language than
--language with a confidence above 0.9 (with fewer than 40 letters it is not asked); those equal to an earlier one; those
with an earlier one at --near-duplicates: MinHash of 128 places over runs of five words, bands that find 98% of pairs at
exactly that similarity and nearly all above it, verified on the whole signatures.

A document is for validation if the hash of its cleaned text, as a fraction, is below --validation: adding or
reordering input never moves a document.

An interrupted command, by Ctrl-C, a full disk or anything else, goes on where it was when it is given again.

Examples:
  host data prepare corpus/ --out data/tr
  host data prepare 'dumps/*.jsonl.zst' --column content --language tr --near-duplicates 0.8 --out data/web
  host data prepare wiki.parquet haber.csv.gz --out data/mixed --licence 'wiki=CC BY-SA 4.0' --licence haber=private
  host data prepare book.txt --documents file --longest 256Ki --tokenizer tokenizer.json --out data/book";

/// Runs the command.
///
/// # Errors
///
/// Options out of range, bad input, a full disk; the message names flag or file and the place in it.
pub fn run(args: &Args) -> Result<()> {
    let inputs = inputs::find(&args.inputs, args.format)?;
    let (column, documents, lossy) = (args.column.clone(), args.documents, args.lossy);
    let reading = ReadOptions { column, documents, lossy, ..ReadOptions::default() };
    args.making.run(&args.out, inputs, reading, args.licence.clone())
}
