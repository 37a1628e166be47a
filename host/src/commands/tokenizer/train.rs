//! `ebt tokenizer train`: learns a tokenizer from text.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ebt_data::file;
use ebt_data::memory;
use ebt_data::progress::{of_command, size};
use ebt_data::text::{self, Formats, InputFile};
use ebt_tokenizer::{Kind, TrainOptions, VOCABULARY_SIZES};
use serde::Serialize;

use crate::cli::{KINDS, Output, name_of, one_of, start_threads, threads, whole, write_json};
use crate::tokenization::train;

/// Learn a tokenizer from text.
///
/// Text is found, read and cleaned as by `ebt data prepare`: plain text (blank lines separate documents), JSON lines and
/// tables (their text under `text`), packed or not, a block at a time; line ends become LF and Unicode NFC. No token is
/// learned across documents. Every tokenizer is lossless: all text that is UTF-8 encodes and decodes to itself. The same
/// text and flags give the same tokenizer.
///
/// Written are a tokenizer.json, which the HuggingFace library reads too, and with --compact a file of the same tokens
/// that needs no parsing and runs without a heap. Bytes per token are reported for the last 1 MB of the text.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt tokenizer train fixtures/turkish/train --out tokenizer.json --vocab 4096
  ebt tokenizer train corpus/ more.txt --out tokenizer.json --compact tokenizer.ebt
  ebt tokenizer train corpus/ --out bpe.json --kind bpe --vocab 65536 --min-frequency 10")]
pub struct Args {
    /// Files, folders (searched for files of known formats) and quoted globs
    #[arg(value_name = "INPUT", required = true)]
    input: Vec<PathBuf>,
    /// tokenizer.json to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Compact tokenizer to write beside it
    #[arg(long, value_name = "FILE")]
    compact: Option<PathBuf>,
    /// How tokens are chosen
    #[arg(long, value_parser = one_of(KINDS), default_value = "turkish")]
    kind: Kind,
    /// Tokens to end with, the 256 bytes and 7 special tokens included; a short text gives fewer
    #[arg(long, value_name = "N", default_value_t = 32_768, value_parser = vocabulary_size())]
    vocab: usize,
    /// How often a token must occur to be learned
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = whole::<u64>(1..=u64::MAX))]
    min_frequency: u64,
    /// Most words of one token of --kind turkish; 1 = no token holds more than a word [default: 4]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=u64::from(u32::MAX)))]
    phrase_words: Option<usize>,
    /// Learn from at most about this much of the text, whole documents chosen by their hash (at least one), kept in memory [default: 134217728]
    #[arg(long, value_name = "BYTES", value_parser = whole::<u64>(1..=u64::MAX))]
    sample_bytes: Option<u64>,
    /// Processor threads; the tokenizer does not depend on them [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads())]
    threads: Option<NonZeroUsize>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

fn vocabulary_size() -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    whole(*VOCABULARY_SIZES.start() as u64..=*VOCABULARY_SIZES.end() as u64)
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    file_bytes: usize,
    compact: Option<String>,
    compact_bytes: Option<usize>,
    kind: &'static str,
    vocabulary: usize,
    fingerprint: String,
    files: usize,
    documents: u64,
    text_bytes: u64,
    seconds: f64,
    /// The end of the text, on which the tokens are counted.
    tail_bytes: usize,
    tail_tokens: usize,
    bytes_per_token: f64,
}

