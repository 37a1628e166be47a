//! The one door of text. Whatever a command reads as text, it finds, reads and cleans here:
//!
//! * [`mod@find`]: which files the names of a command mean, and in which order; [`input`]: one of them, whose format its name
//!   says ([`format`](mod@format));
//! * [`DocumentReader`]: the documents of one file, unpacked, checked to be UTF-8, a bounded part of the file at a time;
//!   those longer than [`ReadOptions::longest`] come in pieces ([`cut`]); [`Documents`]: those of several files;
//! * [`clean`]: what becomes of the text of a document ([`clean::clean`]) and of a prompt ([`clean::normal`]).
//!
//! Text is cleaned wherever a model reads it. It stays as it is, byte for byte, where a tokenizer is run by itself
//! (`tokenizer encode`, `decode` and `measure`). [`case`] is how case is folded.

pub mod case;
pub mod clean;
pub mod cut;
mod documents;
pub mod find;
pub mod format;
mod frames;
pub mod input;
mod json;
mod lines;
pub mod packed;
mod peek;
mod plain;
pub mod record;
mod table;
pub mod utf8;

use std::path::PathBuf;

use anyhow::Result;

pub use documents::{Document, DocumentReader, Documents};
pub use find::{expand, find};
pub use format::Format;
pub use input::{Formats, InputFile};
use record::Source;
pub use record::{Borders, LONGEST_RECORD, Position, ReadOptions, Records, Tally};

/// The documents of a text in memory, which messages call `name`.
///
/// # Errors
///
/// As [`DocumentReader::next_document`].
pub fn documents(name: &str, text: &'static str) -> Result<Vec<String>> {
    let (source, options) =
        (Source { reader: Box::new(text.as_bytes()), path: name.to_owned(), offset: 0 }, ReadOptions::default());
    let mut reader =
        DocumentReader::of(Box::new(plain::Plain::new(source, &options)), &options, packed::Garbage::default());
    std::iter::from_fn(|| reader.next_document().transpose()).collect()
}

/// Paths for a message, at most three.
pub fn names(paths: &[PathBuf]) -> String {
    let mut list: Vec<String> = paths.iter().take(3).map(|p| p.display().to_string()).collect();
    if paths.len() > list.len() {
        list.push(format!("{} more", paths.len() - list.len()));
    }
    list.join(", ")
}
