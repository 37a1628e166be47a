//! What the commands `ebt tokenizer ...` do: [`train`] (files to a tokenizer); [`lines`] (text to ids and back, line by
//! line); [`measure`] (how well a tokenizer writes a text).

use anyhow::Result;
use ebt_data::text::{DocumentReader, InputFile, Position, ReadOptions};

pub mod lines;
pub mod measure;
pub mod train;

/// Opens a file of any format.
///
/// # Errors
///
/// As [`ebt_corpus::read::open`].
pub fn open(input: &InputFile, options: &ReadOptions) -> Result<DocumentReader> {
    ebt_corpus::read::open(input, options, &std::env::temp_dir(), &Position::default())
}
