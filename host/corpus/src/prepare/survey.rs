//! The first pass: which documents are dropped.

use std::path::Path;

use anyhow::{Result, bail};
use ebt_data::shard::manifest::Dropped;
use ebt_tokenizer::Tokenizer;
use rayon::prelude::*;
use twox_hash::XxHash3_128;

use super::journal::Survey;
use super::options::Content;
use super::progress::Pass;
use crate::chunks::{Document, FileEnd, Reading};
use crate::documents::Body;
use crate::duplicates::bits::Bits;
use crate::duplicates::exact::Hashes;
use crate::duplicates::minhash::{Bands, minima};
use crate::duplicates::near::{Signatures, Sketch};
use crate::language::Language;

/// Reads everything, and decides which documents are dropped. There are `names` sources. Needs disk in
/// `work`: 24 bytes a document, and with near duplicates up to 3 KiB more.
///
/// # Errors
///
/// Unreadable input, a full disk; the message names the file.
pub fn survey(
    reading: Reading<'_>,
    content: &Content,
    tokenizer: &Tokenizer,
    names: usize,
    work: &Path,
    pool: &rayon::ThreadPool,
    pass: &mut Pass<'_>,
) -> Result<(Survey, Bits)> {
    let inputs = reading.inputs;
    let position = reading.position.clone();
    let origin = reading.origin;
    let judge = Judge::new(content, tokenizer)?;
    let mut found = Survey {
        files: vec![0; inputs.len()],
        dropped: vec![Dropped::default(); names],
        tallies: vec![Default::default(); names],
        checksum: String::new(),
    };
    let mut bits = Bits::default();
    let mut hashes = Hashes::create(work)?;
    let mut signatures = judge.bands.map(|_| Signatures::create(work)).transpose()?;
    let mut documents = 0;
    // first document and source of every run of documents of one source
    let mut runs: Vec<(u64, usize)> = Vec::new();
    reading.for_each(
        |_| true,
        |chunk| {
            let verdicts: Result<Vec<Verdict>> =
                pool.install(|| chunk.documents.par_iter().map(|document| judge.verdict(&document.body)).collect());
            for (Document { number, source, .. }, verdict) in chunk.documents.iter().zip(verdicts?) {
                if runs.last().is_none_or(|run| run.1 != *source) {
                    runs.push((*number, *source));
                }
                let dropped = &mut found.dropped[*source];
                match verdict {
                    Verdict::Wanted { hash, sketch } => {
                        hashes.push(hash, *number)?;
                        if let (Some(signatures), Some(sketch)) = (&mut signatures, sketch) {
                            signatures.push(*number, &sketch.signature, &sketch.keys)?;
                        }
                        continue;
                    }
                    Verdict::Empty => dropped.empty += 1,
                    Verdict::Short => dropped.short += 1,
                    Verdict::Language => dropped.language += 1,
                }
                bits.insert(*number);
            }
            documents += chunk.documents.len() as u64;
            for end in &chunk.ends {
                note_end(&mut found, end, origin.source(end.input), inputs[end.input].path.as_path(), pass);
            }
            pass.update(position.get(), documents);
            Ok(())
        },
    )?;
    let source_of = |number: u64| runs[runs.partition_point(|&(first, _)| first <= number) - 1].1;
    pass.stage("comparing documents");
    let dropped = &mut found.dropped;
    hashes.duplicates(&mut bits, |number| dropped[source_of(number)].duplicates += 1)?;
    if let (Some(signatures), Some(least)) = (signatures, content.near_duplicates) {
        signatures
            .near_duplicates(least, documents, &mut bits, |number| dropped[source_of(number)].near_duplicates += 1)?;
    }
    Ok((found, bits))
}

/// Number of the first document of every input.
pub fn begins(files: &[u64]) -> Vec<u64> {
    let next = |sum: &mut u64, &documents: &u64| {
        let begin = *sum;
        *sum += documents;
        Some(begin)
    };
    files.iter().scan(0, next).collect()
}

fn note_end(found: &mut Survey, end: &FileEnd, source: usize, path: &Path, pass: &mut Pass<'_>) {
    found.files[end.input] = end.documents;
    found.dropped[source].null += end.tally.nulls;
    let tally = &mut found.tallies[source];
    tally.nulls += end.tally.nulls;
    tally.cuts += end.tally.cuts;
    tally.replaced += end.tally.replaced;
    if let Some(note) = end.tally.note(path) {
        pass.note(&note);
    }
    if end.documents == 0 {
        pass.note(&format!("warning: {} holds no document", path.display()));
    }
}

/// Judges documents one by one.
struct Judge<'a> {
    tokenizer: &'a Tokenizer,
    shortest: usize,
    language: Option<Language>,
    bands: Option<Bands>,
}

enum Verdict {
    Empty,
    Short,
    Language,
    Wanted { hash: u128, sketch: Option<Box<Sketch>> },
}

impl<'a> Judge<'a> {
    fn new(content: &Content, tokenizer: &'a Tokenizer) -> Result<Self> {
        let language = content.language.as_deref().map(Language::of_code).transpose()?;
        let bands = content.near_duplicates.map(Bands::for_similarity);
        Ok(Self { tokenizer, shortest: content.shortest, language, bands })
    }

    fn verdict(&self, body: &Body) -> Result<Verdict> {
        let text = body.text(self.tokenizer)?;
        if text.is_empty() {
            return Ok(Verdict::Empty);
        }
        if text.len() < self.shortest {
            return Ok(Verdict::Short);
        }
        if self.language.is_some_and(|language| !language.admits(&text)) {
            return Ok(Verdict::Language);
        }
        let sketch = self.bands.and_then(|bands| Some(Box::new(Sketch::new(&*minima(&text)?, bands))));
        Ok(Verdict::Wanted { hash: document_hash(&text), sketch })
    }
}

/// The hash that equality of documents and their split are decided by.
pub fn document_hash(cleaned: &str) -> u128 {
    XxHash3_128::oneshot(cleaned.as_bytes())
}

/// Fails when no document is left.
///
/// # Errors
///
/// That; the message says why documents were dropped.
pub fn check_some_left(found: &Survey) -> Result<()> {
    let total = super::summary::total(&found.dropped);
    let documents = found.documents();
    if documents == 0 {
        bail!("the input holds no document");
    }
    let dropped = total.empty + total.short + total.language + total.duplicates + total.near_duplicates;
    if dropped == documents {
        bail!(
            "nothing is left of {documents} documents: {} empty, {} shorter than --shortest, {} in another language",
            total.empty,
            total.short,
            total.language
        );
    }
    Ok(())
}
