//! Documents of files of every format.

use std::io::BufRead as _;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};

use super::cut::Cutter;
use super::format::Format;
use super::input::InputFile;
use super::packed::{self, Garbage, Unpacked};
use super::record::{Position, ReadOptions, Records, Source, Tally};
use super::{json, plain, table, utf8};
use crate::program;

/// The documents of one file, in order.
pub struct DocumentReader {
    records: Box<dyn Records>,
    cutter: Cutter,
    tally: Tally,
    garbage: Garbage,
}

impl DocumentReader {
    /// Opens a file of a format that is read from start to end: all but Parquet and Arrow.
    ///
    /// # Errors
    ///
    /// An unreadable file, one that does not hold what its name says, one without the column asked for, one of the other
    /// formats.
    pub fn open(input: &InputFile, options: &ReadOptions, position: &Position) -> Result<Self> {
        let path = input.path.display().to_string();
        if matches!(input.format, Format::Parquet | Format::Arrow) {
            bail!(
                "{path} is {}, which is prepared before it is read: `{} data prepare`",
                input.format,
                program::name()
            );
        }
        let Unpacked { mut reader, garbage, .. } = packed::open(input, position)?;
        let head = reader.peek(utf8::HEAD).with_context(|| format!("cannot read {path}"))?;
        let mark = utf8::byte_order_mark(head, &path)?;
        reader.consume(mark);
        let source = Source { reader: Box::new(reader), path, offset: mark as u64 };
        let records: Box<dyn Records> = match input.format {
            Format::Jsonl => Box::new(json::JsonLines::new(source, options)),
            Format::Csv | Format::Tsv => Box::new(table::Table::new(source, input.format, options)?),
            _ => Box::new(plain::Plain::new(source, options)),
        };
        Ok(Self::of(records, options, garbage))
    }

    /// The documents that records hold. `garbage` tells whether something was passed over behind them.
    pub fn of(records: Box<dyn Records>, options: &ReadOptions, garbage: Garbage) -> Self {
        Self { records, cutter: Cutter::new(options.longest), tally: Tally::default(), garbage }
    }

    /// The next document, as it stands in the file.
    ///
    /// # Errors
    ///
    /// Damaged data; the message names the file and the place in it.
    pub fn next_document(&mut self) -> Result<Option<String>> {
        if let Some(piece) = self.cutter.rest(&mut self.tally) {
            return Ok(Some(piece));
        }
        Ok(self.records.next(&mut self.tally)?.map(|text| self.cutter.first(text, &mut self.tally)))
    }

    /// What happened besides documents so far.
    pub fn tally(&self) -> Tally {
        Tally { garbage: self.garbage.load(Ordering::Relaxed), ..self.tally }
    }
}

/// A document and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Index of its file.
    pub file: usize,
    /// Its text as it stands there; may be empty.
    pub text: String,
}

/// Opens a file.
type Open<'a> = Box<dyn FnMut(&InputFile) -> Result<DocumentReader> + Send + 'a>;

/// The documents of several files, one file open at a time. Ends after the first failure.
pub struct Documents<'a> {
    inputs: &'a [InputFile],
    open: Open<'a>,
    note: Box<dyn FnMut(&str) + Send + 'a>,
    current: Option<(usize, DocumentReader)>,
    ended: bool,
}

impl<'a> Documents<'a> {
    /// The documents of files, in this order, which `open` opens. `note` is told, in sentences, what was passed over.
    pub fn new(
        inputs: &'a [InputFile],
        open: impl FnMut(&InputFile) -> Result<DocumentReader> + Send + 'a,
        note: impl FnMut(&str) + Send + 'a,
    ) -> Self {
        Self { inputs, open: Box::new(open), note: Box::new(note), current: None, ended: false }
    }

    fn advance(&mut self) -> Result<Option<Document>> {
        loop {
            if let Some((file, reader)) = &mut self.current {
                if let Some(text) = reader.next_document()? {
                    return Ok(Some(Document { file: *file, text }));
                }
                if let Some(note) = self.inputs.get(*file).and_then(|input| reader.tally().note(&input.path)) {
                    (self.note)(&note);
                }
            }
            let next = self.current.take().map_or(0, |(file, _)| file + 1);
            let Some(input) = self.inputs.get(next) else {
                self.ended = true;
                return Ok(None);
            };
            self.current = Some((next, (self.open)(input)?));
        }
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<Document>;

    fn next(&mut self) -> Option<Result<Document>> {
        if self.ended {
            return None;
        }
        let next = self.advance();
        self.ended |= next.is_err();
        next.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Formats;
    use std::fs;
    use std::path::Path;

    fn reader(path: &Path) -> Result<DocumentReader> {
        let input = InputFile::new(path, Formats::ByNameOrText)?;
        DocumentReader::open(&input, &ReadOptions::default(), &Position::default())
    }

    #[test]
    fn documents_come_in_order_until_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("1"), "\n  \nbir\niki\r\n\r\n \t\nüç\n").unwrap();
        fs::write(path("2"), "").unwrap();
        fs::write(path("3.jsonl"), "{\"text\": \"dört\"}\n").unwrap();
        fs::write(path("4"), b"be\xff").unwrap();
        let inputs =
            ["1", "2", "3.jsonl", "4", "1"].map(|name| InputFile::new(&path(name), Formats::ByNameOrText).unwrap());
        let (options, position) = (ReadOptions::default(), Position::default());
        let mut documents = Documents::new(&inputs, |input| DocumentReader::open(input, &options, &position), |_| {});
        let first: Vec<_> = documents.by_ref().take(3).map(|d| d.map(|d| (d.file, d.text)).unwrap()).collect();
        assert_eq!(first, [(0, "bir\niki".into()), (0, "üç".into()), (2, String::from("dört"))]);
        let message = documents.next().unwrap().unwrap_err().to_string();
        assert!(message.contains("line 1 of") && message.contains("4 is not UTF-8 text: byte 2"), "{message}");
        assert!(documents.next().is_none());
    }

    #[test]
    fn other_encodings_are_named_whatever_the_format() {
        let folder = tempfile::tempdir().unwrap();
        let utf16 = |text: &str, mark: bool, big: bool| -> Vec<u8> {
            let mark = mark.then_some(0xfeff);
            let units = mark.into_iter().chain(text.encode_utf16());
            units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        for (name, text) in [
            ("a.txt", "Bir varmış, bir yokmuş."),
            ("a.jsonl", "{\"text\": \"şu\"}\n"),
            ("a.csv", "id;text\r\n1;ığ\r\n"),
            ("a.tsv", "text\nşişli\n"),
        ] {
            for (mark, big) in [(true, false), (true, true), (false, false), (false, true)] {
                let path = folder.path().join(name);
                fs::write(&path, utf16(text, mark, big)).unwrap();
                let message = reader(&path).err().map(|error| error.to_string()).unwrap_or_default();
                assert!(message.contains(name) && message.contains("UTF-16"), "{message}");
            }
        }
    }

    #[test]
    fn a_mark_at_the_start_is_no_text_and_counts_in_places() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "\u{feff}bir").unwrap();
        assert_eq!(reader(&path).unwrap().next_document().unwrap().as_deref(), Some("bir"));
        fs::write(&path, b"\xef\xbb\xbfbir\xff").unwrap();
        let message = reader(&path).unwrap().next_document().unwrap_err().to_string();
        assert!(message.contains("byte 6"), "{message}");
    }
}
