//! What turns documents into ids: a tokenizer, or the symbols of letters.

use anyhow::{Result, bail};
use ebt_tokenizer::letters::{SYMBOLS, Symbol, symbol};
use ebt_tokenizer::{Special, Tokenizer};

/// Turns documents into ids of a vocabulary.
pub trait Encoder {
    /// The id that starts every document.
    ///
    /// # Errors
    ///
    /// A tokenizer without one.
    fn begin(&self) -> Result<u32>;
    /// Ids there are.
    fn vocabulary(&self) -> usize;
    /// The ids of every document.
    ///
    /// # Errors
    ///
    /// A failure inside a tokenizer.
    fn encode<T: AsRef<str> + Sync>(&self, documents: &[T]) -> Result<Vec<Vec<u32>>>;
    /// Bytes of text that an id stands for, about.
    fn bytes(&self, id: u32) -> u64;
    /// The tokenizer, where it is one.
    fn tokenizer(&self) -> Option<&Tokenizer>;
}

impl Encoder for Tokenizer {
    fn begin(&self) -> Result<u32> {
        match self.special(Special::Begin) {
            Some(id) => Ok(id),
            None => bail!("the tokenizer has no {} token, which has to start every document", Special::Begin),
        }
    }
    fn vocabulary(&self) -> usize {
        self.vocabulary_size()
    }
    fn encode<T: AsRef<str> + Sync>(&self, documents: &[T]) -> Result<Vec<Vec<u32>>> {
        Ok(self.encode_batch(documents)?)
    }
    fn bytes(&self, id: u32) -> u64 {
        self.token_bytes(id).map_or(0, |bytes| bytes.len() as u64)
    }
    fn tokenizer(&self) -> Option<&Tokenizer> {
        Some(self)
    }
}

/// Every character as its symbol ([`ebt_tokenizer::letters`]); documents start at an edge.
#[derive(Clone, Copy, Debug, Default)]
pub struct Letters;

impl Encoder for Letters {
    fn begin(&self) -> Result<u32> {
        Ok(Symbol::EDGE.index() as u32)
    }
    fn vocabulary(&self) -> usize {
        SYMBOLS
    }
    fn encode<T: AsRef<str> + Sync>(&self, documents: &[T]) -> Result<Vec<Vec<u32>>> {
        let ids = |text: &T| text.as_ref().chars().map(|c| symbol(c).index() as u32).collect();
        Ok(documents.iter().map(ids).collect())
    }
    fn bytes(&self, id: u32) -> u64 {
        Symbol::of_index(id as usize).and_then(Symbol::letter).map_or(1, |letter| letter.len_utf8() as u64)
    }
    fn tokenizer(&self) -> Option<&Tokenizer> {
        None
    }
}
