//! What can go wrong without a heap.

use super::magic::VERSION;

/// Why a compact tokenizer could not be read or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// The bytes do not begin as a compact tokenizer does.
    #[error("these bytes are no compact tokenizer: they do not begin with its signature")]
    NotCompact,
    /// Another version of the format.
    #[error(
        "format version {found} of a compact tokenizer cannot be read: this program reads version {VERSION}; make it again from its tokenizer.json"
    )]
    Version {
        /// Version number of the bytes, other than the only one that is read.
        found: u8,
    },
    /// The bytes end before the tables do, or hold more.
    #[error("the compact tokenizer should have {expected} bytes, but has {found}")]
    Length {
        /// Bytes that the header promises.
        expected: usize,
        /// All bytes that were given, header and checksum included.
        found: usize,
    },
    /// The checksum is wrong.
    #[error("the compact tokenizer is damaged: its checksum is wrong")]
    Checksum,
    /// A table holds what it must not.
    #[error("the compact tokenizer is damaged: its {table} is not usable")]
    Damaged {
        /// The damaged part as the message names it, for instance `trie` or `cost table`.
        table: &'static str,
    },
    /// The output has too few places.
    #[error("the output is too small: {needed} places are enough")]
    OutputTooSmall {
        /// Places that are enough.
        needed: usize,
    },
    /// An id does not belong to the vocabulary.
    #[error("token id {id} is out of range: the vocabulary holds {vocabulary} tokens")]
    IdOutOfRange {
        /// The id given.
        id: u32,
        /// How many tokens there are; valid ids are below this.
        vocabulary: u32,
    },
}
