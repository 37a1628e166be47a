//! The unigram language model (Kudo 2018, arXiv 1804.10959): a token costs `-ln p`, a text is written with the most
//! probable tokens.
//!
//! Learned with hard expectation-maximisation ([`Lexicon`]) from the merges of byte-pair encoding. (The library's own
//! trainer visits its pieces in the order of a randomly keyed hash table, so that its result changes from run to run.)

use super::bpe;
use super::lexicon::{Lexicon, is_whole};
use super::options::TrainOptions;
use super::vocabulary::LEAST_TOKENS;
use super::words::Cutter;
use crate::TokenizerError;
use crate::build::Parts;

/// Pieces to begin with, as a multiple of the tokens wanted.
const ABUNDANCE: usize = 2;

/// Learns tokens and their probabilities from the words of `texts`.
pub(super) fn learn(texts: &[String], options: &TrainOptions) -> Result<Parts, TokenizerError> {
    let wanted = options.vocabulary_size - LEAST_TOKENS;
    let (merged, _) =
        bpe::merges(&Cutter::new()?.count(texts), ABUNDANCE * wanted + LEAST_TOKENS, options.minimum_frequency)?;
    let pieces = merged.into_iter().filter(|piece| is_whole(piece)).collect();
    let mut lexicon = Lexicon::new(pieces)?;
    let mut step = options.steps();
    lexicon.shrink(texts, wanted, &mut step)?;
    lexicon.drop_unused(options.minimum_frequency)?;
    step();
    lexicon.estimate(texts);
    Ok(lexicon.into_parts())
}
