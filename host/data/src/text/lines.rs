//! Lines of bytes, read in bounded parts.

use std::io::{self, BufRead, Read};

/// How a part of a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a line end, or with the end of the file behind at least one byte.
    Line,
    /// With the limit; the line goes on.
    Limit,
    /// There was nothing left.
    File,
}

/// Appends the rest of a line with its line end to `line`, but no more than `limit` bytes.
///
/// # Errors
///
/// What the reader returns.
pub fn read_part(reader: &mut dyn BufRead, line: &mut Vec<u8>, limit: usize) -> io::Result<End> {
    let n = reader.take(limit as u64).read_until(b'\n', line)?;
    Ok(match n {
        0 => End::File,
        n if n == limit && line.last() != Some(&b'\n') => End::Limit,
        _ => End::Line,
    })
}
