//! A tokenizer to measure: one of this project, or any that the HuggingFace library can read.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};
use ebt_tokenizer::{Library, Special, Tokenizer, TokenizerError};

use ebt_data::dataset;

/// A tokenizer under measurement.
#[derive(Debug)]
pub enum Subject {
    /// A lossless tokenizer.
    Lossless(Tokenizer),
    /// Any other that the HuggingFace library can read; decoding need not give the text back.
    Foreign(Box<Library>),
}

/// A token with the text it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id in the vocabulary of the tokenizer that is measured.
    pub id: u32,
    /// The bytes of the source that it covers. They may begin or end inside a character.
    pub source: Range<usize>,
}

impl Subject {
    /// Opens a tokenizer.json or a compact tokenizer. What this project takes for lossless runs as in training; all
    /// else runs in the HuggingFace library.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, and one that neither can use; the message names it.
    pub fn open(path: &Path) -> Result<Self> {
        match dataset::named(path) {
            Ok(tokenizer) => return Ok(Self::Lossless(tokenizer)),
            // what cannot be read at all and a damaged compact tokenizer are nothing to the library either
            Err(error @ TokenizerError::Read { .. }) => return Err(error.into()),
            Err(TokenizerError::File { source, path }) if matches!(*source, TokenizerError::Runtime(_)) => {
                return Err(TokenizerError::File { source, path }.into());
            }
            Err(_) => {}
        }
        let library = Library::from_file(path).with_context(|| {
            format!("{} is no tokenizer of this project or of the HuggingFace library", path.display())
        })?;
        Ok(Self::Foreign(Box::new(library)))
    }

    /// Encodes text, with what each token stands for.
    ///
    /// # Errors
    ///
    /// A failure of the tokenizer.
    pub fn encode(&self, text: &str) -> Result<Vec<Token>> {
        match self {
            Self::Lossless(tokenizer) => {
                let ids = tokenizer.encode(text)?;
                let ranges = tokenizer.offsets(&ids)?;
                Ok(ids.into_iter().zip(ranges).map(|(id, source)| Token { id, source }).collect())
            }
            Self::Foreign(library) => {
                let tokens = library.encode(text)?.into_iter();
                Ok(tokens.map(|token| Token { id: token.id, source: token.source }).collect())
            }
        }
    }

    /// Encodes text to ids alone, on one thread.
    ///
    /// # Errors
    ///
    /// A failure of the tokenizer.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>> {
        Ok(match self {
            Self::Lossless(tokenizer) => tokenizer.encode(text)?,
            Self::Foreign(library) => library.encode_ids(text)?,
        })
    }

    /// Whether `ids` decode to `text`, byte for byte.
    ///
    /// # Errors
    ///
    /// A failure of the tokenizer.
    pub fn restores(&self, text: &str, ids: &[u32]) -> Result<bool> {
        Ok(match self {
            Self::Lossless(tokenizer) => tokenizer.decode_bytes(ids)? == text.as_bytes(),
            Self::Foreign(library) => library.decode(ids)? == text,
        })
    }

    /// The token for text that the tokenizer does not know, if it has one.
    pub fn unknown(&self) -> Option<u32> {
        match self {
            Self::Lossless(tokenizer) => tokenizer.special(Special::Unknown),
            Self::Foreign(library) => library.unknown(),
        }
    }

    /// How many tokens there are, special ones included.
    pub fn vocabulary_size(&self) -> usize {
        match self {
            Self::Lossless(tokenizer) => tokenizer.vocabulary_size(),
            Self::Foreign(library) => library.vocabulary_size(),
        }
    }

    /// What it is, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Lossless(_) => "lossless",
            Self::Foreign(_) => "foreign",
        }
    }
}
