//! The Turkish tokenizer: a text written with the most probable of words, roots, suffix chains and a few phrases.
//!
//! A token costs `-ln p` nats, `p` its share of all tokens.
//!
//! Learning starts from far too many candidates, the merges of byte-pair encoding on words. Rounds of hard
//! expectation-maximisation ([`Lexicon`]) drop those whose loss would cost the text least: that finds the borders of
//! suffixes, for a chain that follows many roots is more probable than any other cut. Then the phrases that save the most
//! tokens get a small share of the places.
//!
//! What was measured and brought nothing, by bits per byte of a small model: candidates from a grammar of suffixes, a
//! price for cutting a word inside a morpheme, as few tokens as possible, more phrases, and none. A marker for upper case
//! saved no tokens.

mod candidates;
mod phrases;

use super::lexicon::Lexicon;
use super::options::TrainOptions;
use super::vocabulary::LEAST_TOKENS;
use crate::TokenizerError;
use crate::build::Parts;
use candidates::candidates;

/// Candidates of byte-pair encoding, as a multiple of the tokens wanted.
const ABUNDANCE: usize = 2;
/// Phrases, as a share of the tokens wanted, and how many candidates there are for each of their places.
const PHRASES: f64 = 0.03;
const PHRASE_CANDIDATES: f64 = 1.5;

/// Learns tokens and their costs from `texts`.
pub(super) fn learn(texts: &[String], options: &TrainOptions) -> Result<Parts, TokenizerError> {
    let wanted = options.vocabulary_size - LEAST_TOKENS;
    let found = candidates(texts, ABUNDANCE * wanted, options)?;
    let phrases = ((wanted as f64 * PHRASES) as usize).min(found.phrases.len());
    let mut lexicon = Lexicon::new(found.pieces.into_iter().collect())?;
    let mut step = options.steps();
    lexicon.shrink(texts, wanted - phrases, &mut step)?;
    let mut spare = found.phrases.iter().cloned();
    if phrases > 0 {
        lexicon.add(spare.by_ref().take((phrases as f64 * PHRASE_CANDIDATES) as usize))?;
        lexicon.shrink(texts, wanted, &mut step)?;
    }
    lexicon.drop_unused(options.minimum_frequency)?;
    // the places of pieces that turned out to be of no use go to the next phrases
    lexicon.add(spare.take(wanted.saturating_sub(lexicon.pieces())))?;
    lexicon.shrink(texts, wanted, &mut step)?;
    Ok(lexicon.into_parts())
}
