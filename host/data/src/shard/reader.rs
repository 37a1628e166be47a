//! Reading a shard through the page cache: nothing of it is held in memory.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::layout::{Footer, HEADER, Places, ShardHeader, u32_at, u64_at};
use super::{ShardRecord, TokenWidth};
use crate::file::{self, Mapped};

/// A mapped shard whose structure was checked.
#[derive(Debug)]
pub struct Shard {
    map: Mapped,
    path: PathBuf,
    header: ShardHeader,
    footer: Footer,
    places: Places,
    /// One more than the largest source index.
    sources: u32,
}

impl Shard {
    /// Maps the shard of `record` in `folder` and checks its structure: everything but the tokens themselves.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, that is cut off, damaged or not the one of the record, or that was encoded with a
    /// tokenizer of another fingerprint than `tokenizer`; the message names the file and what is wrong.
    pub fn open(folder: &Path, record: &ShardRecord, tokenizer: u64) -> Result<Self> {
        if Path::new(&record.file).file_name() != Some(record.file.as_ref()) {
            bail!("the manifest in {} names a shard {:?}, which is no file name", folder.display(), record.file);
        }
        let path = folder.join(&record.file);
        let map = file::map(&path)?;
        Self::check(map, path.clone(), record, tokenizer)
            .with_context(|| format!("the shard {} is not usable", path.display()))
    }

    fn check(map: Mapped, path: PathBuf, record: &ShardRecord, tokenizer: u64) -> Result<Self> {
        let header = ShardHeader::decode(&map)?;
        if map.len() as u64 != record.file_bytes {
            bail!("it has {} bytes, but the manifest says {}", map.len(), record.file_bytes);
        }
        let footer = Footer::decode(&map)?;
        let Some(places) = Places::of(&header, &footer, map.len() as u64) else {
            let Footer { tokens, documents, .. } = footer;
            bail!("it is damaged: {tokens} tokens and {documents} documents do not add up to its {} bytes", map.len());
        };
        for (what, is, said) in [
            ("tokens", footer.tokens, record.tokens),
            ("documents", footer.documents, record.documents),
            ("bytes of text", footer.text_bytes, record.text_bytes),
        ] {
            if is != said {
                bail!("it holds {is} {what}, but the manifest says {said}");
            }
        }
        if header.tokenizer != tokenizer {
            bail!(
                "it was encoded with the tokenizer {:016x}, but the tokenizer in use is {tokenizer:016x}",
                header.tokenizer
            );
        }
        if map[places.tokens_end..places.begins].iter().any(|&byte| byte != 0) {
            bail!("it is damaged: the bytes between tokens and index are not zero");
        }
        let mut shard = Self { map, path, header, footer, places, sources: 0 };
        shard.sources = shard.check_index()?;
        Ok(shard)
    }

    /// Begins ascend from 0 inside the tokens, lengths add up to the footer's; returns the number of sources in use.
    fn check_index(&self) -> Result<u32> {
        let (mut before, mut text_bytes, mut sources) = (None, 0u64, 0);
        for i in 0..self.documents() {
            let begin = self.begin_of(i);
            if before.map_or(begin != 0, |before| begin <= before) || begin >= self.tokens() {
                bail!("it is damaged: its document {i} begins at token {begin}, out of order or beyond its tokens");
            }
            before = Some(begin);
            text_bytes = text_bytes.saturating_add(self.length(i));
            sources = sources.max(self.source(i).saturating_add(1));
        }
        if self.documents() == 0 && self.tokens() > 0 {
            bail!("it is damaged: it has tokens but no document");
        }
        if text_bytes != self.text_bytes() {
            bail!(
                "it is damaged: its documents have {text_bytes} bytes of text, its footer says {}",
                self.text_bytes()
            );
        }
        Ok(sources)
    }

    /// Path of the mapped file: the folder that it was opened in, and its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tokens, begin tokens included.
    pub fn tokens(&self) -> u64 {
        self.footer.tokens
    }

    /// Number of documents, each of which has one begin token.
    pub fn documents(&self) -> u64 {
        self.footer.documents
    }

    /// Bytes of text.
    pub fn text_bytes(&self) -> u64 {
        self.footer.text_bytes
    }

    /// The token before every document.
    pub fn begin(&self) -> u32 {
        self.header.begin
    }

    /// Bytes of a stored id.
    pub fn width(&self) -> TokenWidth {
        self.header.width
    }

    /// Sources the documents may name: one more than the largest index.
    pub fn sources(&self) -> u32 {
        self.sources
    }

    /// Index of the begin token of document `i < documents`.
    pub fn begin_of(&self, i: u64) -> u64 {
        u64_at(&self.map, self.places.begins + 8 * i as usize)
    }

    /// Index after the last token of document `i < documents`.
    pub fn end_of(&self, i: u64) -> u64 {
        if i + 1 < self.documents() { self.begin_of(i + 1) } else { self.tokens() }
    }

    /// Bytes of text of document `i < documents`.
    pub fn length(&self, i: u64) -> u64 {
        u64_at(&self.map, self.places.lengths + 8 * i as usize)
    }

    /// Source of document `i < documents`.
    pub fn source(&self, i: u64) -> u32 {
        u32_at(&self.map, self.places.sources + 4 * i as usize)
    }

    /// Appends the tokens of `range`, which lies inside the shard. Their values are not checked.
    pub fn read(&self, range: Range<u64>, into: &mut Vec<u32>) {
        let width = self.header.width.bytes();
        let bytes = &self.map[HEADER + width * range.start as usize..HEADER + width * range.end as usize];
        match self.header.width {
            TokenWidth::U16 => into.extend(bytes.chunks_exact(2).map(|c| u32::from(u16::from_le_bytes([c[0], c[1]])))),
            TokenWidth::U32 => into.extend(bytes.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]))),
        }
    }

    /// The whole file, and the checksum that its footer promises of all bytes before it.
    pub(super) fn contents(&self) -> (&[u8], u32) {
        (&self.map, self.footer.crc)
    }
}
