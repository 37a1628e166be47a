//! Reading a whole shard to find damage: documents first, as their messages say more, then checksums.

use anyhow::{Result, bail};
use ebt_tokenizer::Tokenizer;
use rayon::prelude::*;

use super::layout::{FOOTER, SUMMED};
use super::{Shard, ShardRecord};
use crate::digest;

/// Documents that one task looks at.
const RUN: u64 = 1024;

/// Reads everything in a shard, on all processor cores: every document is the begin token, then ids of the vocabulary
/// that decode to UTF-8 text of the length in the index; both checksums match. Memory for one document a core.
///
/// # Errors
///
/// The first damage found; the message names file, document and token.
pub fn verify(shard: &Shard, record: &ShardRecord, tokenizer: &Tokenizer) -> Result<()> {
    let (documents, sums) = rayon::join(|| documents(shard, tokenizer), || sums(shard, record));
    documents.and(sums)
}

fn documents(shard: &Shard, tokenizer: &Tokenizer) -> Result<()> {
    let runs = shard.documents().div_ceil(RUN);
    let check = |run: u64| -> Result<()> {
        let mut ids = Vec::new();
        for i in run * RUN..shard.documents().min((run + 1) * RUN) {
            document(shard, i, &mut ids, tokenizer)?;
        }
        Ok(())
    };
    // the first error in order, so that the message does not depend on the threads
    (0..runs).into_par_iter().map(check).find_first(Result::is_err).unwrap_or(Ok(()))
}

fn document(shard: &Shard, i: u64, ids: &mut Vec<u32>, tokenizer: &Tokenizer) -> Result<()> {
    let path = shard.path().display();
    let (first, end) = (shard.begin_of(i), shard.end_of(i));
    ids.clear();
    shard.read(first..end, ids);
    if ids.first() != Some(&shard.begin()) {
        bail!(
            "{path} is damaged: document {i}, at token {first}, does not start with the begin token {}",
            shard.begin()
        );
    }
    let wrong = |&id: &u32| id == shard.begin() || id as usize >= tokenizer.vocabulary_size();
    if let Some(at) = ids.iter().skip(1).position(wrong) {
        let at = at + 1;
        bail!(
            "{path} is damaged: token {} (in document {i}) is {}, which is no token of text in a vocabulary of {}",
            first + at as u64,
            ids[at],
            tokenizer.vocabulary_size()
        );
    }
    let bytes = tokenizer.decode_bytes(&ids[1..])?;
    if bytes.len() as u64 != shard.length(i) {
        bail!("{path} is damaged: document {i} decodes to {} bytes, its index says {}", bytes.len(), shard.length(i));
    }
    if let Err(error) = std::str::from_utf8(&bytes) {
        bail!("{path} is damaged: document {i} decodes to text that is not UTF-8 at byte {}", error.valid_up_to());
    }
    Ok(())
}

fn sums(shard: &Shard, record: &ShardRecord) -> Result<()> {
    let (bytes, crc) = shard.contents();
    let (crc_matches, sha256) =
        rayon::join(|| crc32fast::hash(&bytes[..bytes.len() - FOOTER + SUMMED]) == crc, || digest::sha256(bytes));
    if !crc_matches {
        bail!("{} is damaged: its checksum does not match its contents", shard.path().display());
    }
    if sha256 != record.sha256 {
        bail!("{} is not the file of the manifest: its SHA-256 is {sha256}", shard.path().display());
    }
    Ok(())
}
