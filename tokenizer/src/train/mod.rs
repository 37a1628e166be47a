//! Training: learning a vocabulary from text.

mod bpe;
mod lexicon;
mod options;
mod sample;
mod turkish;
mod unigram;
mod vocabulary;
mod words;

pub use options::{ProgressSink, TrainOptions, TrainProgress};

use crate::{Kind, Tokenizer, TokenizerError};
use sample::Sample;
use vocabulary::LEAST_TOKENS;

/// The largest vocabulary.
const MOST_TOKENS: usize = 1 << 20;

/// The sizes of vocabularies that can be learned: from all bytes and special tokens on.
pub const VOCABULARY_SIZES: std::ops::RangeInclusive<usize> = LEAST_TOKENS..=MOST_TOKENS;

impl Tokenizer {
    /// Learns a tokenizer from `texts`. The same texts in any order give the same tokenizer.
    ///
    /// Memory is bounded by [`TrainOptions::sample_bytes`], not by the texts; each of them should be small beside it (a
    /// document, a paragraph).
    ///
    /// # Errors
    ///
    /// A vocabulary size out of range, or text that is empty.
    pub fn train(texts: impl Iterator<Item = String> + Send, options: TrainOptions) -> Result<Self, TokenizerError> {
        let asked = options.vocabulary_size;
        if !VOCABULARY_SIZES.contains(&asked) {
            let (least, most) = (LEAST_TOKENS, MOST_TOKENS);
            return Err(TokenizerError::VocabularySize { asked, least, most });
        }
        let texts = Sample::take(texts, &options);
        if texts.iter().all(String::is_empty) {
            return Err(TokenizerError::EmptyText);
        }
        let parts = match options.kind {
            Kind::Bpe => bpe::learn(&texts, &options)?,
            Kind::Unigram => unigram::learn(&texts, &options)?,
            Kind::Turkish => turkish::learn(&texts, &options)?,
        };
        Self::from_json(parts.to_json()?.as_bytes())
    }
}
