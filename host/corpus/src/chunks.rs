//! Documents in numbered chunks of bounded size, read ahead on a thread of its own.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

use anyhow::{Context, Result};
use ebt_data::text::{InputFile, Position, Tally};

use super::documents::{Body, Origin};

/// A document as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its place among all documents of all inputs.
    pub number: u64,
    /// Index of its file among the inputs.
    pub input: usize,
    /// Index of its source.
    pub source: usize,
    /// What it holds.
    pub body: Body,
}

/// The end of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEnd {
    /// Index of the file among the inputs.
    pub input: usize,
    /// Documents in it, those that were not wanted included.
    pub documents: u64,
    /// What else was in it.
    pub tally: Tally,
}

/// Some documents in order, and the ends of the files that were read meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Those documents that are wanted, by ascending number; there may be none.
    pub documents: Vec<Document>,
    /// Files that ended in or before this chunk, in order.
    pub ends: Vec<FileEnd>,
}

/// What is read.
#[derive(Clone, Debug)]
pub struct Reading<'a> {
    /// Files, in order.
    pub inputs: &'a [InputFile],
    /// What they are.
    pub origin: Origin<'a>,
    /// Folder for unnamed files.
    pub scratch: &'a Path,
    /// Counts the bytes read.
    pub position: Position,
    /// Bytes of memory after which a chunk ends.
    pub chunk: usize,
    /// Index of the first file to read, and the number of its first document.
    pub from: (usize, u64),
}

/// Chunks that wait to be used.
const AHEAD: usize = 1;
/// Memory of a document besides its body, roughly.
const OVERHEAD: usize = 64;

impl Reading<'_> {
    /// Gives all documents whose numbers are `wanted` to `each`, in order.
    ///
    /// # Errors
    ///
    /// Whatever stopped a reader, a thread that cannot be had, and what `each` returns.
    pub fn for_each(
        self,
        wanted: impl Fn(u64) -> bool + Send,
        mut each: impl FnMut(Chunk) -> Result<()>,
    ) -> Result<()> {
        let (sender, receiver) = sync_channel(AHEAD);
        std::thread::scope(|scope| {
            let read = move || {
                if let Err(error) = self.read(&wanted, &sender) {
                    // nobody listens any more when the other side has failed already
                    let _ = sender.send(Err(error));
                }
            };
            let reader = std::thread::Builder::new().spawn_scoped(scope, read);
            reader.context("cannot start the thread that reads ahead")?;
            // ends when the sender is gone; a return drops the receiver, which ends the reader
            receiver.into_iter().try_for_each(|chunk| each(chunk?))
        })
    }

    fn read(&self, wanted: &dyn Fn(u64) -> bool, to: &SyncSender<Result<Chunk>>) -> Result<()> {
        let (first, mut number) = self.from;
        let (mut chunk, mut size) = (Chunk::default(), 0);
        for (input, file) in self.inputs.iter().enumerate().skip(first) {
            file.check_unchanged()?;
            let begin = number;
            let mut documents = self.origin.open(input, file, self.scratch, &self.position)?;
            while let Some((source, body)) = documents.next_document()? {
                if wanted(number) {
                    size += body.size() + OVERHEAD;
                    chunk.documents.push(Document { number, input, source, body });
                }
                number += 1;
                if size >= self.chunk {
                    size = 0;
                    if to.send(Ok(std::mem::take(&mut chunk))).is_err() {
                        return Ok(());
                    }
                }
            }
            chunk.ends.push(FileEnd { input, documents: number - begin, tally: documents.tally() });
        }
        let _ = to.send(Ok(chunk));
        Ok(())
    }
}
