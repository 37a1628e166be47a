//! Corpora to shards, in constant memory and in two passes.
//!
//! The first pass ([`survey`]) reads and cleans everything and decides which documents are dropped: one bit a document.
//! The second ([`encode`]) reads again and encodes what stays, chunks of documents on all cores, written in the order of
//! the input. So the result is a function of inputs, tokenizer and [`Content`] alone, bit for bit; threads, chunks and
//! interruptions do not show.
//!
//! Work is done in the folder of the data ([`folder`]). A shard has its name once it is whole, and is then noted in the
//! [`journal`]; the manifest is written last. What was interrupted goes on behind the last finished shards.

pub mod encode;
pub mod folder;
pub mod journal;
pub mod options;
mod progress;
pub mod summary;
pub mod survey;

use std::fs::File;

use anyhow::{Context, Result};
use ebt_data::progress::Progress;
use ebt_data::shard::manifest::{
    FORMAT, Manifest, PrepareOptions, SourceRecord, Split, TOKENIZER_FILE, TokenizerRecord,
};
use ebt_data::text::input::absolute;
use ebt_data::text::{InputFile, Position};
use ebt_data::tokens::begin_of;
use ebt_data::{CREATED_BY, digest};
use ebt_tokenizer::Tokenizer;

use super::chunks::Reading;
use super::duplicates::bits::Bits;
use super::licence;
use super::read;
use folder::Folder;
use journal::{Finished, Plan, Survey};
pub use options::{CHUNK, Content, Job};
use progress::Pass;
pub use summary::{SourceSummary, SplitSummary, Summary};

