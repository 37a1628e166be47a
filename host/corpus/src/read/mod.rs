//! Reading documents from files of every format: those of `ebt_data::text`, and Parquet and Arrow.
//!
//! A reader gives the documents of one file in order, as they stand there; documents longer than
//! [`ReadOptions::longest`] come in pieces. Nothing larger than [`ebt_data::text::LONGEST_RECORD`] is ever held.

mod arrow;
mod column;
mod guard;
mod parquet;

use std::path::Path;

use anyhow::Result;
use ebt_data::text::packed::Garbage;
use ebt_data::text::{DocumentReader, Format, InputFile, Position, ReadOptions, Records};

pub use self::parquet::columns_and_rows;

/// Opens a file of any format. Packed files of formats that are read out of order are unpacked to an unnamed file in
/// `scratch`.
///
/// # Errors
///
/// An unreadable file, one that does not hold what its name says, one without the column asked for.
pub fn open(input: &InputFile, options: &ReadOptions, scratch: &Path, position: &Position) -> Result<DocumentReader> {
    let path = input.path.display().to_string();
    let (records, garbage): (Box<dyn Records>, Garbage) = match input.format {
        Format::Parquet => {
            let open = || parquet::Parquet::open(input, options, scratch, position);
            let (records, garbage) = guard::guarded(&path, open)?;
            (Box::new(records), garbage)
        }
        Format::Arrow => {
            let open = || arrow::Arrow::open(input, options, scratch, position);
            let (records, garbage) = guard::guarded(&path, open)?;
            (Box::new(records), garbage)
        }
        _ => return DocumentReader::open(input, options, position),
    };
    Ok(DocumentReader::of(records, options, garbage))
}
