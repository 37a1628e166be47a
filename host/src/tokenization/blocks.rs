//! Text files as a stream of documents for training, in bounded memory.
//!
//! Documents are separated by blank lines, as everywhere in this program. A document over [`BLOCK`] bytes comes in
//! parts, cut at a line end, else at white space, else between two characters.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use ebt_data::text;

/// The most bytes of a text.
pub const BLOCK: usize = 1 << 20;

/// The documents of several files, one file open at a time. Ends after the first failure.
#[derive(Debug)]
pub struct Documents<'a> {
    paths: std::slice::Iter<'a, PathBuf>,
    blocks: Option<Blocks<'a, File>>,
    /// Documents of the current block, last first.
    ready: Vec<String>,
    failed: bool,
}

impl<'a> Documents<'a> {
    /// The documents of files, in this order.
    pub fn of(paths: &'a [PathBuf]) -> Self {
        Self { paths: paths.iter(), blocks: None, ready: Vec::new(), failed: false }
    }

    /// The next block of text, of the next file if the current one is at its end.
    fn block(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(blocks) = &mut self.blocks
                && let Some(block) = blocks.next()?
            {
                return Ok(Some(block));
            }
            let Some(path) = self.paths.next() else { return Ok(None) };
            let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            self.blocks = Some(Blocks::new(file, path));
        }
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        while !self.failed {
            if let Some(document) = self.ready.pop() {
                return Some(Ok(document));
            }
            match self.block() {
                Ok(Some(block)) => {
                    self.ready.extend(text::documents(&block).into_iter().rev().map(str::to_owned));
                }
                Ok(None) => return None,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// The text of one file in blocks of at most [`BLOCK`] bytes, without a byte-order mark.
#[derive(Debug)]
struct Blocks<'a, R> {
    reader: R,
    path: &'a Path,
    pending: Vec<u8>,
    /// Bytes of the file before `pending`, and line ends among them.
    before: (u64, u64),
    ended: bool,
}

impl<'a, R: Read> Blocks<'a, R> {
    fn new(reader: R, path: &'a Path) -> Self {
        Self { reader, path, pending: Vec::new(), before: (0, 0), ended: false }
    }

    fn next(&mut self) -> Result<Option<String>> {
        self.fill()?;
        if self.pending.is_empty() {
            return Ok(None);
        }
        let end = if self.ended { self.pending.len() } else { cut(&self.pending) };
        let mut block = match std::str::from_utf8(&self.pending[..end]) {
            Ok(block) => block.to_owned(),
            Err(error) => {
                let valid = &self.pending[..error.valid_up_to()];
                let (byte, line) = (self.before.0 + valid.len() as u64, self.before.1 + line_ends(valid) + 1);
                bail!(
                    "{} is not UTF-8 text: byte {byte}, in line {line}, does not continue a character",
                    self.path.display()
                )
            }
        };
        if self.before.0 == 0 && block.starts_with('\u{feff}') {
            block.drain(..'\u{feff}'.len_utf8());
        }
        self.before.0 += end as u64;
        self.before.1 += line_ends(&self.pending[..end]);
        self.pending.drain(..end);
        Ok(Some(block))
    }

    /// Reads until a block is full or the file ends.
    fn fill(&mut self) -> Result<()> {
        while !self.ended && self.pending.len() < BLOCK {
            let wanted = (BLOCK - self.pending.len()) as u64;
            match (&mut self.reader).take(wanted).read_to_end(&mut self.pending) {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", self.path.display())),
            }
        }
        Ok(())
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// Where a full block is best cut: after the last blank line, line end, white space, or character.
fn cut(block: &[u8]) -> usize {
    let after_last = |wanted: &dyn Fn(usize) -> bool| (0..block.len()).rev().find(|&at| wanted(at)).map(|at| at + 1);
    after_last(&|at| block[..=at].ends_with(b"\n\n"))
        .or_else(|| after_last(&|at| block[at] == b'\n'))
        .or_else(|| after_last(&|at| block[at] == b' '))
        // the last character may go on behind the block; a character starts at most three bytes before its last byte
        .or_else(|| {
            let start = block.iter().rposition(|&byte| byte & 0xC0 != 0x80)?;
            (start > 0 && block.len() - start < 4).then_some(start)
        })
        .unwrap_or(block.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn blocks(bytes: &[u8]) -> Result<Vec<String>> {
        let mut blocks = Blocks::new(bytes, Path::new("dosya.txt"));
        let mut all = Vec::new();
        while let Some(block) = blocks.next()? {
            all.push(block);
        }
        Ok(all)
    }

    #[test]
    fn blocks_are_small_and_lose_nothing() {
        let line = "çok uzun bir satır ";
        let texts = [
            line.repeat(200_000),
            (line.to_owned() + "\n").repeat(200_000),
            (line.to_owned() + "\n\n").repeat(200_000),
            "ş".repeat(BLOCK),
            "a".to_owned() + &"😀".repeat(BLOCK),
        ];
        for (text, end) in texts.iter().zip([" ", "\n", "\n\n", "ş", "😀"]) {
            let all = blocks(text.as_bytes()).unwrap();
            assert!(all.concat() == *text && all.len() > 1);
            assert!(all.iter().all(|block| block.len() <= BLOCK && block.ends_with(end)), "{end:?}");
        }
        assert!(blocks(b"").unwrap().is_empty());
        assert_eq!(blocks("\u{feff}bir".as_bytes()).unwrap(), ["bir"]);
    }

    #[test]
    fn a_byte_that_is_not_utf8_is_named_with_its_place() {
        let bytes = [vec![b'\n'; BLOCK + 7], b"ab\xff".to_vec()].concat();
        let message = blocks(&bytes).unwrap_err().to_string();
        let (byte, line) = (BLOCK + 9, BLOCK + 8);
        assert!(
            message.contains("dosya.txt") && message.contains(&format!("byte {byte}, in line {line}")),
            "{message}"
        );
        let cut_short = blocks("abç".as_bytes().split_last().unwrap().1).unwrap_err().to_string();
        assert!(cut_short.contains("byte 2, in line 1"), "{cut_short}");
        assert!(blocks(&[0x80; 2 * BLOCK]).is_err());
    }

    #[test]
    fn documents_come_in_order_until_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("1"), "bir\niki\n\nüç\n").unwrap();
        fs::write(path("2"), "").unwrap();
        fs::write(path("3"), "dört").unwrap();
        let paths = ["1", "2", "3", "yok"].map(path);
        let mut documents = Documents::of(&paths);
        let first: Vec<String> = documents.by_ref().take(3).map(Result::unwrap).collect();
        assert_eq!(first, ["bir\niki", "üç", "dört"]);
        assert!(documents.next().unwrap().unwrap_err().to_string().contains("yok"));
        assert!(documents.next().is_none());
    }
}
