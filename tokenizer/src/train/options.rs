//! How to train, and what training reports.

use std::fmt;
use std::sync::Arc;

use crate::Kind;

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
    pub(super) fn steps(&self) -> impl FnMut() {
        let mut done = 0;
        move || {
            done += 1;
            self.report(TrainProgress::Learning { done });
        }
    }

    pub(super) fn report(&self, progress: TrainProgress) {
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
