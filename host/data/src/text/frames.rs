//! Zstandard: one frame after the other, each verified by its checksum where it has one.

use std::io::{self, BufRead, ErrorKind, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Largest distance back in a frame, in bytes: what `zstd --long` writes and other decoders accept.
const WINDOW: u64 = 1 << 27;

/// The content of all frames of a source; frames that are to be skipped are.
pub struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    /// Whether a frame was begun and its content is not out yet.
    inside: bool,
}

impl<R: BufRead> Frames<R> {
    pub fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW);
        Self { source, decoder, inside: false }
    }

    /// Reads the header of the next frame that holds content; false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    if io::copy(&mut (&mut self.source).take(length), &mut io::sink())? < length {
                        return Err(io::Error::new(ErrorKind::UnexpectedEof, "inside a frame to skip"));
                    }
                }
                Err(error) => return Err(kind(error)),
            }
        }
        Ok(false)
    }

    /// Compares the checksum of a frame whose content is out.
    fn end(&self) -> io::Result<()> {
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(written), Some(computed)) if written != computed => {
                Err(io::Error::new(ErrorKind::InvalidData, "the checksum of a frame is wrong"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.inside {
                self.inside = self.begin()?;
                if !self.inside {
                    return Ok(0);
                }
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1)).map_err(kind)?;
            }
            let n = self.decoder.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            self.end()?;
            self.inside = false;
        }
    }
}

/// The error of the source, where that is its cause.
fn kind(error: FrameDecoderError) -> io::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut of_source = None;
    while let Some(error) = cause {
        of_source = error.downcast_ref::<io::Error>().map(io::Error::kind).or(of_source);
        cause = error.source();
    }
    io::Error::new(of_source.unwrap_or(ErrorKind::InvalidData), error)
}
