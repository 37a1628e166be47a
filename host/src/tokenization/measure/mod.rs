//! How well a tokenizer writes a text.
//!
//! Documents are read as for training, but neither cleaned nor cut; each is encoded whole. A *word* is a maximal
//! run of characters other than white space. What a token is worth is judged by the letters it covers ([`class`]).
//! A line or document is *restored* if decoding its ids gives it back byte for byte; lines are encoded each by itself.

pub mod affix;
pub mod class;
mod runs;
pub mod speed;
mod subject;

use std::collections::HashSet;

use anyhow::Result;
use serde::Serialize;

pub use class::Class;
pub use subject::{Subject, Token};

/// The documents of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Path of the file as it was given, for reports.
    pub name: String,
    /// Its documents in order; none is empty.
    pub documents: Vec<String>,
}

/// What a text is made of, whatever the tokenizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// Number of documents: 1 for the extent of a single one.
    pub documents: u64,
    /// Lines of the documents.
    pub lines: u64,
    /// Maximal runs of characters other than white space.
    pub words: u64,
    /// Bytes of the documents.
    pub bytes: u64,
}

/// What a tokenizer made of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Size of the text that was encoded; the same for every tokenizer.
    pub extent: Extent,
    /// Number of tokens that the documents become, each document encoded whole.
    pub tokens: u64,
    /// Tokens of each class, in the order of [`Class::ALL`].
    pub classes: [u64; Class::ALL.len()],
    /// Lines that decoding did not give back.
    pub lines_lost: u64,
    /// Documents that decoding did not give back.
    pub documents_lost: u64,
    /// The different ids among the tokens.
    pub used: HashSet<u32>,
}

impl Extent {
    /// The extent of a document.
    pub fn of(document: &str) -> Self {
        Self {
            documents: 1,
            lines: lines(document).count() as u64,
            words: document.split_whitespace().count() as u64,
            bytes: document.len() as u64,
        }
    }

    fn add(&mut self, other: &Self) {
        self.documents += other.documents;
        self.lines += other.lines;
        self.words += other.words;
        self.bytes += other.bytes;
    }
}

impl Counts {
    /// Encodes and decodes the documents of a file.
    ///
    /// # Errors
    ///
    /// A failure of the tokenizer.
    pub fn of(subject: &Subject, source: &Source) -> Result<Self> {
        let mut counts = Self::default();
        for document in &source.documents {
            counts.extent.add(&Extent::of(document));
            let tokens = subject.encode(document)?;
            counts.tokens += tokens.len() as u64;
            for (token, class) in tokens.iter().zip(class::classes(document, &tokens, subject.unknown())) {
                counts.classes[class as usize] += 1;
                counts.used.insert(token.id);
            }
            let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
            counts.documents_lost += u64::from(!subject.restores(document, &ids)?);
            for line in lines(document) {
                counts.lines_lost += u64::from(!subject.restores(line, &subject.ids(line)?)?);
            }
        }
        Ok(counts)
    }

    /// Adds what another text gave.
    pub fn add(&mut self, other: &Self) {
        self.extent.add(&other.extent);
        self.tokens += other.tokens;
        self.classes.iter_mut().zip(other.classes).for_each(|(sum, count)| *sum += count);
        self.lines_lost += other.lines_lost;
        self.documents_lost += other.documents_lost;
        self.used.extend(&other.used);
    }

    /// Tokens per word, the fertility; `None` without a word.
    pub fn tokens_per_word(&self) -> Option<f64> {
        ratio(self.tokens, self.extent.words)
    }

    /// Bytes per token; `None` without a token.
    pub fn bytes_per_token(&self) -> Option<f64> {
        ratio(self.extent.bytes, self.tokens)
    }

    /// The share of all tokens that are of a class; `None` without a token.
    pub fn share(&self, class: Class) -> Option<f64> {
        ratio(self.classes[class as usize], self.tokens)
    }
}

/// The lines of a document, without `\n`.
fn lines(document: &str) -> impl Iterator<Item = &str> {
    document.split('\n')
}

fn ratio(a: u64, b: u64) -> Option<f64> {
    (b > 0).then(|| a as f64 / b as f64)
}
