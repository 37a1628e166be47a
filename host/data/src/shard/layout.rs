//! The bytes of a shard file, all little endian:
//!
//! | part | bytes |
//! |---|---|
//! | header | magic `EBTSHARD`, version u32, token width u32, tokenizer fingerprint u64, begin token u32, 36 zeros |
//! | tokens | of every document the begin token, then its ids; zeros up to a multiple of 8 |
//! | begins | u64 a document: index of its begin token in this shard |
//! | lengths | u64 a document: bytes of its text |
//! | sources | u32 a document: index into the manifest's sources |
//! | footer | tokens u64, documents u64, text bytes u64, CRC-32 of all before u32, zeros u32, magic `EBTSHEND` |

use anyhow::{Result, bail};

use super::TokenWidth;

/// First bytes of a shard.
pub const MAGIC: &[u8; 8] = b"EBTSHARD";
/// Last bytes of a shard.
pub const END_MAGIC: &[u8; 8] = b"EBTSHEND";
/// The version that this program writes and reads.
pub const VERSION: u32 = 1;
/// Bytes of the header.
pub const HEADER: usize = 64;
/// Bytes of the footer.
pub const FOOTER: usize = 40;
/// Bytes of the footer before its checksum.
pub const SUMMED: usize = 24;
/// Bytes of a document in the index.
pub const INDEX: u64 = 20;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardHeader {
    /// Bytes of a token.
    pub width: TokenWidth,
    /// Fingerprint of the tokenizer.
    pub tokenizer: u64,
    /// The token before every document.
    pub begin: u32,
}

impl ShardHeader {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(self.width.bytes() as u32).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.tokenizer.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.begin.to_le_bytes());
        bytes
    }

    /// Reads and checks the header of a file.
    ///
    /// # Errors
    ///
    /// Another kind of file, another version, an impossible field.
    pub fn decode(file: &[u8]) -> Result<Self> {
        if !file.starts_with(MAGIC) {
            bail!("it is no token shard (it does not start with EBTSHARD)");
        }
        if file.len() < HEADER {
            bail!("it is cut off inside its header, at byte {}", file.len());
        }
        let version = u32_at(file, 8);
        if version != VERSION {
            bail!(
                "it has format version {version}, this program reads version {VERSION}: prepare the data again with it"
            );
        }
        if let Some(at) = file[28..HEADER].iter().position(|&byte| byte != 0) {
            bail!("it is damaged: byte {} of its header is not zero", 28 + at);
        }
        let header = Self {
            width: TokenWidth::from_bytes(u32_at(file, 12))?,
            tokenizer: u64_at(file, 16),
            begin: u32_at(file, 24),
        };
        if header.begin > header.width.largest() {
            bail!("it is damaged: the begin token {} does not fit {} bytes", header.begin, header.width.bytes());
        }
        Ok(header)
    }
}

/// What a footer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// Number of tokens, begin tokens included and padding not.
    pub tokens: u64,
    /// Number of documents: the length of each of the three columns.
    pub documents: u64,
    /// Bytes of text.
    pub text_bytes: u64,
    /// Checksum of everything before it.
    pub crc: u32,
}

impl Footer {
    /// The footer up to its checksum.
    pub fn summed(&self) -> [u8; SUMMED] {
        let mut bytes = [0; SUMMED];
        bytes[..8].copy_from_slice(&self.tokens.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.documents.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.text_bytes.to_le_bytes());
        bytes
    }

    /// The rest of the footer.
    pub fn rest(&self) -> [u8; FOOTER - SUMMED] {
        let mut bytes = [0; FOOTER - SUMMED];
        bytes[..4].copy_from_slice(&self.crc.to_le_bytes());
        bytes[8..].copy_from_slice(END_MAGIC);
        bytes
    }

    /// Reads and checks the footer of a file that has a header.
    ///
    /// # Errors
    ///
    /// A file that does not end as a shard does.
    pub fn decode(file: &[u8]) -> Result<Self> {
        let Some(at) = file.len().checked_sub(FOOTER).filter(|&at| at >= HEADER) else {
            bail!("it is cut off: {} bytes are too few for a shard", file.len());
        };
        let bytes = &file[at..];
        if !bytes.ends_with(END_MAGIC) {
            bail!("it is cut off or damaged: it does not end with EBTSHEND");
        }
        if u32_at(bytes, 28) != 0 {
            bail!("it is damaged: the reserved bytes of its footer are not zero");
        }
        Ok(Self {
            tokens: u64_at(bytes, 0),
            documents: u64_at(bytes, 8),
            text_bytes: u64_at(bytes, 16),
            crc: u32_at(bytes, 24),
        })
    }
}

/// Where the parts of a file lie, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// End of the tokens, before their padding.
    pub tokens_end: usize,
    /// Start of the begins, a multiple of 8; they are one u64 a document.
    pub begins: usize,
    /// Start of the lengths, right after the begins; they are one u64 a document.
    pub lengths: usize,
    /// Start of the sources, right after the lengths; they are one u32 a document, up to the footer.
    pub sources: usize,
}

impl Places {
    /// The parts of a file of `file_bytes`, if its sizes add up to exactly that.
    pub fn of(header: &ShardHeader, footer: &Footer, file_bytes: u64) -> Option<Self> {
        let tokens_end = footer.tokens.checked_mul(header.width.bytes() as u64)?.checked_add(HEADER as u64)?;
        let begins = tokens_end.checked_next_multiple_of(8)?;
        let column = footer.documents.checked_mul(8)?;
        let lengths = begins.checked_add(column)?;
        let sources = lengths.checked_add(column)?;
        let end = sources.checked_add(footer.documents.checked_mul(4)?)?.checked_add(FOOTER as u64)?;
        let place = |at: u64| usize::try_from(at).ok();
        let places = Self {
            tokens_end: place(tokens_end)?,
            begins: place(begins)?,
            lengths: place(lengths)?,
            sources: place(sources)?,
        };
        (end == file_bytes).then_some(places)
    }
}

/// The number at `at`, which must lie inside.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut x = [0; 4];
    x.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(x)
}

/// The number at `at`, which must lie inside.
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut x = [0; 8];
    x.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_footers_read_back() {
        let header = ShardHeader { width: TokenWidth::U32, tokenizer: 0x0123_4567_89AB_CDEF, begin: 70_000 };
        assert_eq!(ShardHeader::decode(&header.encode()).unwrap(), header);
        let footer = Footer { tokens: 9, documents: 2, text_bytes: 31, crc: 0xDEAD_BEEF };
        let file = [&[0; HEADER][..], &footer.summed(), &footer.rest()].concat();
        assert_eq!(Footer::decode(&file).unwrap(), footer);
        assert!(Footer::decode(&file[1..]).is_err());
    }

    #[test]
    fn sizes_that_overflow_are_no_places() {
        let header = ShardHeader { width: TokenWidth::U16, tokenizer: 0, begin: 0 };
        let footer = |tokens, documents| Footer { tokens, documents, ..Footer::default() };
        assert!(Places::of(&header, &footer(u64::MAX / 2, 0), 104).is_none());
        assert!(Places::of(&header, &footer(0, u64::MAX / 4), 104).is_none());
        assert!(Places::of(&header, &footer(1 << 63, 1 << 61), 104).is_none());
        let places = Places::of(&header, &footer(5, 2), 64 + 16 + 40 + 40).unwrap();
        assert_eq!(places, Places { tokens_end: 74, begins: 80, lengths: 96, sources: 112 });
    }
}
