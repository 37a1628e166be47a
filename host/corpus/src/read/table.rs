//! Tables of text: values between commas or tabs, quoted with `"` where needed, names of columns in the first line.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use anyhow::{Result, bail};
use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::record::{LONGEST_RECORD, Position, ReadOptions, Records, Tally, no_such_column};
use super::{packed, utf8};
use crate::inputs::Input;

/// Records of a table. All rows have the same number of values; blank lines are passed over.
pub struct Table {
    reader: Reader<Guard>,
    used: Rc<Cell<usize>>,
    quotes: Rc<Cell<usize>>,
    /// Line of the last row, if it went over several.
    several: Option<u64>,
    path: String,
    lossy: bool,
    /// Index of the column; `None` in an empty file.
    column: Option<usize>,
    row: ByteRecord,
}

impl Table {
    pub fn open(input: &Input, delimiter: u8, options: &ReadOptions, position: &Position) -> Result<Self> {
        let used = Rc::new(Cell::new(0));
        let quotes = Rc::new(Cell::new(0));
        let guard = Guard { inner: packed::open(input, position)?, used: used.clone(), quotes: quotes.clone() };
        let reader = ReaderBuilder::new().delimiter(delimiter).from_reader(guard);
        let path = input.path.display().to_string();
        let mut table = Self {
            reader,
            used,
            quotes,
            several: None,
            path,
            lossy: options.lossy,
            column: None,
            row: ByteRecord::new(),
        };
        let names = match table.reader.byte_headers() {
            Ok(names) => names.clone(),
            Err(error) => return Err(table.failure(error)),
        };
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
            table.column = names.iter().position(|name| *name == options.column);
            if table.column.is_none() {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                return Err(no_such_column(&table.path, "column", &options.column, &names));
            }
        }
        Ok(table)
    }

    fn failure(&self, error: csv::Error) -> anyhow::Error {
        let path = &self.path;
        let line = self.reader.position().line();
        match error.into_kind() {
            ErrorKind::UnequalLengths { pos, expected_len, len } => {
                let line = pos.map_or(line, |pos| pos.line());
                let values = if len == 1 { "value" } else { "values" };
                anyhow::anyhow!("line {line} of {path} has {len} {values}, but the table has {expected_len} columns")
            }
            ErrorKind::Io(error) => anyhow::Error::new(error).context(format!("cannot read {path} after line {line}")),
            kind => anyhow::anyhow!("cannot read {path} after line {line}: {kind:?}"),
        }
    }
}

impl Records for Table {
    fn next(&mut self, tally: &mut Tally) -> Result<Option<String>> {
        let Some(column) = self.column else { return Ok(None) };
        self.used.set(0);
        match self.reader.read_byte_record(&mut self.row) {
            Ok(false) => {
                // the reader takes the end of the file for the end of an open quotation
                return match self.several {
                    Some(line) if !self.quotes.get().is_multiple_of(2) => {
                        bail!("the row at line {line} of {} is never ended: a quotation mark is missing", self.path)
                    }
                    _ => Ok(None),
                };
            }
            Ok(true) => {}
            Err(error) => return Err(self.failure(error)),
        }
        let (line, byte) = self.row.position().map_or((0, 0), |p| (p.line(), p.byte()));
        self.several = self.row.as_slice().contains(&b'\n').then_some(line);
        let Some(value) = self.row.get(column) else {
            bail!("line {line} of {} has no column {}", self.path, column + 1);
        };
        let place =
            format_args!("the row at line {line} (byte {byte}) of {}, in column {}: this", self.path, column + 1);
        Ok(Some(utf8::text(value, 0, &place, self.lossy, &mut tally.replaced)?.into_owned()))
    }
}

/// Fails when one row takes more than [`LONGEST_RECORD`] bytes.
struct Guard {
    inner: Box<dyn BufRead>,
    used: Rc<Cell<usize>>,
    /// Quotation marks read so far.
    quotes: Rc<Cell<usize>>,
}

impl Read for Guard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.used.set(self.used.get() + n);
        let marks = buffer.iter().take(n).filter(|&&byte| byte == b'"').count();
        self.quotes.set(self.quotes.get() + marks);
        if self.used.get() > LONGEST_RECORD {
            let message = format!("a row is longer than {} MiB: is a quotation mark missing?", LONGEST_RECORD >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(n)
    }
}
