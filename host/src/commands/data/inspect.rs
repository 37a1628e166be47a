//! `ebt data inspect`: what prepared data hold, and whether they are whole.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use ebt_data::Tokens;
use ebt_data::progress::{Counter, count, size};
use ebt_data::shard::manifest::{Dropped, Manifest, Prepared, Split, TokenizerRecord};
use ebt_data::shard::{Shard, ShardRecord, verify};
use serde::Serialize;

use crate::cli::{Output, SPLITS, name_of, one_of, start_threads, threads, whole, write_json};

/// Show what prepared data hold, and check them.
///
/// The structure of every shard is always checked: sizes, tokenizer, document index. With --verify everything is read:
/// checksums, ids, begin tokens, and that every document decodes to text of the length in the index.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt data inspect prepared/
  ebt data inspect prepared/ --verify
  ebt data inspect prepared/ --show 0 --split validation
  ebt data inspect prepared/ --json")]
pub struct Args {
    /// Folder of prepared data
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Read and check everything
    #[arg(long)]
    verify: bool,
    /// Print the text of the document of this number, counted from 0, and nothing else
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0..=u64::MAX), conflicts_with_all = ["json", "verify"])]
    show: Option<u64>,
    /// Where the document of --show is
    #[arg(long, value_parser = one_of(SPLITS), value_name = "SPLIT", default_value = "train")]
    split: Split,
    /// Processor threads of --verify [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads())]
    threads: Option<std::num::NonZeroUsize>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Report<'a> {
    folder: String,
    fingerprint: String,
    created_by: &'a str,
    /// Part and number of parts, of a part of a corpus.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<[usize; 2]>,
    tokenizer: &'a TokenizerRecord,
    options: &'a serde_json::Map<String, serde_json::Value>,
    train: Total,
    validation: Total,
    sources: Vec<SourceReport<'a>>,
    dropped: Dropped,
    shards: Vec<&'a ShardRecord>,
    /// Whether everything was read and found whole.
    verified: bool,
}

/// Sums of a split.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Total {
    shards: usize,
    documents: u64,
    text_bytes: u64,
    /// Begin tokens included.
    tokens: u64,
}

/// A source, both splits together.
#[derive(Debug, Serialize)]
struct SourceReport<'a> {
    name: &'a str,
    files: u64,
    documents: u64,
    text_bytes: u64,
    /// Begin tokens not included.
    text_tokens: u64,
    bytes_per_token: f64,
    licence: Option<&'a str>,
}

/// Runs the command.
///
/// # Errors
///
/// Data that cannot be read or are damaged; no document of the number asked for.
pub fn run(args: &Args) -> Result<()> {
    let folder = Prepared::open(&args.folder)?;
    let mut out = Output::of_results();
    if let Some(number) = args.show {
        return show(&folder, args.split, number, &mut out);
    }
    let (train, validation) = (folder.shards(&folder.manifest.train)?, folder.shards(&folder.manifest.validation)?);
    if args.verify {
        start_threads(args.threads)?;
        check(&folder, train.iter().chain(&validation))?;
        check_sources(&folder, train.iter().chain(&validation))?;
    }
    let report = report(&folder, &train, &validation, args.verify)?;
    if args.json {
        write_json(&mut out, &report)?;
    } else {
        print(&mut out, &report)?;
    }
    out.flush()?;
    Ok(())
}

/// Prints a document.
fn show(folder: &Prepared, split: Split, number: u64, out: &mut impl Write) -> Result<()> {
    let name = name_of(SPLITS, &split);
    let tokens = Tokens::mapped(std::slice::from_ref(folder), split)?;
    if number >= tokens.documents() {
        bail!(
            "--show {number}: {} holds {} {name} documents, numbered from 0",
            folder.folder.display(),
            tokens.documents()
        );
    }
    let (range, mut ids) = (tokens.document(number), Vec::new());
    tokens.gather(range.start + 1..range.end, &mut ids)?;
    out.write_all(&folder.tokenizer.decode_bytes(&ids)?)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

/// Reads all shards.
fn check<'a>(folder: &Prepared, shards: impl Iterator<Item = &'a Shard>) -> Result<()> {
    let Manifest { train, validation, .. } = &folder.manifest;
    let records: Vec<&ShardRecord> = train.iter().chain(validation).collect();
    let checked = Counter::new(true, records.iter().map(|record| record.file_bytes as usize).sum());
    for (shard, record) in shards.zip(records) {
        verify::verify(shard, record, &folder.tokenizer)?;
        checked.advance(record.file_bytes as usize);
    }
    Ok(())
}

