//! Documents before they were encoded, as files of text hold them, and after, as shards do.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Result;
use ebt_data::shard::layout::INDEX;
use ebt_data::shard::manifest::Prepared;
use ebt_data::shard::{Shard, ShardRecord};
use ebt_data::text::clean::clean;
use ebt_data::text::{DocumentReader, InputFile, Position, ReadOptions, Tally};
use ebt_tokenizer::Tokenizer;

use super::read;

/// What a document holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Its text before any cleaning.
    Text(String),
    /// The tokens of its cleaned text, without the begin token.
    Ids(Vec<u32>),
}

impl Body {
    /// Bytes of memory.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Ids(ids) => size_of_val(ids.as_slice()),
        }
    }

    /// Its cleaned text.
    ///
    /// # Errors
    ///
    /// An id outside the vocabulary of its tokenizer.
    pub fn text(&self, tokenizer: &Tokenizer) -> Result<Cow<'_, str>> {
        match self {
            Self::Text(text) => Ok(clean(text)),
            Self::Ids(ids) => Ok(Cow::Owned(tokenizer.decode(ids)?)),
        }
    }

    /// The tokens of its cleaned text, which is `text`.
    ///
    /// # Errors
    ///
    /// A failure inside the tokenizer.
    pub fn ids(&self, text: &str, tokenizer: &Tokenizer) -> Result<Cow<'_, [u32]>> {
        match self {
            Self::Text(_) => Ok(Cow::Owned(tokenizer.encode(text)?)),
            Self::Ids(ids) => Ok(Cow::Borrowed(ids)),
        }
    }
}

/// What the inputs are.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// Files of text.
    Text {
        /// How they are read.
        options: &'a ReadOptions,
        /// The source of every input.
        sources: &'a [usize],
    },
    /// Shards, with the folders that they lie in: input `i` is the shard of record `i`.
    Shards(&'a [(&'a Prepared, &'a ShardRecord)]),
}

impl Origin<'_> {
    /// The source of what is met in input `i` beside documents; nothing is in a shard.
    pub fn source(&self, i: usize) -> usize {
        match self {
            Self::Text { sources, .. } => sources[i],
            Self::Shards(_) => 0,
        }
    }

    /// Opens input `i`, which is `input`. What has to be unpacked is so to an unnamed file in `scratch`.
    ///
    /// # Errors
    ///
    /// An unreadable or damaged file; the message names it.
    pub fn open(&self, i: usize, input: &InputFile, scratch: &Path, position: &Position) -> Result<Opened> {
        Ok(match self {
            Self::Text { options, sources } => {
                Opened::Text { reader: read::open(input, options, scratch, position)?, source: sources[i] }
            }
            Self::Shards(shards) => {
                let (folder, record) = shards[i];
                Opened::Shard { shard: folder.shard(record)?, next: 0, position: position.clone() }
            }
        })
    }
}

/// The documents of one input, in order.
pub enum Opened {
    /// Of a file of text, which is of one source.
    Text {
        /// Gives the documents.
        reader: DocumentReader,
        /// The source of all of them.
        source: usize,
    },
    /// Of a shard.
    Shard {
        /// Holds the documents.
        shard: Shard,
        /// The document that comes next.
        next: u64,
        /// Counts the bytes read.
        position: Position,
    },
}

impl Opened {
    /// The next document, and its source.
    ///
    /// # Errors
    ///
    /// Damaged data; the message names the file and the place in it.
    pub fn next_document(&mut self) -> Result<Option<(usize, Body)>> {
        match self {
            Self::Text { reader, source } => Ok(reader.next_document()?.map(|text| (*source, Body::Text(text)))),
            Self::Shard { shard, next, .. } if *next == shard.documents() => Ok(None),
            Self::Shard { shard, next, position } => {
                let (first, end, source) = (shard.begin_of(*next), shard.end_of(*next), shard.source(*next));
                let mut ids = Vec::new();
                shard.read(first + 1..end, &mut ids);
                position.add((end - first) * shard.width().bytes() as u64 + INDEX);
                *next += 1;
                Ok(Some((source as usize, Body::Ids(ids))))
            }
        }
    }

    /// What was met beside documents so far.
    pub fn tally(&self) -> Tally {
        match self {
            Self::Text { reader, .. } => reader.tally(),
            Self::Shard { .. } => Tally::default(),
        }
    }
}
