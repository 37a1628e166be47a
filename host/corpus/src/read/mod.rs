//! Reading documents from files of every format: those of `ebt_data::text`, and Parquet and Arrow.
//!
//! A reader gives the documents of one file in order, as they stand there; documents longer than
//! [`ReadOptions::longest`] come in pieces. Nothing larger than [`ebt_data::text::LONGEST_RECORD`] is ever held.

#[cfg(feature = "parquet")]
mod arrow;
#[cfg(feature = "parquet")]
mod column;
#[cfg(feature = "parquet")]
mod guard;
#[cfg(feature = "parquet")]
mod parquet;

use std::path::Path;

use anyhow::Result;
use ebt_data::text::{DocumentReader, Format, InputFile, Position, ReadOptions};

#[cfg(feature = "parquet")]
pub use self::guard::guarded;
#[cfg(feature = "parquet")]
pub use self::parquet::columns_and_rows;

/// Opens a file of any format. Packed files of formats that are read out of order are unpacked to an unnamed file in
/// `scratch`.
///
/// # Errors
///
/// An unreadable file, one that does not hold what its name says, one without the column asked for, and as [`supports`].
pub fn open(input: &InputFile, options: &ReadOptions, scratch: &Path, position: &Position) -> Result<DocumentReader> {
    match input.format {
        Format::Parquet | Format::Arrow => columnar(input, options, scratch, position),
        _ => DocumentReader::open(input, options, position),
    }
}

/// Refuses a file of a format that this build does not read.
///
/// # Errors
///
/// The feature that brings the format.
pub fn supports(input: &InputFile) -> Result<()> {
    match input.format {
        Format::Parquet | Format::Arrow if cfg!(not(feature = "parquet")) => {
            Err(ebt_data::program::lacks(&format!("{}: reading {}", input.path.display(), input.format), "parquet"))
        }
        _ => Ok(()),
    }
}

/// Opens a file of a format whose columns are read in any order.
#[cfg(feature = "parquet")]
fn columnar(input: &InputFile, options: &ReadOptions, scratch: &Path, position: &Position) -> Result<DocumentReader> {
    use ebt_data::text::Records;
    use ebt_data::text::packed::Garbage;

    let open = || -> Result<(Box<dyn Records>, Garbage)> {
        Ok(match input.format {
            Format::Parquet => {
                let (records, garbage) = parquet::Parquet::open(input, options, scratch, position)?;
                (Box::new(records), garbage)
            }
            _ => {
                let (records, garbage) = arrow::Arrow::open(input, options, scratch, position)?;
                (Box::new(records), garbage)
            }
        })
    };
    let (records, garbage) = guard::guarded(&input.path.display().to_string(), open)?;
    Ok(DocumentReader::of(records, options, garbage))
}

/// This build has none of them.
#[cfg(not(feature = "parquet"))]
fn columnar(input: &InputFile, options: &ReadOptions, _: &Path, position: &Position) -> Result<DocumentReader> {
    supports(input)?;
    DocumentReader::open(input, options, position)
}
