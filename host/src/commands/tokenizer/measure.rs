//! `ebt tokenizer measure`: how well tokenizers write a text, side by side.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use ebt_data::progress::{Counter, eprint_line};
use ebt_data::text::{self, Document, Documents, Formats, InputFile, ReadOptions};
use serde_json::{Map, Value, json};

use super::open;
use super::table::{self, decimal, grouped, percent};
use crate::cli::{Output, whole, write_json};
use crate::tokenization;
use crate::tokenization::measure::{Class, Counts, Extent, Source, Subject, speed};

/// Measure how well tokenizers write a text, side by side.
///
/// A tokenizer is one of this project or any tokenizer.json of the HuggingFace library, lossless or
/// not. Files are found and read as by `ebt data prepare`, plain text in documents between blank
/// lines; each document is encoded as it stands, without special tokens. It is not cleaned: what is
/// measured is what is there, decomposed letters and carriage returns included.
///
/// A word is a maximal run of characters other than white space; tokens per word (the fertility)
/// divides all tokens by these. Bytes per token divides the bytes of the documents by the tokens.
///
/// A run is a maximal run of letters, one with an apostrophe between letters (Ankara'nın) taken whole.
/// Every token is of one class, by what it covers but for white space at its ends:
///   whole words  one whole run and nothing else
///   roots        the beginning of a run, where the rest of the run is a chain of suffixes after it
///   suffixes     a chain of suffixes inside a run, where all from its beginning to the end of the run
///                is a chain of suffixes after what stands before it
///   phrases      two or more whole runs and no part of another
///   fragments    part of one run, neither root nor suffix
///   mixed        letters with other characters, or parts of several runs
///   no letters   numbers, punctuation, white space
///   unknown      the token for text that the tokenizer does not know
/// Suffixes are known by their form, harmony and assimilation included, and not from a dictionary.
///
///   not restored        lines (each encoded by itself) and documents that decoding does not give
///                       back byte for byte
///   vocabulary used     the share of all entries that occur in the text at least once
///   MB/s on one thread  million bytes of the documents a second, encoded to ids; the median of --runs
///                       runs over the text, in which the tokenizers take turns
///   ratio               divided by the value of the first tokenizer
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  ebt tokenizer measure fixtures/turkish/validation
  ebt tokenizer measure news.txt laws.txt --tokenizer ours.json --tokenizer gpt2.json --tokenizer berturk.json
  ebt tokenizer measure corpus/ --tokenizer tokenizer.json --json"
)]
pub struct Args {
    /// Files, folders (searched for files of known formats) and quoted globs
    #[arg(value_name = "INPUT", required = true)]
    paths: Vec<PathBuf>,
    /// tokenizer.json of any kind, or compact tokenizer; may be repeated [default: the shipped one]
    #[arg(long, value_name = "FILE")]
    tokenizer: Vec<PathBuf>,
    /// Timed runs over the text
    #[arg(long, value_name = "N", default_value = "5", value_parser = whole::<NonZeroUsize>(1..=1 << 16))]
    runs: NonZeroUsize,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// A tokenizer with what was measured.
struct Measured {
    name: String,
    subject: Subject,
    /// In the order of the files.
    by_file: Vec<Counts>,
    total: Counts,
    bytes_per_second: f64,
}

/// Runs the command.
///
/// # Errors
///
/// Files that cannot be read, and a failure of a tokenizer; the message names the file.
pub fn run(args: Args) -> Result<()> {
    let mut measured = open(&args.tokenizer)?;
    let sources = sources(&args.paths)?;
    let done = Counter::new(!args.json, measured.len() * sources.len());
    for one in &mut measured {
        for source in &sources {
            let counts = Counts::of(&one.subject, source)
                .with_context(|| format!("the tokenizer {} failed on {}", one.name, source.name))?;
            one.total.add(&counts);
            one.by_file.push(counts);
            done.advance(1);
        }
    }
    drop(done);
    let subjects: Vec<&Subject> = measured.iter().map(|one| &one.subject).collect();
    let speeds = speed::bytes_per_second(&subjects, &sources, args.runs)?;
    measured.iter_mut().zip(speeds).for_each(|(one, speed)| one.bytes_per_second = speed);

    let mut out = Output::of_results();
    if args.json {
        write_json(&mut out, &to_json(&measured, &sources, &args))?;
    } else {
        print(&mut out, &measured, &sources, &args)?;
    }
    out.flush()?;
    Ok(())
}

/// Opens the tokenizers; the columns are headed by file names where these differ.
fn open(paths: &[PathBuf]) -> Result<Vec<Measured>> {
    let new = |name: String, subject: Subject| Measured {
        name,
        subject,
        by_file: Vec::new(),
        total: Counts::default(),
        bytes_per_second: f64::NAN,
    };
    if paths.is_empty() {
        return Ok(vec![new(String::from("shipped"), Subject::Lossless(open::open(None)?))]);
    }
    let file_name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut names: Vec<Option<String>> = paths.iter().map(file_name).collect();
    names.sort();
    names.dedup();
    let differ = names.len() == paths.len();
    let name = |path: &PathBuf| file_name(path).filter(|_| differ).unwrap_or_else(|| path.display().to_string());
    paths.iter().map(|path| Ok(new(name(path), Subject::open(path)?))).collect()
}

fn sources(paths: &[PathBuf]) -> Result<Vec<Source>> {
    let inputs = text::find(paths, Formats::ByNameOrText)?;
    let name = |input: &InputFile| Source { name: input.path.display().to_string(), documents: Vec::new() };
    let mut all: Vec<Source> = inputs.iter().map(name).collect();
    let whole = ReadOptions { longest: usize::MAX, ..ReadOptions::default() };
    for document in Documents::new(&inputs, |input| tokenization::open(input, &whole), |note| eprint_line(note)) {
        let Document { file, text } = document?;
        all[file].documents.extend((!text.is_empty()).then_some(text));
    }
    if all.iter().all(|source| source.documents.is_empty()) {
        bail!("there is no text in {}", text::names(paths));
    }
    Ok(all)
}

fn print(out: &mut impl Write, measured: &[Measured], sources: &[Source], args: &Args) -> io::Result<()> {
    let Some(first) = measured.first() else { return Ok(()) };
    let Extent { documents, lines, words, bytes } = first.total.extent;
    let [documents, lines, words, bytes] = [documents, lines, words, bytes].map(grouped);
    writeln!(
        out,
        "{} files: {documents} documents, {lines} lines, {words} words, {bytes} bytes\n",
        grouped(sources.len() as u64)
    )?;
    let mut rows = vec![head("", measured, "ratio")];
    rows.push(row("kind", measured, |m| m.subject.kind().to_owned(), None));
    rows.push(row(
        "vocabulary",
        measured,
        |m| grouped(m.subject.vocabulary_size() as u64),
        Some(&|m| Some(m.subject.vocabulary_size() as f64)),
    ));
    rows.push(row("vocabulary used", measured, |m| percent(m.used_share()), None));
    rows.push(row("tokens", measured, |m| grouped(m.total.tokens), Some(&|m| Some(m.total.tokens as f64))));
    let (per_word, per_token) = (|m: &Measured| m.total.tokens_per_word(), |m: &Measured| m.total.bytes_per_token());
    rows.push(row("tokens per word", measured, |m| decimal(per_word(m), 3), Some(&per_word)));
    rows.push(row("bytes per token", measured, |m| decimal(per_token(m), 3), Some(&per_token)));
    for class in Class::ALL {
        rows.push(row(&format!("  {}", class.name()), measured, |m| percent(m.total.share(class)), None));
    }
    let unknown = Class::Unknown as usize;
    rows.push(row("unknown tokens", measured, |m| grouped(m.total.classes[unknown]), None));
    rows.push(row("lines not restored", measured, |m| grouped(m.total.lines_lost), None));
    rows.push(row("documents not restored", measured, |m| grouped(m.total.documents_lost), None));
    let speed = |m: &Measured| Some(m.bytes_per_second);
    rows.push(row("MB/s on one thread", measured, |m| decimal(speed(m).map(|x| x / 1e6), 2), Some(&speed)));
    table::write(out, &rows)?;

    let mut rows = vec![head("tokens per word, by file", measured, "ratio")];
    rows[0].insert(1, String::from("words"));
    for (i, source) in sources.iter().enumerate() {
        let of = move |m: &Measured| m.by_file[i].tokens_per_word();
        let mut cells = row(&source.name, measured, |m| decimal(of(m), 3), Some(&of));
        cells.insert(1, grouped(first.by_file[i].extent.words));
        rows.push(cells);
    }
    writeln!(out)?;
    table::write(out, &rows)?;
    writeln!(out, "\n{}; MB/s is the median of {} runs", speed::machine(), args.runs)
}

/// The headings: every tokenizer, and behind all but the first the ratio to the first.
fn head(title: &str, measured: &[Measured], ratio: &str) -> Vec<String> {
    let columns = measured.iter().enumerate().flat_map(|(i, m)| {
        let ratio = (i > 0).then(|| ratio.to_owned());
        [Some(m.name.clone()), ratio].into_iter().flatten()
    });
    [title.to_owned()].into_iter().chain(columns).collect()
}

/// A number that was measured, where there is one.
type Quantity = dyn Fn(&Measured) -> Option<f64>;

/// The cells of one measure, with the ratio to the first tokenizer where `value` is given.
fn row(
    title: &str,
    measured: &[Measured],
    cell: impl Fn(&Measured) -> String,
    value: Option<&Quantity>,
) -> Vec<String> {
    let base = measured.first().and_then(|first| value.and_then(|value| value(first)));
    let columns = measured.iter().enumerate().flat_map(|(i, m)| {
        let ratio = value.and_then(|value| Some(value(m)? / base?));
        let ratio = (i > 0).then(|| if value.is_some() { decimal(ratio, 3) } else { String::new() });
        [Some(cell(m)), ratio].into_iter().flatten()
    });
    [title.to_owned()].into_iter().chain(columns).collect()
}

impl Measured {
    /// The share of the vocabulary that occurs in the text.
    fn used_share(&self) -> Option<f64> {
        let all = self.subject.vocabulary_size();
        (all > 0).then(|| self.total.used.len() as f64 / all as f64)
    }
}

fn to_json(measured: &[Measured], sources: &[Source], args: &Args) -> Value {
    let first = measured.first().map(|first| (first.total.tokens as f64, first.bytes_per_second));
    let of = |m: &Measured| {
        let files: Vec<Value> = sources
            .iter()
            .zip(&m.by_file)
            .map(|(source, counts)| json!({ "file": source.name, "counts": counts_json(counts) }))
            .collect();
        json!({
            "name": m.name,
            "kind": m.subject.kind(),
            "vocabulary": m.subject.vocabulary_size(),
            "vocabulary_used": m.total.used.len(),
            "vocabulary_used_share": m.used_share(),
            "bytes_per_second": m.bytes_per_second,
            "tokens_ratio": first.map(|(tokens, _)| m.total.tokens as f64 / tokens),
            "speed_ratio": first.map(|(_, speed)| m.bytes_per_second / speed),
            "total": counts_json(&m.total),
            "files": files,
        })
    };
    json!({
        "machine": speed::machine(),
        "runs": args.runs,
        "tokenizers": measured.iter().map(of).collect::<Vec<Value>>(),
    })
}

fn counts_json(counts: &Counts) -> Value {
    let classes: Map<String, Value> = Class::ALL
        .into_iter()
        .map(|class| (class.name().replace(' ', "_"), json!(counts.classes[class as usize])))
        .collect();
    json!({
        "documents": counts.extent.documents,
        "lines": counts.extent.lines,
        "words": counts.extent.words,
        "bytes": counts.extent.bytes,
        "tokens": counts.tokens,
        "tokens_per_word": counts.tokens_per_word(),
        "bytes_per_token": counts.bytes_per_token(),
        "classes": classes,
        "lines_not_restored": counts.lines_lost,
        "documents_not_restored": counts.documents_lost,
    })
}
