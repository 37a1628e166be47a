//! Where the documents of a token stream lie: in memory, or in a mapped shard.

use std::fmt::Debug;
use std::ops::Range;

use super::shard::Shard;

/// A run of whole documents with their index. Token 0 is the begin token of document 0; indices lie inside.
pub trait Part: Debug + Send + Sync {
    /// Tokens, begin tokens included.
    fn tokens(&self) -> u64;
    /// Number of documents; `begin_of`, `length` and `source` take an `i` below it.
    fn documents(&self) -> u64;
    /// Bytes of text.
    fn text_bytes(&self) -> u64;
    /// Index of the begin token of document `i`.
    fn begin_of(&self, i: u64) -> u64;
    /// Bytes of text of document `i`.
    fn length(&self, i: u64) -> u64;
    /// Source of document `i`.
    fn source(&self, i: u64) -> u32;
    /// Appends the tokens of a range. Their values are not checked.
    fn read(&self, range: Range<u64>, into: &mut Vec<u32>);
    /// What the part is, for a message about one of its tokens.
    fn name(&self) -> String;

    /// Tokens of document `i`, the begin token included.
    fn document(&self, i: u64) -> Range<u64> {
        let end = if i + 1 < self.documents() { self.begin_of(i + 1) } else { self.tokens() };
        self.begin_of(i)..end
    }
}

/// Documents in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    /// Tokens of all documents, each document after the begin token.
    pub ids: Vec<u32>,
    /// Index of every document's begin token, ascending.
    pub begins: Vec<u64>,
    /// Bytes of text of every document.
    pub lengths: Vec<u64>,
    /// Source of every document.
    pub sources: Vec<u32>,
}

impl Encoded {
    /// Appends a document: the begin token, its own tokens, the bytes of its text, its source.
    pub fn push(&mut self, begin: u32, ids: &[u32], length: u64, source: u32) {
        self.begins.push(self.ids.len() as u64);
        self.ids.push(begin);
        self.ids.extend_from_slice(ids);
        self.lengths.push(length);
        self.sources.push(source);
    }
}

impl Part for Encoded {
    fn tokens(&self) -> u64 {
        self.ids.len() as u64
    }

    fn documents(&self) -> u64 {
        self.begins.len() as u64
    }

    fn text_bytes(&self) -> u64 {
        self.lengths.iter().sum()
    }

    fn begin_of(&self, i: u64) -> u64 {
        self.begins[i as usize]
    }

    fn length(&self, i: u64) -> u64 {
        self.lengths[i as usize]
    }

    fn source(&self, i: u64) -> u32 {
        self.sources[i as usize]
    }

    fn read(&self, range: Range<u64>, into: &mut Vec<u32>) {
        into.extend_from_slice(&self.ids[range.start as usize..range.end as usize]);
    }

    fn name(&self) -> String {
        String::from("the encoded text")
    }
}

impl Part for Shard {
    fn tokens(&self) -> u64 {
        self.tokens()
    }

    fn documents(&self) -> u64 {
        self.documents()
    }

    fn text_bytes(&self) -> u64 {
        self.text_bytes()
    }

    fn begin_of(&self, i: u64) -> u64 {
        self.begin_of(i)
    }

    fn length(&self, i: u64) -> u64 {
        self.length(i)
    }

    fn source(&self, i: u64) -> u32 {
        self.source(i)
    }

    fn read(&self, range: Range<u64>, into: &mut Vec<u32>) {
        self.read(range, into);
    }

    fn name(&self) -> String {
        self.path().display().to_string()
    }
}
