//! Arrow IPC: files (as Feather version 2) and streams (as the data sets library writes them), distinguished by their
//! first bytes.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail};
use arrow_ipc::reader::{FileReader, StreamReader};
use ebt_data::text::packed::{self, Garbage};
use ebt_data::text::{InputFile, Position, ReadOptions, Records, Tally};

use super::column::{self, Rows};
use super::guard::guarded;

/// First bytes of an Arrow file.
const FILE_MAGIC: &[u8] = b"ARROW1";
/// First bytes of a Feather file of version 1, which is another format.
const OLD_MAGIC: &[u8] = b"FEA1";

/// Records of an Arrow file or stream, a record batch at a time.
pub struct Arrow {
    batches: Batches,
    rows: Rows,
    /// Index of the column; `None` in an empty file.
    column: Option<usize>,
    /// Number of record batches read so far: the index of the next one.
    read: usize,
    /// Bytes of the file that each batch stands for in a display of progress, where reading does not report it.
    share: u64,
    position: Position,
}

enum Batches {
    File(Box<FileReader<BufReader<File>>>),
    Stream(Box<StreamReader<Box<dyn BufRead + Send>>>),
    None,
}

impl Arrow {
    /// Opens a file, and tells what is behind its packed bytes.
    pub fn open(
        input: &InputFile,
        options: &ReadOptions,
        scratch: &Path,
        position: &Position,
    ) -> Result<(Self, Garbage)> {
        let path = input.path.display().to_string();
        let unusable = || format!("{path} is not a usable Arrow file");
        let mut head = packed::open(input, &Position::default())?.reader;
        let magic = head.peek(8).with_context(|| format!("cannot read {path}"))?;
        if magic.starts_with(OLD_MAGIC) {
            bail!("{path} is a Feather file of version 1; write it again as version 2 (Arrow IPC)");
        }
        let (mut share, mut garbage) = (0, Garbage::default());
        let batches = if magic.is_empty() {
            Batches::None
        } else if magic.starts_with(FILE_MAGIC) {
            let opened = packed::open_seekable(input, scratch, position)?;
            garbage = opened.garbage;
            let open = || FileReader::try_new(BufReader::new(opened.file), None).with_context(unusable);
            let reader = guarded(&path, open)?;
            if !opened.packed {
                share = input.size / (reader.num_batches() as u64).max(1);
            }
            Batches::File(Box::new(reader))
        } else {
            let opened = packed::open(input, position)?;
            garbage = opened.garbage;
            let stream: Box<dyn BufRead + Send> = Box::new(opened.reader);
            let open = || StreamReader::try_new(stream, None).with_context(unusable);
            Batches::Stream(Box::new(guarded(&path, open)?))
        };
        let schema = match &batches {
            Batches::File(reader) => Some(reader.schema()),
            Batches::Stream(reader) => Some(reader.schema()),
            Batches::None => None,
        };
        let column = schema.map(|schema| column::find(&schema, &options.column, &path)).transpose()?;
        let (rows, position) = (Rows::new(path, options.lossy), position.clone());
        Ok((Self { batches, rows, column, read: 0, share, position }, garbage))
    }

    /// Reads the next batch; false at the end.
    fn advance(&mut self) -> Result<bool> {
        self.rows.end_batch();
        let place = format!("record batch {} of {}", self.read, self.rows.path());
        let next = || {
            let batch = match &mut self.batches {
                Batches::File(reader) => reader.next(),
                Batches::Stream(reader) => reader.next(),
                Batches::None => None,
            };
            batch.transpose().with_context(|| format!("{place} is damaged"))
        };
        let Some(batch) = guarded(&place, next)? else { return Ok(false) };
        self.read += 1;
        self.position.add(self.share);
        let Some(column) = self.column else { return Ok(false) };
        self.rows.begin_batch(batch.column(column).clone());
        Ok(true)
    }
}

impl Records for Arrow {
    fn next(&mut self, tally: &mut Tally) -> Result<Option<String>> {
        loop {
            if let Some(text) = self.rows.next(tally)? {
                return Ok(Some(text));
            }
            if !self.advance()? {
                return Ok(None);
            }
        }
    }
}