/// Documents and bytes of text of every source are those that the manifest says.
fn check_sources<'a>(folder: &Prepared, shards: impl Iterator<Item = &'a Shard>) -> Result<()> {
    let sources = &folder.manifest.sources;
    let mut found = vec![(0, 0); sources.len()];
    for shard in shards {
        for i in 0..shard.documents() {
            let sum = &mut found[shard.source(i) as usize];
            *sum = (sum.0 + 1, sum.1 + shard.length(i));
        }
    }
    for (source, (documents, text_bytes)) in sources.iter().zip(found) {
        if (documents, text_bytes) != (source.documents, source.text_bytes) {
            bail!(
                "{}: the shards hold {documents} documents and {text_bytes} bytes of the source {}, the manifest says {} and {}",
                folder.folder.display(),
                source.name,
                source.documents,
                source.text_bytes
            );
        }
    }
    Ok(())
}

fn report<'a>(folder: &'a Prepared, train: &[Shard], validation: &[Shard], verified: bool) -> Result<Report<'a>> {
    let manifest = &folder.manifest;
    let mut text_tokens = vec![0; manifest.sources.len()];
    for shard in train.iter().chain(validation) {
        for i in 0..shard.documents() {
            text_tokens[shard.source(i) as usize] += shard.end_of(i) - shard.begin_of(i) - 1;
        }
    }
    let sources = manifest.sources.iter().zip(text_tokens).map(|(source, text_tokens)| SourceReport {
        name: &source.name,
        files: source.files,
        documents: source.documents,
        text_bytes: source.text_bytes,
        text_tokens,
        bytes_per_token: source.text_bytes as f64 / text_tokens.max(1) as f64,
        licence: source.licence.as_deref(),
    });
    Ok(Report {
        folder: folder.folder.display().to_string(),
        fingerprint: format!("{:016x}", Tokens::mapped(std::slice::from_ref(folder), Split::Train)?.fingerprint()),
        created_by: &manifest.created_by,
        part: manifest.part.as_ref().map(|part| [part.number, part.of]),
        tokenizer: &manifest.tokenizer,
        options: &manifest.options.0,
        train: total(&manifest.train),
        validation: total(&manifest.validation),
        sources: sources.collect(),
        dropped: manifest.dropped,
        shards: manifest.train.iter().chain(&manifest.validation).collect(),
        verified,
    })
}

fn total(records: &[ShardRecord]) -> Total {
    let mut total = Total { shards: records.len(), ..Total::default() };
    for record in records {
        total.documents += record.documents;
        total.text_bytes += record.text_bytes;
        total.tokens += record.tokens;
    }
    total
}

fn print(out: &mut impl Write, r: &Report<'_>) -> Result<()> {
    writeln!(out, "{}: data fingerprint {}, made by {}", r.folder, r.fingerprint, r.created_by)?;
    if let Some([number, of]) = r.part {
        writeln!(out, "part {number} of {of}")?;
    }
    writeln!(out, "tokenizer: {} tokens, fingerprint {}\n", r.tokenizer.vocabulary, r.tokenizer.fingerprint)?;
    for (name, total) in [("train", r.train), ("validation", r.validation)] {
        writeln!(
            out,
            "{name:10}  {} documents, {} of text, {} tokens in {} shard{}",
            count(total.documents as f64),
            size(total.text_bytes as f64),
            count(total.tokens as f64),
            total.shards,
            if total.shards == 1 { "" } else { "s" }
        )?;
    }
    let width = r.sources.iter().map(|s| s.name.chars().count()).max().unwrap_or(0).max(6);
    writeln!(
        out,
        "\n{:width$}  {:>7}  {:>10}  {:>13}  {:>12}  {:>11}  licence",
        "source", "files", "documents", "bytes", "tokens", "bytes/token"
    )?;
    for s in &r.sources {
        writeln!(
            out,
            "{:width$}  {:>7}  {:>10}  {:>13}  {:>12}  {:>11.3}  {}",
            s.name,
            s.files,
            s.documents,
            s.text_bytes,
            s.text_tokens,
            s.bytes_per_token,
            s.licence.unwrap_or("not stated")
        )?;
    }
    let fields = serde_json::to_value(r.dropped)?;
    let reason = |(name, n): (&String, &serde_json::Value)| format!("{n} {}", name.replace('_', " "));
    let reasons: Vec<String> = fields.as_object().into_iter().flatten().map(reason).collect();
    writeln!(out, "\ndropped: {}", reasons.join(", "))?;
    if !r.options.is_empty() {
        writeln!(out, "\noptions")?;
        for (name, value) in r.options {
            writeln!(out, "  {name:16} {value}")?;
        }
    }
    writeln!(out, "\n{:24}  {:>10}  {:>12}  {:>13}  sha256", "shard", "documents", "tokens", "bytes")?;
    for s in &r.shards {
        let sum = s.sha256.get(..16).unwrap_or(&s.sha256);
        writeln!(out, "{:24}  {:>10}  {:>12}  {:>13}  {sum}", s.file, s.documents, s.tokens, s.file_bytes)?;
    }
    let state = if r.verified { "everything was read: whole" } else { "structure checked; --verify reads everything" };
    writeln!(out, "\n{state}")?;
    Ok(())
}
