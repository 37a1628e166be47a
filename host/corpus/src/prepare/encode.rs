//! The second pass: documents that stay, encoded into shards.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ebt_data::encoder::Encoder as _;
use ebt_data::progress::Progress;
use ebt_data::shard::manifest::Split;
use ebt_data::shard::{ShardWriter, TokenWidth};
use ebt_data::text::InputFile;
use ebt_tokenizer::Tokenizer;
use rayon::prelude::*;

use super::folder::Folder;
use super::journal::{Finished, Share};
use super::options::Content;
use super::progress::Pass;
use super::survey::{begins, document_hash};
use crate::chunks::{Document, Reading};
use crate::duplicates::bits::Bits;

/// Writes the shards that are not finished yet. `files[i]` is the number of documents of input `i`; documents in `dropped`
/// are passed over.
///
/// # Errors
///
/// Unreadable input or input that was changed, a full disk; the message names the file. Finished shards stay.
pub fn encode(
    mut reading: Reading<'_>,
    content: &Content,
    tokenizer: &Tokenizer,
    files: &[u64],
    dropped: &Bits,
    folder: &mut Folder,
    pool: &rayon::ThreadPool,
    progress: &mut dyn Progress,
) -> Result<f64> {
    let mut outputs = [Split::Train, Split::Validation].map(|split| Output::new(split, folder));
    let documents: u64 = files.iter().sum();
    if content.validation == 0.0 {
        outputs[Split::Validation as usize].next = documents;
    }
    let first = outputs.iter().map(|output| output.next).min().unwrap_or(0);
    let starts = begins(files);
    // files that lie wholly before are not read
    let input = starts.iter().zip(files).position(|(start, n)| start + n > first).unwrap_or(files.len());
    reading.from = (input, starts.get(input).copied().unwrap_or(documents));
    let skipped = reading.inputs[..input].iter().map(|input| input.size).sum();
    reading.position.add(skipped);
    let position = reading.position.clone();
    let inputs = reading.inputs;
    let mut pass = Pass::begin(progress, "encoding", skipped, inputs.iter().map(|input| input.size).sum());
    let encoder = Encoder::new(tokenizer, content)?;
    let mut written = 0;
    reading.for_each(
        |number| number >= first && number < documents && !dropped.contains(number),
        |chunk| {
            let next = [outputs[0].next, outputs[1].next];
            let encoded: Result<Vec<Option<Encoded<'_>>>> =
                pool.install(|| chunk.documents.par_iter().map(|d| encoder.encode(d, next, inputs)).collect());
            for (Document { number, source, .. }, encoded) in chunk.documents.iter().zip(encoded?) {
                let Some(encoded) = encoded else { continue };
                let output = &mut outputs[encoded.split as usize];
                output.push(&encoded, *source, &encoder, folder)?;
                written += 1;
                if output.tokens() >= content.shard_tokens {
                    output.finish(number + 1, folder)?;
                }
            }
            for end in &chunk.ends {
                if end.documents != files[end.input] {
                    let path = inputs[end.input].path.display();
                    bail!("{path} was changed while it was being read; run the command again");
                }
            }
            pass.update(position.get(), written);
            Ok(())
        },
    )?;
    for output in &mut outputs {
        output.finish(documents, folder)?;
    }
    Ok(pass.end(written))
}

/// Turns documents into token ids and decides which split each of them belongs to.
struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    begin: u32,
    validation: f64,
}

struct Encoded<'a> {
    split: Split,
    ids: Cow<'a, [u32]>,
    text_bytes: u64,
}

impl<'a> Encoder<'a> {
    fn new(tokenizer: &'a Tokenizer, content: &Content) -> Result<Self> {
        Ok(Self { tokenizer, begin: tokenizer.begin()?, validation: content.validation })
    }

    /// `None` for a document of a finished shard: one before `next` of its split.
    fn encode<'d>(&self, document: &'d Document, next: [u64; 2], inputs: &[InputFile]) -> Result<Option<Encoded<'d>>> {
        let text = document.body.text(self.tokenizer)?;
        let split = split(document_hash(&text), self.validation);
        if document.number < next[split as usize] {
            return Ok(None);
        }
        let ids = document
            .body
            .ids(&text, self.tokenizer)
            .with_context(|| format!("cannot encode a document of {}", inputs[document.input].path.display()))?;
        Ok(Some(Encoded { split, ids, text_bytes: text.len() as u64 }))
    }
}

/// What a document is for: validation if its hash, read as a fraction of all hashes, is below `share`. Depends on
/// nothing but the text.
fn split(hash: u128, share: f64) -> Split {
    let fraction = (hash >> 64) as u64 as f64 / 2f64.powi(64);
    if fraction < share { Split::Validation } else { Split::Train }
}

/// The shards of one split.
struct Output {
    split: Split,
    /// Number of the first document that is not in a finished shard, as far as it is of this split.
    next: u64,
    /// Number of the shard in work.
    index: usize,
    writer: Option<ShardWriter>,
    shares: BTreeMap<usize, Share>,
}

impl Output {
    fn new(split: Split, folder: &mut Folder) -> Self {
        let shards = folder.journal.shards(split);
        let next = shards.last().map_or(0, |finished| finished.next);
        Self { split, next, index: shards.len(), writer: None, shares: BTreeMap::new() }
    }

    fn tokens(&self) -> u64 {
        self.writer.as_ref().map_or(0, ShardWriter::tokens)
    }

    fn push(&mut self, document: &Encoded<'_>, source: usize, encoder: &Encoder<'_>, folder: &Folder) -> Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(self::writer(&folder.out, &self.split.file(self.index), encoder)?),
        };
        writer.push(&document.ids, document.text_bytes, source as u32)?;
        let share = self.shares.entry(source).or_insert(Share { source, ..Share::default() });
        share.documents += 1;
        share.text_bytes += document.text_bytes;
        share.tokens += document.ids.len() as u64 + 1;
        Ok(())
    }

    /// Ends the shard in work, if there is one; the next begins with document `next` at the earliest.
    fn finish(&mut self, next: u64, folder: &mut Folder) -> Result<()> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let shard = writer.finish()?;
        let shares = std::mem::take(&mut self.shares).into_values().collect();
        folder.journal.finished(Finished { split: self.split, index: self.index, shard, next, shares })?;
        self.index += 1;
        self.next = next;
        Ok(())
    }
}

fn writer(out: &Path, name: &str, encoder: &Encoder<'_>) -> Result<ShardWriter> {
    let tokenizer = encoder.tokenizer;
    let width = TokenWidth::of(tokenizer.vocabulary_size());
    ShardWriter::create(out, name, width, tokenizer.fingerprint(), encoder.begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_to_measure_on_is_the_share_of_hashes() {
        let step = u128::MAX / 1000;
        for (share, expected) in [(0.0, 0), (0.01, 10), (0.5, 500), (0.999, 999)] {
            let validation = (0..1000u128).filter(|i| split(i * step + step / 2, share) == Split::Validation).count();
            assert_eq!(validation, expected);
        }
    }
}
