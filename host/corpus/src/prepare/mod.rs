//! Corpora to shards, in constant memory and in two passes.
//!
//! The first pass ([`survey`]) reads and cleans everything and decides which documents are dropped: one bit a document.
//! The second ([`encode`]) reads again and encodes what stays, chunks of documents on all cores, written in the order of
//! the input. So the result is a function of inputs, tokenizer and [`Content`] alone, bit for bit; threads, chunks and
//! interruptions do not show.
//!
//! A [`Part`] of a corpus gets no further than what its own documents decide; the rest is done when parts are merged.
//!
//! Work ([`task`]) is done in the folder of the data ([`folder`]). A shard has its name once it is whole, and is then noted in the
//! [`journal`]; the manifest is written last. What was interrupted goes on behind the last finished shards.

pub mod encode;
pub mod folder;
pub mod journal;
pub mod options;
pub mod part;
mod progress;
pub mod summary;
pub mod survey;
pub mod task;

use std::collections::HashMap;

use anyhow::Result;
use ebt_data::progress::Progress;
use ebt_data::text::InputFile;

use super::documents::Origin;
use super::licence;
use super::read;
pub use options::{CHUNK, Content, Job};
pub use part::Part;
use summary::Source;
pub use summary::{SourceSummary, SplitSummary, Summary};
use task::Task;

/// Prepares data, or goes on with it where it was interrupted.
///
/// # Errors
///
/// Options out of range, a folder that cannot be used, bad input, a full disk; the message names the flag or the file
/// and the place in it. What is finished stays, and the same job goes on from there.
pub fn prepare(job: &Job, progress: &mut dyn Progress) -> Result<Summary> {
    job.content.validate()?;
    let (names, sources) = sources(&job.inputs);
    let licences = licence::assign(&job.licences, &names)?;
    job.inputs.iter().try_for_each(read::supports)?;
    let range = job.part.map_or(Ok(0..job.inputs.len()), |part| part.range(&job.inputs))?;
    let mut content = job.content.clone();
    if let Some(part) = job.part {
        // what depends on the other parts is for the merge to decide
        (content.near_duplicates, content.validation) = (None, 0.0);
        let (first, last, all) = (range.start + 1, range.end, job.inputs.len());
        progress.note(&format!("part {part}: files {first} to {last} of {all}"));
    }
    let of_inputs = &sources[range.clone()];
    let files = |i: usize| of_inputs.iter().filter(|&&source| source == i).count() as u64;
    let source = |(i, (name, licence))| Source { name, licence, files: files(i), ..Source::default() };
    let task = Task {
        out: &job.out,
        overwrite: job.overwrite,
        threads: job.threads,
        chunk: job.chunk,
        inputs: &job.inputs[range.clone()],
        origin: Origin::Text { options: &job.content.read, sources: of_inputs },
        sources: names.into_iter().zip(licences).enumerate().map(source).collect(),
        tokenizer: &job.tokenizer,
        content,
        options: &job.content,
        part: job.part.map(|part| part.record(&job.inputs)),
    };
    task.run(progress)
}

/// Names of the sources in order of appearance, and the source of every input.
fn sources(inputs: &[InputFile]) -> (Vec<String>, Vec<usize>) {
    let mut names: Vec<String> = Vec::new();
    let mut known = HashMap::new();
    let sources = inputs
        .iter()
        .map(|input| {
            *known.entry(input.source.as_str()).or_insert_with(|| {
                names.push(input.source.clone());
                names.len() - 1
            })
        })
        .collect();
    (names, sources)
}
