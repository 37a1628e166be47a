//! How a compact tokenizer begins.

/// The version that is written; no other is read.
pub(crate) const VERSION: u8 = 1;

/// The first bytes of a compact tokenizer; the last of them is the version.
pub const MAGIC: [u8; 8] = [b'E', b'B', b'T', b'T', b'O', b'K', 0, VERSION];
