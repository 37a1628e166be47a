//! Training: learning a vocabulary from text.

mod bpe;
mod lexicon;
mod sample;
mod turkish;
mod unigram;
mod words;

use std::fmt;
use std::sync::Arc;

use crate::{Kind, Special, Tokenizer, TokenizerError};
use sample::Sample;

/// The smallest vocabulary: the bytes and the special tokens.
const LEAST_TOKENS: usize = 256 + Special::ALL.len();
/// The largest vocabulary.
const MOST_TOKENS: usize = 1 << 20;

/// What training reports as it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrainProgress {
    /// Texts are being read.
    Reading {
        /// Texts read so far.
        texts: u64,
        /// Bytes read so far.
        bytes: u64,
    },
    /// All texts are read; the vocabulary is being learned.
    Learning {
        /// Steps done; how many there will be depends on the text.
        done: usize,
    },
}

/// Receives the progress of training, possibly from several threads.
pub type ProgressSink = Arc<dyn Fn(TrainProgress) + Send + Sync>;

/// How to train a tokenizer.
#[derive(Clone)]
pub struct TrainOptions {
    /// How tokens are to be chosen.
    pub kind: Kind,
    /// The number of tokens to end with, counting the 256 bytes and the 7 special tokens. Text
    /// with too few repetitions gives fewer.
    pub vocabulary_size: usize,
    /// How often a token must occur in the text to be learned.
    pub minimum_frequency: u64,
    /// Most words of a token of [`Kind::Turkish`]; 1 = no token holds more than a word.
    pub phrase_words: usize,
    /// Most bytes of text that are kept in memory and learned from. Of more text, a part is taken that depends on the
    /// texts alone, not on their order.
    pub sample_bytes: u64,
    /// Called for every text read and every step of learning.
    pub progress: Option<ProgressSink>,
}

impl Default for TrainOptions {
    /// The Turkish kind with 32,768 tokens that occur at least twice and phrases of up to four words, learned from at
    /// most 128 MiB, no progress reports.
    fn default() -> Self {
        Self {
            kind: Kind::Turkish,
            vocabulary_size: 32_768,
            minimum_frequency: 2,
            phrase_words: 4,
            sample_bytes: 128 << 20,
            progress: None,
        }
    }
}

impl TrainOptions {
    /// Reports a step of learning at each call.
    fn steps(&self) -> impl FnMut() {
        let mut done = 0;
        move || {
            done += 1;
            self.report(TrainProgress::Learning { done });
        }
    }

    fn report(&self, progress: TrainProgress) {
        if let Some(sink) = &self.progress {
            sink(progress);
        }
    }
}

impl fmt::Debug for TrainOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (formatter.debug_struct("TrainOptions"))
            .field("kind", &self.kind)
            .field("vocabulary_size", &self.vocabulary_size)
            .field("minimum_frequency", &self.minimum_frequency)
            .field("phrase_words", &self.phrase_words)
            .field("sample_bytes", &self.sample_bytes)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

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
        if !(LEAST_TOKENS..=MOST_TOKENS).contains(&asked) {
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

/// Special tokens, then the bytes, then `pieces`: the vocabulary that all kinds begin with.
fn tokens(pieces: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let specials = Special::ALL.iter().map(|_| Vec::new());
    specials.chain((0..=u8::MAX).map(|byte| vec![byte])).chain(pieces).collect()
}

/// Ids of the special tokens in [`tokens`].
fn specials() -> [Option<u32>; Special::ALL.len()] {
    std::array::from_fn(|i| u32::try_from(i).ok())
}
