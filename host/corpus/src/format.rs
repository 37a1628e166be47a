//! What kind of file an input is, judged by its name.

use std::fmt;
use std::path::Path;

use ebt_data::program;

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

impl Format {
    /// Whether this build reads files of the format.
    pub fn is_read(self) -> bool {
        cfg!(feature = "parquet") || !matches!(self, Self::Parquet | Self::Arrow)
    }

    /// The error of a file in a format that this build does not read.
    pub fn lacks(self, path: &Path) -> anyhow::Error {
        program::lacks(&format!("{}: reading {self}", path.display()), "parquet")
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
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
    /// The compression that a file name extension stands for.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "gz" | "gzip" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// What a file name says: `haber.2024.jsonl.gz` is (`haber.2024`, JSON lines, gzip).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name without the extensions of format and compression.
    pub stem: String,
    /// `None` where the extension is unknown.
    pub format: Option<Format>,
    /// How the file is compressed; [`Compression::None`] where no extension says so.
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
