//! What can go wrong, in sentences.

use std::io;
use std::path::PathBuf;

use crate::compact::CompactError;

/// Why a tokenizer could not be loaded, trained or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The tokenizer file could not be read.
    #[error("cannot read the tokenizer file {}: {source}", path.display())]
    Read {
        /// The file asked for.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// The tokenizer file was read, but what it holds is not usable.
    #[error("the tokenizer file {} is not usable: {source}", path.display())]
    File {
        /// The file asked for.
        path: PathBuf,
        /// What is wrong with its contents.
        source: Box<TokenizerError>,
    },
    /// The JSON is damaged, or a field is missing or of the wrong type.
    #[error("the tokenizer JSON cannot be read: {0}")]
    Json(#[source] serde_json::Error),
    /// A field holds something this crate does not accept.
    #[error("the tokenizer field `{field}` {problem}")]
    Field {
        /// The path of the field inside the JSON.
        field: &'static str,
        /// What is wrong with it, as the rest of the sentence.
        problem: String,
    },
    /// An id does not belong to the vocabulary.
    #[error("token id {id} is out of range: the vocabulary holds {vocabulary_size} tokens")]
    IdOutOfRange {
        /// The id given.
        id: u32,
        /// How many tokens there are; valid ids are below this.
        vocabulary_size: usize,
    },
    /// The vocabulary size asked for cannot be trained.
    #[error(
        "a vocabulary of {asked} tokens cannot be trained: \
         the size must lie between {least} (all bytes and special tokens) and {most}"
    )]
    VocabularySize {
        /// The size asked for.
        asked: usize,
        /// The smallest size possible.
        least: usize,
        /// The largest size allowed.
        most: usize,
    },
    /// The training text is empty.
    #[error("the training text is empty: training a tokenizer needs at least one word")]
    EmptyText,
    /// The training text is too long for the pair counters.
    #[error("the training text is longer than {most} bytes: train on a sample of it")]
    TextTooLong {
        /// The most bytes of text that can be counted safely.
        most: u64,
    },
    /// A compact tokenizer cannot be made.
    #[error("this tokenizer has no compact form: {problem}")]
    Compact {
        /// What it holds that the compact form cannot.
        problem: String,
    },
    /// A compact tokenizer cannot be read or used.
    #[error(transparent)]
    Runtime(#[from] CompactError),
    /// The tokenizer library failed on something that passed all checks above.
    #[error("{action} failed inside the tokenizer library: {problem}")]
    Library {
        /// What was being done.
        action: &'static str,
        /// What the library reported.
        problem: String,
    },
}

impl TokenizerError {
    /// A problem with one field of the JSON.
    pub(crate) fn field(field: &'static str, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self::Field { field, problem }
    }

    /// A failure reported by the tokenizer library.
    pub(crate) fn library(action: &'static str, problem: &dyn std::fmt::Display) -> Self {
        let problem = problem.to_string();
        Self::Library { action, problem }
    }
}
