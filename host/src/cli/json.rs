//! Results for programs.

use std::io::{self, Write};

use serde::Serialize;

/// Writes a value as one JSON object over several lines.
///
/// # Errors
///
/// What the stream returns.
pub fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    out.flush()
}

/// Writes a value as one JSON object in one line.
///
/// # Errors
///
/// What the stream returns.
pub fn write_json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    out.flush()
}
