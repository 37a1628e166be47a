//! One file to read: where it is, what it holds, and whether it is still the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::format::{Compression, Format, Name};

/// How the format of a file is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formats {
    /// By its name; a file of no known format is an error where it is named itself, and no input in a folder.
    ByName,
    /// By its name; a file of no known format is plain text where it is named itself, and no input in a folder.
    ByNameOrText,
    /// All files are of this format, whatever their names.
    All(Format),
}

/// One file to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Where it is, as it was named.
    pub path: PathBuf,
    /// Its name without folder and extensions: the name of the source its documents belong to.
    pub source: String,
    /// What it holds.
    pub format: Format,
    /// Bytes on disk; 0 of what is no ordinary file.
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970; 0 of what is no ordinary file.
    pub modified: u128,
}

impl InputFile {
    /// Describes a file, which may be a pipe.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is of no known format; the message names it.
    pub fn new(path: &Path, formats: Formats) -> Result<Self> {
        let name = Name::of(path);
        let format = match (formats, name.format) {
            (Formats::All(format), _) | (_, Some(format)) => format,
            (Formats::ByNameOrText, None) => Format::Text,
            (Formats::ByName, None) => bail!(
                "{}: the extension says no format (.txt .text .md .jsonl .ndjson .json .csv .tsv .parquet .arrow .ipc \
                 .feather, also with .gz .gzip .zst after it); give --format",
                path.display()
            ),
        };
        let (size, modified) = state(path)?.unwrap_or_default();
        Ok(Self { path: path.to_path_buf(), source: name.stem, format, size, modified })
    }

    /// How its name says that it is packed.
    pub fn compression_of_name(&self) -> Compression {
        Name::of(&self.path).compression
    }

    /// Fails when the file is no longer the one that was described, or can be read only once.
    ///
    /// # Errors
    ///
    /// Another size or time of change, a pipe; the message names the file.
    pub fn check_unchanged(&self) -> Result<()> {
        match state(&self.path)? {
            None => bail!("{} is not an ordinary file; the input is read twice", self.path.display()),
            Some(state) if state != (self.size, self.modified) => {
                bail!("{} was changed while it was being read; run the command again", self.path.display())
            }
            Some(_) => Ok(()),
        }
    }

    /// The same file under its whole path, for what is written down.
    ///
    /// # Errors
    ///
    /// A path that is not UTF-8.
    pub fn absolute(&self) -> Result<Self> {
        Ok(Self { path: absolute(&self.path)?, ..self.clone() })
    }
}

/// A whole path that can be written down.
///
/// # Errors
///
/// A path that is not UTF-8; the message shows it.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    if path.to_str().is_none() {
        bail!("the path {} is not UTF-8 text; rename the file or folder", path.display());
    }
    let whole = std::path::absolute(path).with_context(|| format!("cannot read {}", path.display()))?;
    if whole.to_str().is_none() {
        bail!("{} lies in {}, a path that is not UTF-8 text; rename the folder", path.display(), whole.display());
    }
    Ok(whole)
}

/// Size and time of change of an ordinary file; `None` of a pipe or device.
fn state(path: &Path) -> Result<Option<(u64, u128)>> {
    let unreadable = || format!("cannot read {}", path.display());
    let metadata = fs::metadata(path).with_context(unreadable)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let modified = metadata.modified().with_context(unreadable)?;
    Ok(Some((metadata.len(), modified.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "bir").unwrap();
        let input = InputFile::new(&path, Formats::ByName).unwrap();
        input.check_unchanged().unwrap();
        fs::write(&path, "bir iki").unwrap();
        assert!(input.check_unchanged().unwrap_err().to_string().contains("a.txt was changed"));
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_cannot_be_written_down_is_shown() {
        use std::os::unix::ffi::OsStrExt as _;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"t\xfcrk\xe7e.txt"));
        let message = absolute(path).unwrap_err().to_string();
        assert!(message.contains("t\u{fffd}rk\u{fffd}e.txt") && message.contains("UTF-8"), "{message}");
    }
}
