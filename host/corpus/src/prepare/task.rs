//! Both passes over documents that were found, and the manifest: what corpora and parts of prepared data have in common.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use ebt_data::encoder::Encoder;
use ebt_data::memory::check_threads;
use ebt_data::progress::Progress;
use ebt_data::shard::manifest::{
    FORMAT, LeftOut, Manifest, PartRecord, PrepareOptions, SourceRecord, Split, TOKENIZER_FILE, TokenizerRecord,
};
use ebt_data::shard::verify::verify;
use ebt_data::text::input::absolute;
use ebt_data::text::{InputFile, Position};
use ebt_data::{CREATED_BY, digest};
use ebt_tokenizer::Tokenizer;

use super::folder::Folder;
use super::journal::{Finished, Plan, Survey};
use super::options::Content;
use super::progress::Pass;
use super::summary::{self, Source, SourceSummary, Summary};
use super::{encode, survey};
use crate::chunks::Reading;
use crate::documents::Origin;
use crate::duplicates::bits::Bits;

/// What is to be done, and of what.
pub struct Task<'a> {
    /// Folder of the data.
    pub out: &'a Path,
    /// Whether finished data in the folder may be replaced.
    pub overwrite: bool,
    /// Processor threads, at least 1.
    pub threads: usize,
    /// Bytes of documents that are worked on together.
    pub chunk: usize,
    /// Files to read, in order.
    pub inputs: &'a [InputFile],
    /// What they are.
    pub origin: Origin<'a>,
    /// The sources of their documents.
    pub sources: Vec<Source>,
    /// The tokenizer that encodes the documents; the folder gets a copy of it.
    pub tokenizer: &'a Tokenizer,
    /// What is decided of the documents.
    pub content: Content,
    /// The options that the manifest tells.
    pub options: &'a Content,
    /// The part of a corpus that comes out of it.
    pub part: Option<PartRecord>,
}

/// What both passes found.
struct Prepared {
    survey: Survey,
    survey_seconds: Option<f64>,
    encode_seconds: f64,
}

