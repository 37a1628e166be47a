//! `ebt data prepare`: raw corpora to shards of tokens.

use std::path::PathBuf;

use anyhow::Result;
use ebt_corpus::licence::Licence;
use ebt_corpus::prepare::Part;
use ebt_data::text::{self, Borders, Format, Formats, InputFile, ReadOptions};

use super::making::Making;
use super::size;
use crate::hub;

/// Clean, deduplicate and tokenise text files into shards to train on.
///
/// Reads plain text, JSON lines, CSV, TSV, Parquet and Arrow, also under gzip and Zstandard, never a whole file at a
/// time: memory stays below 1 GB whatever the size of the input. The result is the same, bit for bit, with any number
/// of threads, and after any interruption.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// Files, folders (searched for files of known formats) and quoted globs; of the Hugging Face hub
    /// hf://datasets/OWNER/NAME[@REVISION]/GLOB
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
    /// Character between the values of a table, `tab` for a tab [default: a tab in TSV; in CSV a comma, semicolon or tab,
    /// whichever its first line speaks for]
    #[arg(long, value_name = "CHAR", value_parser = delimiter, allow_hyphen_values = true, help_heading = "Reading")]
    delimiter: Option<u8>,
    /// Whether `"` around a value of a table is no part of it [default: on in CSV, off in TSV]
    #[arg(long, value_enum, value_name = "WHETHER", help_heading = "Reading")]
    quoting: Option<Switch>,
    /// Where documents of plain text end
    #[arg(long, value_enum, value_name = "WHERE", default_value_t = Borders::BlankLine, help_heading = "Reading")]
    documents: Borders,
    /// Licence of a source (several by a glob), or of all; may be repeated
    #[arg(long, value_name = "[SOURCE=]TEXT", allow_hyphen_values = true, help_heading = "Writing")]
    licence: Vec<Licence>,
    /// Prepare only part I of N, to be merged by `ebt data merge` with the others
    #[arg(long, value_name = "I/N", allow_hyphen_values = true, help_heading = "Choosing")]
    part: Option<Part>,
    /// Replace invalid UTF-8 by U+FFFD instead of stopping
    #[arg(long, help_heading = "Reading")]
    lossy: bool,
    /// Most bytes that the files of one name of the hub may have together
    #[arg(long, value_name = "BYTES", value_parser = size::parse, default_value = "2G", help_heading = "Reading")]
    most_bytes: u64,
    #[command(flatten)]
    making: Making,
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    /// Quotation marks stand around values
    On,
    /// Quotation marks are letters like any other
    Off,
}

/// One ASCII character; the word `tab` and `\t` are a tab.
fn delimiter(given: &str) -> Result<u8, &'static str> {
    match *given.as_bytes() {
        _ if given == "tab" || given == "\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !b"\"\r\n".contains(&byte) => Ok(byte),
        _ => Err("one ASCII character is needed, no quotation mark and no line end"),
    }
}

const NOTES: &str = "\
Formats, by extension, also with .gz, .gzip or .zst after it: .txt .text .md (plain text), .jsonl .ndjson .json (JSON
lines), .csv, .tsv; in a build with the feature `parquet` also .parquet, .arrow .ipc .feather. The name of a file without
them is the name of its source. Whether a file is packed is judged by its content. In folders and by globs, hidden files, prepared data and tokenizer.json are
passed over; a link that leads to what was met already is not followed again.

Text is UTF-8. A line `sep=;` at the start of CSV, as spreadsheets write it, says what stands between values. NaN and
Infinity in JSON are read as null. Bytes behind gzip data that are no gzip data are passed over with a note, zeros without.

Cleaning, in this order: byte-order marks removed; line ends to LF; Unicode NFC; blank lines at start and end removed.
Then dropped are: empty documents; those shorter than --shortest; those that whatlang takes for another language than
--language (feature `language`) with a confidence above 0.9 (with fewer than 40 letters it is not asked); those equal to
an earlier one; those with an earlier one at --near-duplicates: MinHash of 128 places over runs of five words, bands that
find 98% of pairs at exactly that similarity and nearly all above it, verified on the whole signatures.

A document is for validation if the hash of its cleaned text, as a fraction, is below --validation: adding or
reordering input never moves a document.

With --part I/N only a part of the input is read: a run of whole files, in their order, of about the same size for every I
from 1 to N. Parts may be prepared at the same time and on different machines, each in a folder of its own, all with the
same input (the same names, in the same order; of other parts' files only name and size are looked at) and the same other
options. `ebt data merge` then makes of all parts, byte for byte, what the same command without --part makes. A part by
itself is no data to train on: it still has all that is like documents of other parts, and nothing to measure on.

A name of the hub (feature `hub`) means the file called so, else what lies below the folder called so, else what it matches as
a glob, in which `*` stays in a folder and `**` does not. Files are fetched into the cache that all Hugging Face libraries
share and verified, a broken transfer goes on, and without a network what is there is used. All are one source, NAME@COMMIT,
under the licence of the repository's card, unless --licence names another. HF_ENDPOINT, HF_HOME, HF_TOKEN, HF_HUB_OFFLINE=1 hold.

An interrupted command, by Ctrl-C, a full disk or anything else, goes on where it was when it is given again.

Examples:
  ebt data prepare corpus/ --out data/tr
  ebt data prepare 'dumps/*.jsonl.zst' --column content --language tr --near-duplicates 0.8 --out data/web
  ebt data prepare wiki.parquet haber.csv.gz --out data/mixed --licence 'wiki=CC BY-SA 4.0' --licence haber=private
  ebt data prepare tablo.csv --delimiter '|' --column metin --out data/table
  ebt data prepare dumps/ --near-duplicates 0.8 --part 3/16 --out parts/03
  ebt data prepare 'hf://datasets/OWNER/NAME/data/*.parquet' --most-bytes 10G --out data/hub
  ebt data prepare book.txt --documents file --longest 256Ki --tokenizer tokenizer.json --out data/book";

/// Runs the command.
///
/// # Errors
///
/// Options out of range, bad input, a full disk; the message names flag or file and the place in it.
pub fn run(args: &Args) -> Result<()> {
    let (inputs, licences) = found(args)?;
    let (column, documents, lossy) = (args.column.clone(), args.documents, args.lossy);
    let quoting = args.quoting.map(|quoting| quoting == Switch::On);
    let delimiter = args.delimiter;
    let reading = ReadOptions { column, documents, lossy, delimiter, quoting, ..ReadOptions::default() };
    args.making.run(&args.out, inputs, reading, licences, args.part)
}

/// The files to read, in the order of their names, and the licences of their sources.
fn found(args: &Args) -> Result<(Vec<InputFile>, Vec<Licence>)> {
    let formats = args.format.map_or(Formats::ByName, Formats::All);
    let (mut inputs, mut licences) = (Vec::new(), Vec::new());
    for names in args.inputs.chunk_by(|a, b| hub::is_name(a) == hub::is_name(b)) {
        if !names.first().is_some_and(|name| hub::is_name(name)) {
            inputs.extend(text::find(names, formats)?);
            continue;
        }
        for name in names {
            let files = hub::files(name, formats, args.most_bytes, args.making.quiet)?;
            inputs.extend(files.inputs);
            licences.extend(files.licence);
        }
    }
    // a licence that is given for all sources is also that of these
    if args.licence.iter().any(Licence::is_of_all) {
        licences.clear();
    }
    licences.extend(args.licence.iter().cloned());
    Ok((inputs, licences))
}
