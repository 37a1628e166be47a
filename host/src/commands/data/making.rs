//! What all commands that prepare data ask for.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use ebt_corpus::language::Language;
use ebt_corpus::licence::Licence;
use ebt_corpus::prepare::{CHUNK, Content, Job, Part, Summary, prepare};
use ebt_data::DataConfig;
use ebt_data::progress::{of_command, size as bytes};
use ebt_data::text::{Format, InputFile, ReadOptions};

use super::{size, table};
use crate::cli::{Output, real, refuse_unnamed, thread_count, threads, write_json};

/// How documents are chosen, encoded and written.
#[derive(Clone, Debug, clap::Args)]
pub struct Making {
    /// tokenizer.json or compact tokenizer, or `full` for the shipped one of 32,768 tokens [default: the shipped one of 4,096]
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Replace finished data in DIR; it is removed first
    #[arg(long)]
    overwrite: bool,

    /// Cut longer documents (at most 4Mi): at a line end, else at white space, else between characters
    #[arg(long, value_name = "BYTES", value_parser = size::parse, default_value = "1Mi", help_heading = "Reading")]
    longest: u64,

    /// Drop shorter documents
    #[arg(long, value_name = "BYTES", value_parser = size::parse, default_value = "0", help_heading = "Choosing")]
    shortest: u64,
    /// Drop documents that are certainly in another language than this (tr, tur, en, ...)
    #[arg(long, value_name = "CODE", help_heading = "Choosing")]
    language: Option<String>,
    /// Drop documents this similar to an earlier one, 0.3 to 1 (0.8 is usual)
    #[arg(long, value_name = "SIMILARITY", value_parser = real::<f64>(0.3..=1.0), help_heading = "Choosing")]
    near_duplicates: Option<f64>,
    /// Share of documents to keep for measuring, chosen by the hash of their text
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = real::<f64>(0.0..1.0), help_heading = "Choosing")]
    validation: f64,

    /// Tokens after which a shard ends
    #[arg(long, value_name = "N", value_parser = size::parse, default_value = "64Mi", help_heading = "Writing")]
    shard_tokens: u64,
    /// Processor threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads(), help_heading = "Writing")]
    threads: Option<NonZeroUsize>,
    /// Print the result as one JSON object
    #[arg(long, help_heading = "Writing")]
    json: bool,
    /// Tell nothing while working
    #[arg(long, help_heading = "Writing")]
    pub(super) quiet: bool,
}

impl Making {
    /// Prepares the documents of `inputs`, or of a part of them, and reports what came of it.
    ///
    /// # Errors
    ///
    /// Options out of range, bad input, a full disk; the message names flag or file and the place in it.
    pub fn run(
        &self,
        out: &Path,
        inputs: Vec<InputFile>,
        reading: ReadOptions,
        licences: Vec<Licence>,
        part: Option<Part>,
    ) -> Result<()> {
        refuse_unnamed([out].into_iter())?;
        let content = self.content(reading)?;
        content.validate()?;
        let threads = thread_count(self.threads);
        let mut data = DataConfig { tokenizer: self.tokenizer.clone(), ..DataConfig::default() };
        let tokenizer = ebt_data::dataset::tokenizer(&mut data)?;
        let mut progress = of_command(self.quiet);
        progress.note(&told(&inputs));
        let (out, overwrite, chunk) = (out.to_path_buf(), self.overwrite, CHUNK);
        let job = Job { inputs, tokenizer, out, content, licences, part, overwrite, threads, chunk };
        print(&prepare(&job, progress.as_mut())?, self.json)
    }

    fn content(&self, reading: ReadOptions) -> Result<Content> {
        let bytes = |flag: &str, value: u64| match usize::try_from(value) {
            Ok(value) => Ok(value),
            Err(_) => bail!("--{flag} {value}: too large"),
        };
        let language = self.language.as_deref().map(Language::of_code).transpose();
        let language = language.map_err(|error| error.context("--language"))?;
        Ok(Content {
            read: ReadOptions { longest: bytes("longest", self.longest)?, ..reading },
            shortest: bytes("shortest", self.shortest)?,
            language: language.map(|language| language.code().to_owned()),
            near_duplicates: self.near_duplicates,
            validation: self.validation,
            shard_tokens: self.shard_tokens,
        })
    }
}

/// Prints what came of it, as a table or as JSON.
///
/// # Errors
///
/// An output that is full.
pub fn print(summary: &Summary, json: bool) -> Result<()> {
    let mut to = Output::of_results();
    if json {
        write_json(&mut to, summary)?;
    } else {
        table::print(&mut to, summary)?;
    }
    Ok(to.flush()?)
}

/// `12 files, 3.4 GiB (11 Parquet, 1 text)`.
fn told(inputs: &[InputFile]) -> String {
    let mut formats: Vec<(Format, usize)> = Vec::new();
    for input in inputs {
        match formats.iter_mut().find(|(format, _)| *format == input.format) {
            Some((_, n)) => *n += 1,
            None => formats.push((input.format, 1)),
        }
    }
    let formats: Vec<String> = formats.iter().map(|(format, n)| format!("{n} {format}")).collect();
    let total: u64 = inputs.iter().map(|input| input.size).sum();
    let files = if inputs.len() == 1 { "file" } else { "files" };
    format!("{} {files}, {} ({})", inputs.len(), bytes(total as f64), formats.join(", "))
}
