//! The bytes of a file, unpacked on the way. How a file is packed is judged by its first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use flate2::bufread::GzDecoder;
use ruzstd::decoding::errors::FrameDecoderError;

use super::format::Compression;
use super::frames::Frames;
use super::input::InputFile;
use super::peek::Peek;
use super::record::Position;

/// Bytes read from disk at once.
const BLOCK: usize = 1 << 17;

/// Whether bytes that are neither gzip data nor padding were met behind gzip data, and passed over.
pub type Garbage = Arc<AtomicBool>;

/// A file that is being unpacked.
pub struct Unpacked {
    /// What is in it.
    pub reader: Peek<Box<dyn BufRead + Send>>,
    /// How it is packed.
    pub compression: Compression,
    /// As far as it is read.
    pub garbage: Garbage,
}

/// Opens a file for reading from start to end. Several gzip members or Zstandard frames are read as one; zeros behind a
/// gzip member are passed over, and so is all else that is no gzip member, which is noted.
///
/// # Errors
///
/// A file that cannot be opened, is packed otherwise, or not as its name says.
pub fn open(input: &InputFile, position: &Position) -> Result<Unpacked> {
    let path = input.path.display();
    let unreadable = || format!("cannot read {path}");
    let file = File::open(&input.path).with_context(unreadable)?;
    let file = BufReader::with_capacity(BLOCK, Counted { file, position: position.clone() });
    let mut packed = Peek::new(file);
    let head = packed.peek(Compression::MAGIC).with_context(unreadable)?;
    if let Some(program) = Compression::unknown(head) {
        bail!("{path} is packed with {program}, which cannot be read here: unpack it first");
    }
    let compression = Compression::of_magic(head);
    let said = input.compression_of_name();
    if said != Compression::None && compression == Compression::None {
        bail!("{path} holds no {said} data, although its name says so: it is damaged, or has the wrong extension");
    }
    let garbage = Garbage::default();
    let reader: Box<dyn BufRead + Send> = match compression {
        Compression::None => Box::new(packed),
        Compression::Gzip => {
            let decoder = Members { member: Some(GzDecoder::new(packed)), garbage: garbage.clone() };
            unpacked(decoder, compression)
        }
        Compression::Zstd => unpacked(Frames::new(packed), compression),
    };
    Ok(Unpacked { reader: Peek::new(reader), compression, garbage })
}

/// A file that can be read in any order.
pub struct Seekable {
    /// Its content, at its start.
    pub file: File,
    /// Whether it was packed: then its bytes are counted already.
    pub packed: bool,
    /// In all of it.
    pub garbage: Garbage,
}

/// Opens a file for reading in any order; a packed one is unpacked to an unnamed file in `scratch` first. Bytes read of
/// an unpacked file are not counted.
///
/// # Errors
///
/// As [`open`], and no room to unpack.
pub fn open_seekable(input: &InputFile, scratch: &Path, position: &Position) -> Result<Seekable> {
    let unreadable = || format!("cannot read {}", input.path.display());
    if open(input, &Position::default())?.compression == Compression::None {
        let file = File::open(&input.path).with_context(unreadable)?;
        return Ok(Seekable { file, packed: false, garbage: Garbage::default() });
    }
    let unwritable = || format!("cannot unpack {} into {}", input.path.display(), scratch.display());
    let Unpacked { mut reader, garbage, .. } = open(input, position)?;
    let mut file = tempfile::tempfile_in(scratch).with_context(unwritable)?;
    loop {
        let block = reader.fill_buf().with_context(unreadable)?;
        if block.is_empty() {
            break;
        }
        file.write_all(block).with_context(unwritable)?;
        let n = block.len();
        reader.consume(n);
    }
    file.rewind().with_context(unwritable)?;
    Ok(Seekable { file, packed: true, garbage })
}

fn unpacked(decoder: impl Read + Send + 'static, compression: Compression) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(BLOCK, Explained { decoder, compression }))
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

/// All gzip members of a file; what stands behind them is treated as gzip does.
struct Members<R> {
    /// `None` at the end.
    member: Option<GzDecoder<Peek<R>>>,
    garbage: Garbage,
}

impl<R: BufRead> Members<R> {
    /// The member at which the input stands, if it is one.
    fn next(&self, mut input: Peek<R>) -> io::Result<Option<GzDecoder<Peek<R>>>> {
        if Compression::of_magic(input.peek(2)?) == Compression::Gzip {
            return Ok(Some(GzDecoder::new(input)));
        }
        let mut padding = true;
        while let [first, ..] = *input.fill_buf()? {
            padding &= first == 0;
            if !padding {
                break;
            }
            input.consume(1);
        }
        self.garbage.store(!padding, Ordering::Relaxed);
        Ok(None)
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let n = member.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            if let Some(ended) = self.member.take() {
                self.member = self.next(ended.into_inner())?;
            }
        }
        Ok(0)
    }
}

/// Says in its errors what is wrong, and what helps.
struct Explained<R> {
    decoder: R,
    compression: Compression,
}