/// Runs the command.
///
/// # Errors
///
/// Flags out of range, files that cannot be read, are not UTF-8 or cannot be written, and text without a word.
pub fn run(args: Args) -> Result<()> {
    let started = Instant::now();
    let options = options(&args)?;
    for path in [Some(&args.out), args.compact.as_ref()].into_iter().flatten() {
        writable(path)?;
    }
    if args.compact.as_ref().is_some_and(|compact| same_file(compact, &args.out)) {
        bail!("--compact {} is the file of --out", args.out.display());
    }
    let inputs = text::find(&args.input, Formats::ByNameOrText)?;
    for (flag, path) in [("--out", Some(&args.out)), ("--compact", args.compact.as_ref())] {
        if let Some(path) = path.filter(|path| inputs.iter().any(|input| same_file(&input.path, path))) {
            bail!("{flag} {} is one of the files to learn from", path.display());
        }
    }
    inputs.iter().try_for_each(InputFile::check_unchanged)?;
    let mut progress = of_command(args.json);
    start_threads(args.threads)?;
    let survey = train::survey(&inputs, progress.as_mut())?;
    let learned = survey.bytes.min(options.sample_bytes);
    memory::check("the text to learn from", learned, "a smaller --sample-bytes takes less")?;
    let kind = name_of(KINDS, &args.kind);
    let tokenizer = train::learn(&inputs, options, &survey, progress)
        .with_context(|| format!("cannot train a tokenizer of --kind {kind} --vocab {}", args.vocab))?;

    let json = tokenizer.to_json();
    let compact = args.compact.as_ref().map(|path| anyhow::Ok((path, tokenizer.to_compact()?))).transpose()?;
    file::write(&args.out, |out| Ok(writeln!(out, "{json}")?))?;
    if let Some((path, bytes)) = &compact {
        file::write(path, |out| Ok(out.write_all(bytes)?))?;
    }
    let mut tail_tokens = 0;
    for document in &survey.tail {
        tail_tokens += tokenizer.encode(document)?.len();
    }
    let tail_bytes = survey.tail.iter().map(String::len).sum();
    let report = Report {
        file: args.out.display().to_string(),
        file_bytes: json.len() + 1,
        compact: args.compact.as_ref().map(|path| path.display().to_string()),
        compact_bytes: compact.as_ref().map(|(_, bytes)| bytes.len()),
        kind,
        vocabulary: tokenizer.vocabulary_size(),
        fingerprint: format!("{:016x}", tokenizer.fingerprint()),
        files: inputs.len(),
        documents: survey.documents,
        text_bytes: survey.bytes,
        seconds: started.elapsed().as_secs_f64(),
        tail_bytes,
        tail_tokens,
        bytes_per_token: tail_bytes as f64 / tail_tokens.max(1) as f64,
    };
    print(&report, args.json)
}

/// Whether two paths, of files that need not exist yet, mean the same file.
fn same_file(a: &Path, b: &Path) -> bool {
    let whole = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let place = folder.canonicalize().ok().zip(path.file_name()).map(|(folder, name)| folder.join(name));
        path.canonicalize().ok().or(place)
    };
    a == b || whole(a).is_some_and(|a| whole(b) == Some(a))
}

fn options(args: &Args) -> Result<TrainOptions> {
    let defaults = TrainOptions::default();
    if args.phrase_words.is_some() && args.kind != Kind::Turkish {
        bail!("--phrase-words has no meaning for --kind {}", name_of(KINDS, &args.kind));
    }
    Ok(TrainOptions {
        kind: args.kind,
        vocabulary_size: args.vocab,
        minimum_frequency: args.min_frequency,
        phrase_words: args.phrase_words.unwrap_or(defaults.phrase_words),
        sample_bytes: args.sample_bytes.unwrap_or(defaults.sample_bytes),
        progress: None,
    })
}

/// Checks that a file can be written later, before time is spent on what goes into it.
fn writable(path: &Path) -> Result<()> {
    if path.is_dir() {
        bail!("cannot write {}: it is a folder", path.display());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::NamedTempFile::new_in(folder).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

fn print(r: &Report, json: bool) -> Result<()> {
    let mut out = Output::of_results();
    if json {
        write_json(&mut out, r)?;
        return Ok(out.flush()?);
    }
    writeln!(out, "{}: {}, fingerprint {}", r.file, size(r.file_bytes as f64), r.fingerprint)?;
    if let (Some(file), Some(bytes)) = (&r.compact, r.compact_bytes) {
        writeln!(out, "{file}: {}, the same tokens", size(bytes as f64))?;
    }
    let text = size(r.text_bytes as f64);
    writeln!(
        out,
        "\n{} tokens of kind {}, learned from {text} of text ({} documents) in {:.1} s",
        r.vocabulary, r.kind, r.documents, r.seconds
    )?;
    let tail = size(r.tail_bytes as f64);
    writeln!(out, "{:.3} bytes per token on the last {tail} of the text", r.bytes_per_token)?;
    Ok(out.flush()?)
}
