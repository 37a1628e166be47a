//! What can be refused; no error owns memory.

use core::fmt;

use ebt_tokenizer::compact::CompactError;

use crate::engine;
use crate::packed::ReadError;

/// Why a model, a prompt or a request was refused.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no packed model.
    Model(ReadError),
    /// The packed model holds no tokenizer, so it cannot be given text.
    NoTokenizer,
    /// The tokenizer of the packed model, or a text for it.
    Tokenizer(CompactError),
    /// The tokenizer has more tokens than the model.
    Vocabulary {
        /// Tokens of the tokenizer.
        tokenizer: u32,
        /// Tokens of the model.
        model: usize,
    },
    /// The tokenizer has no token to begin a text with.
    NoBegin,
    /// The prompt is longer than [`crate::Options::prompt`] allows.
    Prompt {
        /// Bytes of the text, or places that its tokens may take; more than `most`.
        given: usize,
        /// Most bytes of one prompt.
        most: usize,
    },
    /// The model, the memory or a setting; see there.
    Engine(engine::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(error) => error.fmt(f),
            Self::NoTokenizer => f.write_str("the packed model holds no tokenizer, so it cannot be given text"),
            Self::Tokenizer(error) => write!(f, "the model's tokenizer: {error}"),
            Self::Vocabulary { tokenizer, model } => {
                write!(f, "the tokenizer has {tokenizer} tokens, but the model only {model}")
            }
            Self::NoBegin => f.write_str("the model's tokenizer has no token that begins a text"),
            Self::Prompt { given, most } => {
                write!(f, "the prompt has {given} bytes, but option `prompt` allows {most} at a time")
            }
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Self::Model(error)
    }
}

impl From<CompactError> for Error {
    fn from(error: CompactError) -> Self {
        Self::Tokenizer(error)
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        Self::Engine(error)
    }
}
