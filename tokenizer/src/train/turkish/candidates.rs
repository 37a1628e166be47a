//! What tokens may be chosen from.

use super::super::bpe;
use super::super::lexicon::is_whole;
use super::super::options::TrainOptions;
use super::super::vocabulary::LEAST_TOKENS;
use super::super::words::Cutter;
use super::phrases::phrases;
use crate::TokenizerError;

/// What tokens may be chosen from, each list the most useful first. All are whole characters of one line; none is a
/// single byte.
#[derive(Debug)]
pub(super) struct Candidates {
    /// Words and pieces of words: what byte-pair encoding would learn.
    pub pieces: Vec<Vec<u8>>,
    /// Sequences of words.
    pub phrases: Vec<Vec<u8>>,
}

/// About `wanted` pieces, and all frequent phrases.
pub(super) fn candidates(
    texts: &[String],
    wanted: usize,
    options: &TrainOptions,
) -> Result<Candidates, TokenizerError> {
    // merges that end inside a character are left out below
    let size = wanted + wanted / 16 + LEAST_TOKENS;
    let cutter = Cutter::new()?;
    let counts = cutter.count(texts);
    let (merged, _) = bpe::merges(&counts, size, options.minimum_frequency)?;
    let found = phrases(texts, &cutter, &counts, options);
    let mut phrases: Vec<(String, u64)> = found.into_iter().filter(|(text, _)| is_whole(text.as_bytes())).collect();
    phrases.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(Candidates {
        pieces: merged.into_iter().filter(|piece| is_whole(piece)).collect(),
        phrases: phrases.into_iter().map(|(text, _)| text.into_bytes()).collect(),
    })
}
