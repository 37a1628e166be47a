//! Reading documents from files of every format, a bounded part of a file at a time.
//!
//! A reader gives the documents of one file in order, as they stand there; documents longer than
//! [`ReadOptions::longest`] come in pieces ([`cut`]). Nothing larger than [`LONGEST_RECORD`] is ever held.

#[cfg(feature = "parquet")]
mod arrow;
#[cfg(feature = "parquet")]
mod column;
pub mod cut;
mod frames;
#[cfg(feature = "parquet")]
mod guard;
mod json;
mod lines;
mod packed;
#[cfg(feature = "parquet")]
mod parquet;
mod plain;
mod record;
#[cfg(feature = "parquet")]
mod seekable;
mod table;
mod utf8;

use std::path::Path;

use anyhow::Result;

#[cfg(feature = "parquet")]
pub use self::parquet::columns_and_rows;
use super::format::Format;
use super::inputs::Input;
use cut::Cutter;
use record::Records;
pub use record::{Borders, LONGEST_RECORD, Position, ReadOptions, Tally};

/// The documents of one file.
pub struct Documents {
    records: Box<dyn Records>,
    cutter: Cutter,
    tally: Tally,
}

impl Documents {
    /// Opens a file. Packed files of formats that are read out of order are unpacked to an unnamed file in `scratch`.
    ///
    /// # Errors
    ///
    /// An unreadable file, one that does not hold what its name says, one without the column asked for.
    pub fn open(input: &Input, options: &ReadOptions, scratch: &Path, position: &Position) -> Result<Self> {
        let records: Box<dyn Records> = match input.format {
            Format::Text => Box::new(plain::Plain::open(input, options, position)?),
            Format::Jsonl => Box::new(json::JsonLines::open(input, options, position)?),
            Format::Csv => Box::new(table::Table::open(input, b',', options, position)?),
            Format::Tsv => Box::new(table::Table::open(input, b'\t', options, position)?),
            Format::Parquet | Format::Arrow => columnar(input, options, scratch, position)?,
        };
        Ok(Self { records, cutter: Cutter::new(options.longest), tally: Tally::default() })
    }

    /// The next document.
    ///
    /// # Errors
    ///
    /// Damaged data; the message names the file and the place in it.
    pub fn next_document(&mut self) -> Result<Option<String>> {
        if let Some(piece) = self.cutter.rest(&mut self.tally) {
            return Ok(Some(piece));
        }
        Ok(self.records.next(&mut self.tally)?.map(|text| self.cutter.first(text, &mut self.tally)))
    }

    /// What happened besides documents so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }
}

/// Opens a file of a format whose columns are read in any order.
#[cfg(feature = "parquet")]
fn columnar(input: &Input, options: &ReadOptions, scratch: &Path, position: &Position) -> Result<Box<dyn Records>> {
    let open = || -> Result<Box<dyn Records>> {
        Ok(match input.format {
            Format::Parquet => Box::new(parquet::Parquet::open(input, options, scratch, position)?),
            _ => Box::new(arrow::Arrow::open(input, options, scratch, position)?),
        })
    };
    guard::guarded(&input.path.display().to_string(), open)
}

/// This build has none of them.
#[cfg(not(feature = "parquet"))]
fn columnar(input: &Input, _: &ReadOptions, _: &Path, _: &Position) -> Result<Box<dyn Records>> {
    Err(input.format.lacks(&input.path))
}