/// Prepares data, or goes on with it where it was interrupted.
///
/// # Errors
///
/// Options out of range, a folder that cannot be used, bad input, a full disk; the message names the flag or the file
/// and the place in it. What is finished stays, and the same job goes on from there.
pub fn prepare(job: &Job, progress: &mut dyn Progress) -> Result<Summary> {
    job.content.validate()?;
    let (names, sources) = sources(job);
    let licences = licence::assign(&job.licences, &names)?;
    let fingerprint = format!("{:016x}", job.tokenizer.fingerprint());
    begin_of(&job.tokenizer)?;
    job.inputs.iter().try_for_each(read::supports)?;
    job.inputs.iter().try_for_each(InputFile::check_unchanged)?;
    absolute(&job.out)?;
    let plan = Plan {
        created_by: CREATED_BY.into(),
        tokenizer: fingerprint.clone(),
        options: job.content.clone(),
        inputs: job.inputs.iter().map(InputFile::absolute).collect::<Result<_>>()?,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(job.threads).build();
    let pool = pool.with_context(|| format!("cannot start {} threads; --threads N asks for fewer", job.threads))?;
    let mut folder = Folder::open(&job.out, &plan, job.overwrite, &mut |note| progress.note(note))?;
    match shards(job, &sources, &pool, &mut folder, progress) {
        Ok(work) => {
            let by_source = summary::by_source(&names, &sources, &licences, &work.survey, &folder.journal);
            finish(job, fingerprint, by_source, work, folder, progress)
        }
        Err(error) => {
            progress.end();
            let out = job.out.display();
            if folder.leave() {
                progress.note(&format!("what is finished stays in {out}; the same command goes on from there"));
            }
            Err(error)
        }
    }
}

/// What both passes found.
struct Prepared {
    survey: Survey,
    survey_seconds: Option<f64>,
    encode_seconds: f64,
}

/// Both passes, as far as they are not done.
fn shards(
    job: &Job,
    sources: &[usize],
    pool: &rayon::ThreadPool,
    folder: &mut Folder,
    progress: &mut dyn Progress,
) -> Result<Prepared> {
    check_shards(folder, progress)?;
    let scratch = folder.work.clone();
    let (content, tokenizer) = (&job.content, &job.tokenizer);
    let reading = Reading {
        inputs: &job.inputs,
        options: &content.read,
        scratch: &scratch,
        position: Position::default(),
        chunk: job.chunk.max(1),
        from: (0, 0),
    };
    let (survey, dropped, survey_seconds) = match surveyed(folder, job.inputs.len(), progress) {
        Some((survey, dropped)) => (survey, dropped, None),
        None => {
            let total = job.inputs.iter().map(|input| input.size).sum();
            let mut pass = Pass::begin(progress, "reading", 0, total);
            let (mut survey, dropped) = survey::survey(reading.clone(), content, sources, &scratch, pool, &mut pass)?;
            survey.checksum = dropped.write(&folder.dropped())?;
            let seconds = pass.end(survey.documents());
            survey::check_some_left(&survey)?;
            folder.journal.surveyed(survey.clone())?;
            (survey, dropped, Some(seconds))
        }
    };
    check_order(folder, survey.documents(), progress);
    let reading = Reading { position: Position::default(), ..reading };
    let files = &survey.files;
    let encode_seconds = encode::encode(reading, content, tokenizer, sources, files, &dropped, folder, pool, progress)?;
    Ok(Prepared { survey, survey_seconds, encode_seconds })
}

/// Makes data of finished shards.
fn finish(
    job: &Job,
    fingerprint: String,
    sources: Vec<SourceSummary>,
    work: Prepared,
    folder: Folder,
    progress: &mut dyn Progress,
) -> Result<Summary> {
    write_tokenizer(&folder, &job.tokenizer)?;
    manifest(job, fingerprint, &sources, &work.survey, &folder)?.write(&folder.out)?;
    let summary = Summary {
        out: job.out.clone(),
        total: summary::of_all(&sources),
        sources,
        train: summary::of_split(&folder.journal.train),
        validation: summary::of_split(&folder.journal.validation),
        vocabulary: job.tokenizer.vocabulary_size(),
        survey_seconds: work.survey_seconds,
        encode_seconds: work.encode_seconds,
    };
    let wanted = [("train", &summary.train, true), ("measure", &summary.validation, job.content.validation > 0.0)];
    for (what, _, _) in wanted.iter().filter(|(_, split, wanted)| *wanted && split.documents == 0) {
        progress.note(&format!("warning: no document fell to those to {what} on; see --validation"));
    }
    folder.finish()?;
    Ok(summary)
}

/// Names of the sources in order of appearance, and the source of every input.
fn sources(job: &Job) -> (Vec<String>, Vec<usize>) {
    let mut names: Vec<String> = Vec::new();
    let mut known = std::collections::HashMap::new();
    let sources = job
        .inputs
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

/// What an interrupted run had found in its first pass.
fn surveyed(folder: &Folder, inputs: usize, progress: &mut dyn Progress) -> Option<(Survey, Bits)> {
    let survey = folder.journal.survey.clone()?;
    if !survey.fits(inputs) {
        progress.note("reading everything again: the journal is damaged");
        return None;
    }
    match Bits::read(&folder.dropped(), &survey.checksum) {
        Ok(dropped) => Some((survey, dropped)),
        Err(error) => {
            progress.note(&format!("reading everything again: {error}"));
            None
        }
    }
}

/// Forgets finished shards from the first one on that is not as it was written.
fn check_shards(folder: &mut Folder, progress: &mut dyn Progress) -> Result<()> {
    for split in [Split::Train, Split::Validation] {
        let out = folder.out.clone();
        let shards = folder.journal.shards(split);
        let intact = |finished: &Finished| {
            let path = out.join(&finished.shard.file);
            let sum = File::open(&path).and_then(|mut file| digest::sha256_of(&mut file));
            sum.is_ok_and(|sum| sum == finished.shard.sha256) && finished.adds_up()
        };
        if let Some(damaged) = shards.iter().position(|finished| !intact(finished)) {
            progress.note(&format!("{} is not as it was written: writing it again", shards[damaged].shard.file));
            shards.truncate(damaged);
        }
    }
    Ok(())
}

/// Forgets finished shards from the first one on that ends before the one before it, or behind the last document.
fn check_order(folder: &mut Folder, documents: u64, progress: &mut dyn Progress) {
    for split in [Split::Train, Split::Validation] {
        let shards = folder.journal.shards(split);
        let before = std::iter::once(0).chain(shards.iter().map(|finished| finished.next));
        let out_of_order = |(before, finished): (u64, &Finished)| !(before..=documents).contains(&finished.next);
        if let Some(wrong) = before.zip(shards.iter()).position(out_of_order) {
            progress.note(&format!("{} does not follow: writing it again", shards[wrong].shard.file));
            shards.truncate(wrong);
        }
    }
}

fn write_tokenizer(folder: &Folder, tokenizer: &Tokenizer) -> Result<()> {
    let json = tokenizer.to_json();
    ebt_data::file::write(&folder.out.join(TOKENIZER_FILE), |out| Ok(out.write_all(json.as_bytes())?))
}

fn manifest(
    job: &Job,
    fingerprint: String,
    sources: &[SourceSummary],
    survey: &Survey,
    folder: &Folder,
) -> Result<Manifest> {
    let record = |s: &SourceSummary| SourceRecord {
        name: s.name.clone(),
        files: s.files,
        documents: s.documents,
        text_bytes: s.text_bytes,
        licence: s.licence.clone(),
    };
    let records = |shards: &[Finished]| shards.iter().map(|finished| finished.shard.clone()).collect();
    Ok(Manifest {
        format: FORMAT,
        created_by: CREATED_BY.into(),
        tokenizer: TokenizerRecord {
            fingerprint,
            vocabulary: job.tokenizer.vocabulary_size(),
            file: TOKENIZER_FILE.into(),
        },
        options: PrepareOptions::of(&job.content)?,
        sources: sources.iter().map(record).collect(),
        train: records(&folder.journal.train),
        validation: records(&folder.journal.validation),
        dropped: summary::total(&survey.dropped),
    })
}
