//! Writing a shard: under a temporary name, flushed to the disk, then renamed.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

use super::layout::{FOOTER, Footer, HEADER, INDEX, ShardHeader};
use super::{ShardRecord, TokenWidth};
use crate::digest::hexadecimal;
use crate::file::temporary;
use crate::in_use;

/// Last part of the name of a shard that is not finished; its first part is a dot and the final name. A killed writer
/// leaves such a file behind, which nothing reads.
pub const UNFINISHED: &str = ".unfinished";

/// Writes one shard. Memory does not grow with it: the document index waits in unnamed files of the same folder.
///
/// Dropped without [`ShardWriter::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct ShardWriter {
    path: PathBuf,
    out: BufWriter<NamedTempFile>,
    sums: Sums,
    header: ShardHeader,
    footer: Footer,
    /// Begins, lengths, sources.
    index: [BufWriter<File>; 3],
    buffer: Vec<u8>,
}

impl ShardWriter {
    /// Starts the shard `folder/name` (`name` as in `train-00000.tokens`), with the fingerprint of its tokenizer and
    /// the token that stands before every document.
    ///
    /// # Errors
    ///
    /// A begin token that does not fit `width`, and what the file system refuses; the message names the file.
    pub fn create(folder: &Path, name: &str, width: TokenWidth, tokenizer: u64, begin: u32) -> Result<Self> {
        let path = folder.join(name);
        let failed = || format!("cannot write {}", path.display());
        if begin > width.largest() {
            bail!("{}: the begin token {begin} does not fit {} bytes", failed(), width.bytes());
        }
        if path.is_dir() {
            bail!("{}: it is a folder", failed());
        }
        let file = temporary(folder, &format!(".{name}."), UNFINISHED).with_context(failed)?;
        let column = || tempfile::tempfile_in(folder).map(BufWriter::new).with_context(failed);
        let index = [column()?, column()?, column()?];
        let header = ShardHeader { width, tokenizer, begin };
        let mut writer = Self {
            out: BufWriter::with_capacity(1 << 18, file),
            sums: Sums::default(),
            header,
            footer: Footer::default(),
            index,
            buffer: Vec::new(),
            path,
        };
        let bytes = header.encode();
        writer.write(|_, sink| sink.write_all(&bytes))?;
        Ok(writer)
    }

    /// Appends a document: its tokens without the begin token, the bytes of its text, its place among the manifest's
    /// sources.
    ///
    /// # Errors
    ///
    /// An id that does not fit the width, or the begin token inside the document: nothing was written then. A full
    /// disk: the shard is lost.
    pub fn push(&mut self, ids: &[u32], text_bytes: u64, source: u32) -> Result<()> {
        let (width, begin) = (self.header.width, self.header.begin);
        if let Some(at) = ids.iter().position(|&id| id > width.largest() || id == begin) {
            let why = match ids[at] == begin {
                true => String::from("the token that begins documents"),
                false => format!("which does not fit {} bytes", width.bytes()),
            };
            let (path, document) = (self.path.display(), self.footer.documents);
            bail!("cannot write {path}: token {at} of its document {document} is {}, {why}", ids[at]);
        }
        let record = (self.footer.tokens, text_bytes, source);
        self.write(|buffer, sink| {
            buffer.clear();
            let all = [begin];
            let all = all.iter().chain(ids);
            match width {
                TokenWidth::U16 => all.for_each(|&id| buffer.extend_from_slice(&(id as u16).to_le_bytes())),
                TokenWidth::U32 => all.for_each(|&id| buffer.extend_from_slice(&id.to_le_bytes())),
            }
            sink.write_all(buffer)
        })?;
        let [begins, lengths, sources] = &mut self.index;
        (|| {
            begins.write_all(&record.0.to_le_bytes())?;
            lengths.write_all(&record.1.to_le_bytes())?;
            sources.write_all(&record.2.to_le_bytes())
        })()
        .with_context(|| format!("cannot write {}", self.path.display()))?;
        self.footer.tokens += 1 + ids.len() as u64;
        self.footer.documents += 1;
        self.footer.text_bytes += text_bytes;
        Ok(())
    }

    /// Tokens so far, begin tokens included.
    pub fn tokens(&self) -> u64 {
        self.footer.tokens
    }

    /// Documents so far.
    pub fn documents(&self) -> u64 {
        self.footer.documents
    }

    /// Completes the file, flushes it to the disk and gives it its final name; an older file of that name is replaced.
    ///
    /// # Errors
    ///
    /// What the file system refuses; then there is no shard, and an older file of that name is as it was.
    pub fn finish(mut self) -> Result<ShardRecord> {
        let used = self.footer.tokens * self.header.width.bytes() as u64;
        let padding = (used.next_multiple_of(8) - used) as usize;
        self.write(|_, sink| sink.write_all(&[0; 8][..padding]))?;
        for i in 0..self.index.len() {
            let failed = || format!("cannot write {}", self.path.display());
            let column = &mut self.index[i];
            column.flush().with_context(failed)?;
            let column = column.get_mut();
            column.rewind().with_context(failed)?;
            let mut sink = Sink { out: &mut self.out, sums: &mut self.sums };
            copy(column, &mut sink).with_context(failed)?;
        }
        let summed = self.footer.summed();
        self.write(|_, sink| sink.write_all(&summed))?;
        self.footer.crc = self.sums.crc.clone().finalize();
        let rest = self.footer.rest();
        self.write(|_, sink| sink.write_all(&rest))?;
        let Self { path, out, sums, footer, .. } = self;
        let failed = || format!("cannot write {}", path.display());
        let file = out.into_inner().map_err(io::IntoInnerError::into_error).with_context(failed)?;
        file.as_file().sync_all().with_context(failed)?;
        in_use::persist(file, &path).with_context(failed)?;
        // the rename itself lasts only once the folder is written; some file systems cannot do that and need not
        if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
            let _ = folder.sync_all();
        }
        Ok(ShardRecord {
            file: path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            documents: footer.documents,
            tokens: footer.tokens,
            text_bytes: footer.text_bytes,
            file_bytes: HEADER as u64 + used + padding as u64 + INDEX * footer.documents + FOOTER as u64,
            sha256: hexadecimal(sums.sha256.finalize()),
        })
    }

    fn write(&mut self, fill: impl FnOnce(&mut Vec<u8>, &mut Sink<'_>) -> io::Result<()>) -> Result<()> {
        let mut sink = Sink { out: &mut self.out, sums: &mut self.sums };
        fill(&mut self.buffer, &mut sink).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Checksums of what was written.
#[derive(Default)]
struct Sums {
    crc: crc32fast::Hasher,
    sha256: hmac_sha256::Hash,
}

impl std::fmt::Debug for Sums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sums").finish_non_exhaustive()
    }
}

/// Writes and sums up what it writes.
struct Sink<'a> {
    out: &'a mut BufWriter<NamedTempFile>,
    sums: &'a mut Sums,
}

impl Sink<'_> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.sums.crc.update(bytes);
        self.sums.sha256.update(bytes);
        Ok(())
    }
}

fn copy(from: &mut File, to: &mut Sink<'_>) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            n => to.write_all(&buffer[..n])?,
        }
    }
}
