//! The bytes of a file, unpacked on the way.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use anyhow::{Context, Result};

use super::frames::Frames;
use super::record::Position;
use crate::format::Compression;
use crate::inputs::Input;

/// Bytes read from disk at once.
const BLOCK: usize = 1 << 17;

/// Opens a file for reading from start to end.
///
/// # Errors
///
/// A file that cannot be opened, or whose packing is not what its name says.
pub fn open(input: &Input, position: &Position) -> Result<Box<dyn BufRead>> {
    let file = File::open(&input.path).with_context(|| format!("cannot read {}", input.path.display()))?;
    let file = BufReader::with_capacity(BLOCK, Counted { file, position: position.clone() });
    Ok(match input.compression {
        Compression::None => Box::new(file),
        Compression::Gzip => unpacked(flate2::bufread::MultiGzDecoder::new(file), "gzip"),
        Compression::Zstd => unpacked(Frames::new(file), "Zstandard"),
    })
}

fn unpacked(decoder: impl Read + 'static, kind: &'static str) -> Box<dyn BufRead> {
    Box::new(BufReader::with_capacity(BLOCK, Unpacked { decoder, kind }))
}

/// Counts what is read.
struct Counted {
    file: File,
    position: Position,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.position.add(n as u64);
        Ok(n)
    }
}

/// Says in its errors what is damaged.
struct Unpacked<R> {
    decoder: R,
    kind: &'static str,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|error| {
            let what = match error.kind() {
                io::ErrorKind::UnexpectedEof => "ends too early: the file is cut off",
                io::ErrorKind::Interrupted => return error,
                _ => "is damaged",
            };
            io::Error::new(error.kind(), format!("its {} data {what} ({error})", self.kind))
        })
    }
}
