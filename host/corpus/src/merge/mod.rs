//! Parts of a corpus to the data that `prepare` makes of all of it in one go, byte for byte.
//!
//! The shards of a part hold its documents in the order of the input, all but those that its own documents and options
//! already drop. So the documents of all parts, one after the other, are those of the corpus, and go through both passes of
//! [`prepare`](super::prepare) again: here documents are dropped that are like one of an earlier part, and train and
//! validation are told apart. Nothing is encoded a second time: tokens are decoded to look at the text, and copied.

mod together;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use ebt_data::progress::Progress;
use ebt_data::shard::ShardRecord;
use ebt_data::shard::manifest::{LeftOut, Prepared};
use ebt_data::text::{Format, Formats, InputFile};

use super::documents::Origin;
use super::prepare::options::Content;
use super::prepare::summary::{Source, Summary, total};
use super::prepare::task::Task;

/// Parts to be merged.
#[derive(Clone, Debug)]
pub struct Merge {
    /// Folders of all parts of a corpus, in any order.
    pub parts: Vec<PathBuf>,
    /// Folder of the data.
    pub out: PathBuf,
    /// Whether finished data in the folder may be replaced.
    pub overwrite: bool,
    /// Processor threads, at least 1; changes nothing in the result.
    pub threads: usize,
    /// Bytes of tokens that are worked on together; changes nothing in the result.
    pub chunk: usize,
}

/// Merges parts, or goes on where it was interrupted.
///
/// # Errors
///
/// Folders that are not all the parts of one corpus, a folder that cannot be used, damaged shards, a full disk; the message
/// names the folder or file. What is finished stays, and the same job goes on from there.
pub fn merge(job: &Merge, progress: &mut dyn Progress) -> Result<Summary> {
    let parts = together::open(&job.parts)?;
    for part in &parts {
        if fs::canonicalize(&job.out).is_ok_and(|out| fs::canonicalize(&part.folder).is_ok_and(|own| own == out)) {
            bail!("--out {} is the folder of a part; choose another one", job.out.display());
        }
    }
    let first = parts.first().context("no folder of a part was named")?;
    let options = serde_json::Value::Object(first.manifest.options.0.clone());
    let unusable =
        || format!("the manifest in {} is damaged: its options are none of this program", first.folder.display());
    let options: Content = serde_json::from_value(options).with_context(unusable)?;
    // documents were chosen one by one when the parts were made
    let content = Content { shortest: 0, language: None, ..options.clone() };
    content.validate().with_context(unusable)?;
    let shards: Vec<(&Prepared, &ShardRecord)> =
        parts.iter().flat_map(|part| part.manifest.train.iter().map(move |record| (part, record))).collect();
    let input = |(part, record): &(&Prepared, &ShardRecord)| {
        InputFile::new(&part.folder.join(&record.file), Formats::All(Format::Text))
    };
    let inputs: Vec<InputFile> = shards.iter().map(input).collect::<Result<_>>()?;
    let task = Task {
        out: &job.out,
        overwrite: job.overwrite,
        threads: job.threads,
        chunk: job.chunk,
        inputs: &inputs,
        origin: Origin::Shards(&shards),
        sources: sources(&parts),
        tokenizer: &first.tokenizer,
        content,
        options: &options,
        part: None,
    };
    task.run(progress)
}

/// The sources of all parts, which are the same ones.
fn sources(parts: &[Prepared]) -> Vec<Source> {
    let mut all: Vec<Source> = Vec::new();
    for manifest in parts.iter().map(|part| &part.manifest) {
        let left_out = manifest.part.iter().flat_map(|part| &part.sources);
        for (i, (source, left_out)) in manifest.sources.iter().zip(left_out).enumerate() {
            if i == all.len() {
                let (name, licence) = (source.name.clone(), source.licence.clone());
                all.push(Source { name, licence, ..Source::default() });
            }
            let to = &mut all[i];
            to.files += source.files;
            to.before = LeftOut {
                dropped: total(&[to.before.dropped, left_out.dropped]),
                cuts: to.before.cuts + left_out.cuts,
                replaced: to.before.replaced + left_out.replaced,
            };
        }
    }
    all
}
