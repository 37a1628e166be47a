//! Prepared data: token shards that are mapped into memory, and the manifest that says what they hold.
//!
//! A folder of prepared data holds `manifest.json` ([`manifest`]), `tokenizer.json`, and shards `train-00000.tokens`,
//! `validation-00000.tokens` and so on. The manifest is written last: a folder with one is whole.
//!
//! What is checked when:
//!
//! * on opening ([`Shard::open`]): header, footer, all sizes against the length of the file and the manifest, the
//!   tokenizer, and the whole document index. This reads 20 bytes a document, not the tokens, so a run on many
//!   gigabytes starts at once.
//! * on gathering ([`super::Tokens::gather`]): every id against the vocabulary, so that a damaged one cannot reach a
//!   model.
//! * on demand (`ebt data inspect --verify`, [`verify`]): checksums, begin tokens, and that every document decodes to
//!   as many bytes as the index says.

pub mod layout;
pub mod manifest;
pub mod reader;
pub mod verify;
pub mod writer;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

pub use manifest::{Manifest, Prepared};
pub use reader::Shard;
pub use writer::ShardWriter;

/// Bytes of a stored token id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenWidth {
    /// Two bytes: ids below 65,536.
    U16,
    /// Four bytes: every id, for vocabularies of more than 65,536 tokens.
    U32,
}

impl TokenWidth {
    /// The narrowest width for ids below `vocabulary`.
    pub fn of(vocabulary: usize) -> Self {
        if vocabulary <= 1 << 16 { Self::U16 } else { Self::U32 }
    }

    /// Bytes of an id.
    pub fn bytes(self) -> usize {
        match self {
            Self::U16 => 2,
            Self::U32 => 4,
        }
    }

    /// Largest id that can be stored.
    pub fn largest(self) -> u32 {
        match self {
            Self::U16 => u32::from(u16::MAX),
            Self::U32 => u32::MAX,
        }
    }

    /// The width of `bytes` bytes.
    ///
    /// # Errors
    ///
    /// Neither 2 nor 4.
    pub fn from_bytes(bytes: u32) -> Result<Self> {
        match bytes {
            2 => Ok(Self::U16),
            4 => Ok(Self::U32),
            _ => bail!("it is damaged: tokens of {bytes} bytes (2 or 4 are possible)"),
        }
    }
}

/// What the manifest says of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardRecord {
    /// Name of the file in the folder of the manifest.
    pub file: String,
    /// Number of documents, none of which goes on in another shard.
    pub documents: u64,
    /// Tokens, the begin token of every document included.
    pub tokens: u64,
    /// Bytes of text of all documents.
    pub text_bytes: u64,
    /// Length of the file in bytes.
    pub file_bytes: u64,
    /// SHA-256 of the file, as 64 hexadecimal digits.
    pub sha256: String,
}
