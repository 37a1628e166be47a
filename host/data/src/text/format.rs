//! What kind of file an input is, judged by its name.

use std::fmt;
use std::path::Path;

/// Format of a corpus file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Plain text
    Text,
    /// One JSON object a line
    #[value(alias = "json", alias = "ndjson")]
    Jsonl,
    /// Comma-separated values with a header line
    Csv,
    /// Tab-separated values with a header line
    Tsv,
    /// Apache Parquet
    Parquet,
    /// Arrow IPC, file or stream
    #[value(alias = "ipc", alias = "feather")]
    Arrow,
}

impl Format {
    /// The format that a file name extension stands for.
    pub fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "txt" | "text" | "md" => Self::Text,
            "jsonl" | "ndjson" | "json" => Self::Jsonl,
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            "parquet" => Self::Parquet,
            "arrow" | "ipc" | "feather" => Self::Arrow,
            _ => return None,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Jsonl => "JSON lines",
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow",
        })
    }
}

/// How a file is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// One or more gzip members.
    Gzip,
    /// One or more Zstandard frames.
    Zstd,
}

impl Compression {
    /// Bytes at the start of a file that tell how it is packed.
    pub const MAGIC: usize = 10;

    /// The compression that a file name extension stands for.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "gz" | "gzip" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// How data with these first bytes are packed.
    pub fn of_magic(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // a frame, or a skippable one before it
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// The program that packed data with these first bytes, if it is one of those that are not read here.
    pub fn unknown(head: &[u8]) -> Option<&'static str> {
        match head {
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
            [b'B', b'Z', b'h', _, b'1', b'A', b'Y', b'&', b'S', b'Y', ..] => Some("bzip2"),
            [b'P', b'K', 3, 4, ..] => Some("zip"),
            _ => None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "unpacked",
            Self::Gzip => "gzip",
            Self::Zstd => "Zstandard",
        })
    }
}

/// What a file name says: `haber.2024.jsonl.gz` is (`haber.2024`, JSON lines, gzip).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name without the extensions of format and compression.
    pub stem: String,
    /// `None` where the extension is unknown.
    pub format: Option<Format>,
    /// How the file is said to be packed; [`Compression::None`] where no extension says so.
    pub compression: Compression,
}

impl Name {
    /// Reads the name of a file.
    pub fn of(path: &Path) -> Self {
        let whole = path.file_name().unwrap_or_default().to_string_lossy();
        let (rest, compression) =
            take_extension(&whole, Compression::of_extension).unwrap_or((whole.as_ref(), Compression::None));
        match take_extension(rest, Format::of_extension) {
            Some((stem, format)) => Self { stem: stem.to_owned(), format: Some(format), compression },
            None => Self { stem: rest.to_owned(), format: None, compression },
        }
    }
}

/// `name` without an extension that `known` knows, and what it stands for. A name is never emptied.
fn take_extension<T>(name: &str, known: impl Fn(&str) -> Option<T>) -> Option<(&str, T)> {
    let (stem, extension) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())?;
    known(extension).map(|meaning| (stem, meaning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_format_and_compression() {
        let of = |name: &str| {
            let n = Name::of(Path::new(name));
            (n.stem, n.format, n.compression)
        };
        assert_eq!(of("a/haber.2024.jsonl.gz"), ("haber.2024".into(), Some(Format::Jsonl), Compression::Gzip));
        assert_eq!(of("x.PARQUET"), ("x".into(), Some(Format::Parquet), Compression::None));
        assert_eq!(of("x.md.zst"), ("x".into(), Some(Format::Text), Compression::Zstd));
        assert_eq!(of("x.bin.gz"), ("x.bin".into(), None, Compression::Gzip));
        assert_eq!(of(".txt"), (".txt".into(), None, Compression::None));
    }
}