impl<R: Read> Read for Explained<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|error| {
            let told = error.to_string();
            let what = match error.kind() {
                io::ErrorKind::Interrupted => return error,
                io::ErrorKind::UnexpectedEof => "ends too early: the file is cut off",
                _ if frame(&error, |error| matches!(error, FrameDecoderError::WindowSizeTooBig { .. })) => {
                    "looks back further than 128 MiB (`zstd --long=28` or more): unpack it first with \
                     `zstd -d --long=31`"
                }
                _ if frame(&error, |error| matches!(error, FrameDecoderError::DictNotProvided { .. })) => {
                    "was packed with a dictionary: unpack it first with `zstd -d -D DICTIONARY`"
                }
                _ => "is damaged",
            };
            io::Error::new(error.kind(), format!("its {} data {what} ({told})", self.compression))
        })
    }
}

/// Whether an error is one of a Zstandard frame, and that one.
fn frame(error: &io::Error, is: impl Fn(&FrameDecoderError) -> bool) -> bool {
    error.get_ref().and_then(|error| error.downcast_ref()).is_some_and(is)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Formats;
    use std::process::{Command, Stdio};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    /// What a file of this name and content unpacks to, and whether garbage was met.
    fn read(name: &str, bytes: &[u8]) -> Result<(Vec<u8>, bool)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut opened = open(&InputFile::new(&path, Formats::ByName)?, &Position::default())?;
        let mut all = Vec::new();
        opened.reader.read_to_end(&mut all)?;
        Ok((all, opened.garbage.load(Ordering::Relaxed)))
    }

    #[test]
    fn what_follows_a_gzip_member_is_treated_as_gzip_does() {
        let one = gzip("bir ".as_bytes());
        let behind: [&[u8]; 8] =
            [b"", &[0; 1], &[0; 700], b"\x1f", b"xyz", &[0, 0, 7], &gzip(b"iki"), &[gzip(b"iki"), vec![0; 9]].concat()];
        for more in behind {
            let bytes = [&one[..], more].concat();
            let (text, garbage) = read("a.txt.gz", &bytes).unwrap();
            // an oracle where there is one, which complains by its status
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.gz");
            std::fs::write(&path, &bytes).unwrap();
            let gzip = Command::new("gzip").arg("-dc").arg(&path).stderr(Stdio::null()).output();
            if let Ok(output) = gzip {
                assert_eq!((&text, garbage), (&output.stdout, !output.status.success()), "{more:?}");
            }
        }
        assert_eq!(read("a.txt.gz", &[&one[..], b"xyz"].concat()).unwrap(), (b"bir ".to_vec(), true));
        assert_eq!(read("a.txt.gz", &[&one[..], &[0; 512]].concat()).unwrap(), (b"bir ".to_vec(), false));
    }

    #[test]
    fn packing_is_judged_by_content() {
        let text = "bir iki üç".as_bytes();
        let zstd = zstd::encode_all(text, 3).unwrap();
        let skippable = [b"\x5a\x2a\x4d\x18\x03\0\0\0abc", &zstd[..]].concat();
        for bytes in [text.to_vec(), gzip(text), zstd.clone(), [zstd.clone(), skippable].concat()] {
            let (all, garbage) = read("a.txt", &bytes).unwrap();
            assert!(all.starts_with(text) && !garbage);
        }
        assert_eq!(read("a.txt.zst", &[zstd.clone(), zstd].concat()).unwrap().0, [text, text].concat());
        for (name, bytes, part) in [
            ("a.txt.gz", text, "holds no gzip data"),
            ("a.txt.zst", b"", "holds no Zstandard data"),
            ("a.txt", b"\xfd7zXZ\0\0\0", "packed with xz"),
            ("a.txt", b"BZh91AY&SY", "packed with bzip2"),
            ("a.csv", b"PK\x03\x04....", "packed with zip"),
        ] {
            let message = format!("{:#}", read(name, bytes).unwrap_err());
            assert!(message.contains(part) && message.contains(name), "{message}");
        }
    }

    #[test]
    fn what_is_whole_but_cannot_be_unpacked_has_a_remedy() {
        let mut long = zstd::Encoder::new(Vec::new(), 1).unwrap();
        long.set_parameter(zstd::zstd_safe::CParameter::WindowLog(28)).unwrap();
        long.write_all(b"bir").unwrap();
        let message = format!("{:#}", read("a.txt.zst", &long.finish().unwrap()).unwrap_err());
        assert!(message.contains("zstd -d --long=31") && !message.contains("damaged"), "{message}");
        // a frame of one raw block that names dictionary 7 (RFC 8878)
        let frame = b"\x28\xb5\x2f\xfd\x21\x07\x03\x19\0\0bir";
        let message = format!("{:#}", read("a.txt.zst", frame).unwrap_err());
        assert!(message.contains("-D DICTIONARY") && !message.contains("damaged"), "{message}");
    }
}