impl Task<'_> {
    /// Does it, or goes on with it where it was interrupted.
    ///
    /// # Errors
    ///
    /// A folder that cannot be used, bad input, a full disk; the message names the file and the place in it. What is
    /// finished stays, and the same task goes on from there.
    pub fn run(&self, progress: &mut dyn Progress) -> Result<Summary> {
        self.tokenizer.begin()?;
        self.inputs.iter().try_for_each(InputFile::check_unchanged)?;
        absolute(self.out)?;
        let plan = Plan {
            created_by: CREATED_BY.into(),
            tokenizer: self.fingerprint(),
            options: self.options.clone(),
            inputs: self.inputs.iter().map(InputFile::absolute).collect::<Result<_>>()?,
            part: self.part.clone(),
        };
        check_threads(self.threads, "--threads N asks for fewer")?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build();
        let pool =
            pool.with_context(|| format!("cannot start {} threads; --threads N asks for fewer", self.threads))?;
        let mut folder = Folder::open(self.out, &plan, self.overwrite, &mut |note| progress.note(note))?;
        match self.shards(&pool, &mut folder, progress) {
            Ok(work) => self.finish(&work, folder, progress),
            Err(error) => {
                progress.end();
                let out = self.out.display();
                if folder.leave() {
                    progress.note(&format!("what is finished stays in {out}; the same command goes on from there"));
                }
                Err(error)
            }
        }
    }

    fn fingerprint(&self) -> String {
        format!("{:016x}", self.tokenizer.fingerprint())
    }

    /// Both passes, as far as they are not done.
    fn shards(&self, pool: &rayon::ThreadPool, folder: &mut Folder, progress: &mut dyn Progress) -> Result<Prepared> {
        check_shards(folder, progress)?;
        let scratch = folder.work.clone();
        let (content, tokenizer) = (&self.content, self.tokenizer);
        let reading = Reading {
            inputs: self.inputs,
            origin: self.origin,
            scratch: &scratch,
            position: Position::default(),
            chunk: self.chunk.max(1),
            from: (0, 0),
        };
        let (survey, dropped, survey_seconds) = match surveyed(folder, self.inputs.len(), progress) {
            Some((survey, dropped)) => (survey, dropped, None),
            None => {
                let checked = self.check(pool, progress)?;
                let mut pass = Pass::begin(progress, "reading", 0, self.bytes());
                let names = self.sources.len();
                let (mut survey, dropped) =
                    survey::survey(reading.clone(), content, tokenizer, names, &scratch, pool, &mut pass)?;
                survey.checksum = dropped.write(&folder.dropped())?;
                let seconds = checked + pass.end(survey.documents());
                // of a part nothing may be left
                if self.part.is_none() {
                    survey::check_some_left(&survey)?;
                }
                folder.journal.surveyed(survey.clone())?;
                (survey, dropped, Some(seconds))
            }
        };
        check_order(folder, survey.documents(), progress);
        let reading = Reading { position: Position::default(), ..reading };
        let encode_seconds =
            encode::encode(reading, content, tokenizer, &survey.files, &dropped, folder, pool, progress)?;
        Ok(Prepared { survey, survey_seconds, encode_seconds })
    }

    fn bytes(&self) -> u64 {
        self.inputs.iter().map(|input| input.size).sum()
    }

    /// Checks every byte of inputs that have checksums; returns the seconds it took.
    fn check(&self, pool: &rayon::ThreadPool, progress: &mut dyn Progress) -> Result<f64> {
        let Origin::Shards(shards) = self.origin else { return Ok(0.0) };
        let mut pass = Pass::begin(progress, "checking", 0, self.bytes());
        let (mut bytes, mut documents) = (0, 0);
        for (folder, record) in shards {
            let shard = folder.shard(record)?;
            pool.install(|| verify(&shard, record, self.tokenizer))?;
            bytes += record.file_bytes;
            documents += shard.documents();
            pass.update(bytes, documents);
        }
        Ok(pass.end(documents))
    }

    /// Makes data of finished shards.
    fn finish(&self, work: &Prepared, folder: Folder, progress: &mut dyn Progress) -> Result<Summary> {
        let sources = summary::by_source(&self.sources, &work.survey, &folder.journal);
        write_tokenizer(&folder, self.tokenizer)?;
        self.manifest(&sources, &folder)?.write(&folder.out)?;
        let summary = Summary {
            out: self.out.to_path_buf(),
            total: summary::of_all(&sources),
            sources,
            train: summary::of_split(&folder.journal.train),
            validation: summary::of_split(&folder.journal.validation),
            vocabulary: self.tokenizer.vocabulary_size(),
            survey_seconds: work.survey_seconds,
            encode_seconds: work.encode_seconds,
        };
        let measured = self.content.validation > 0.0;
        let wanted = [("train", &summary.train, self.part.is_none()), ("measure", &summary.validation, measured)];
        for (what, _, _) in wanted.iter().filter(|(_, split, wanted)| *wanted && split.documents == 0) {
            progress.note(&format!("warning: no document fell to those to {what} on; see --validation"));
        }
        folder.finish()?;
        Ok(summary)
    }

    fn manifest(&self, sources: &[SourceSummary], folder: &Folder) -> Result<Manifest> {
        let record = |s: &SourceSummary| SourceRecord {
            name: s.name.clone(),
            files: s.files,
            documents: s.documents,
            text_bytes: s.text_bytes,
            licence: s.licence.clone(),
        };
        let left_out = |s: &SourceSummary| LeftOut { dropped: s.dropped, cuts: s.cuts, replaced: s.replaced };
        let records = |shards: &[Finished]| shards.iter().map(|finished| finished.shard.clone()).collect();
        Ok(Manifest {
            format: FORMAT,
            created_by: CREATED_BY.into(),
            tokenizer: TokenizerRecord {
                fingerprint: self.fingerprint(),
                vocabulary: self.tokenizer.vocabulary_size(),
                file: TOKENIZER_FILE.into(),
            },
            options: PrepareOptions::of(self.options)?,
            sources: sources.iter().map(record).collect(),
            train: records(&folder.journal.train),
            validation: records(&folder.journal.validation),
            dropped: summary::of_all(sources).dropped,
            part: self.part.clone().map(|part| PartRecord { sources: sources.iter().map(left_out).collect(), ..part }),
        })
    }
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
