//! The compact runtime: encoding and decoding in place, without std and without a heap.
//!
//! A [`CompactTokenizer`] borrows everything from one byte slice (flash, a memory map, `include_bytes!`) of any
//! alignment. Memory that a call needs is the output that the caller gives it. It encodes every string exactly as the
//! `tokenizer.json` it was made from does in the HuggingFace library.
//!
//! The slice: [`MAGIC`], the length of the header (`u32`), the header (postcard), the tables in the order of the
//! header's lengths, and a CRC-32 of everything before it. Numbers are little-endian.

mod checksum;
mod error;
mod header;
pub(crate) mod lattice;
mod magic;
pub(crate) mod merges;
pub(crate) mod segment;
mod stream;
mod tokenizer;
pub(crate) mod trie;
pub(crate) mod words;

#[cfg(feature = "std")]
pub(crate) use checksum::crc32;
pub use error::CompactError;
pub use header::Algorithm;
#[cfg(feature = "std")]
pub(crate) use header::{CompactHeader, read, tables};
pub use lattice::LONGEST_TOKEN;
pub use magic::MAGIC;
pub use segment::{LINES, Segmentation, WORDS};
#[cfg(feature = "std")]
pub(crate) use stream::Utf8Stream;
pub use stream::{Streaming, Utf8Chunk};
pub use tokenizer::CompactTokenizer;
