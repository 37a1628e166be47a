//! What can go wrong without a heap.

/// Why a compact tokenizer could not be read or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// The bytes do not begin as a compact tokenizer does, or are of another version.
    #[error("these bytes are no compact tokenizer of this version")]
    NotCompact,
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
