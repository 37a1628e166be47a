//! The bytes of a file in any order.

use std::fs::File;
use std::io::{BufRead, Seek, Write};
use std::path::Path;

use anyhow::{Context, Result};

use super::packed;
use super::record::Position;
use crate::format::Compression;
use crate::inputs::Input;

/// Opens a file for reading in any order; a packed one is unpacked to an unnamed file in `scratch` first. Bytes read of
/// an unpacked file are not counted.
///
/// # Errors
///
/// As [`packed::open`], and no room to unpack.
pub fn open(input: &Input, scratch: &Path, position: &Position) -> Result<File> {
    let unreadable = || format!("cannot read {}", input.path.display());
    if input.compression == Compression::None {
        return File::open(&input.path).with_context(unreadable);
    }
    let unwritable = || format!("cannot unpack {} into {}", input.path.display(), scratch.display());
    let mut packed = packed::open(input, position)?;
    let mut file = tempfile::tempfile_in(scratch).with_context(unwritable)?;
    loop {
        let block = packed.fill_buf().with_context(unreadable)?;
        if block.is_empty() {
            break;
        }
        file.write_all(block).with_context(unwritable)?;
        let n = block.len();
        packed.consume(n);
    }
    file.rewind().with_context(unwritable)?;
    Ok(file)
}
