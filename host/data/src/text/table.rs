//! Tables of text, with the names of columns in the first line. CSV has commas (or semicolons or tabs) between values and
//! quotes values with `"` where needed; TSV has tabs and no quoting: a quotation mark is a letter like any other.

use std::io::{self, BufRead, Read};

use anyhow::{Context, Result, bail};
use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::format::Format;
use super::lines::{End, read_part};
use super::record::{LONGEST_RECORD, ReadOptions, Records, Source, Tally, no_such_column, same_name};
use super::utf8;
use crate::program;

/// Records of a table. All rows have the same number of values; blank lines are passed over.
pub struct Table {
    reader: Reader<Guard>,
    quoting: bool,
    /// Line of the last row, if it went over several.
    several: Option<u64>,
    path: String,
    offset: u64,
    lossy: bool,
    /// Index of the column; `None` in an empty file.
    column: Option<usize>,
    row: ByteRecord,
}

/// Delimiters that the first line of CSV may speak for; the first is meant where it speaks for none.
const DELIMITERS: &[u8] = b",;\t";

impl Table {
    /// The table of a file of CSV or TSV.
    pub fn new(mut source: Source, format: Format, options: &ReadOptions) -> Result<Self> {
        let Source { path, offset, .. } = source;
        let mut head = Vec::new();
        let (told, names) = loop {
            let begin = head.len();
            let end = read_part(source.reader.as_mut(), &mut head, LONGEST_RECORD);
            if end.with_context(|| format!("cannot read {path}"))? != End::Line {
                break (None, begin..head.len());
            }
            if head[begin..].trim_ascii().is_empty() {
                continue;
            }
            // the line by which spreadsheets say their delimiter becomes a blank one of the same length
            if let Some(delimiter) = named_delimiter(&head[begin..]) {
                head[begin..].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'\r');
                let begin = head.len();
                let end = read_part(source.reader.as_mut(), &mut head, LONGEST_RECORD);
                end.with_context(|| format!("cannot read {path}"))?;
                break (Some(delimiter), begin..head.len());
            }
            break (None, begin..head.len());
        };
        let quoting = options.quoting.unwrap_or(format == Format::Csv);
        let usual = if format == Format::Csv { DELIMITERS } else { b"\t" };
        let speaks = |delimiter: &&u8| {
            let names = names_in(&head[names.clone()], **delimiter, quoting);
            names.is_ok_and(|names| position(&names, &options.column).is_some())
        };
        let likely = || usual.iter().find(speaks).or(usual.first()).copied();
        let delimiter = options.delimiter.or(told).or_else(likely).unwrap_or(b',');
        let guard = Guard { inner: io::Cursor::new(head).chain(source.reader), used: 0, quotes: 0 };
        let reader = ReaderBuilder::new().delimiter(delimiter).quoting(quoting).from_reader(guard);
        let (lossy, row) = (options.lossy, ByteRecord::new());
        let mut table = Self { reader, quoting, several: None, path, offset, lossy, column: None, row };
        let names = match table.reader.byte_headers() {
            Ok(names) => texts(names),
            Err(error) => return Err(table.failure(error)),
        };
        if !names.is_empty() {
            table.column = position(&names, &options.column);
            if table.column.is_none() {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let error = no_such_column(&table.path, "column", &options.column, &names);
                let quoted = |name: &&str| same_name(name.trim().trim_matches('"'), &options.column);
                let hint = match names[..] {
                    [name] if name.contains([',', ';', '\t', '|', ':']) => {
                        "; if this is several names, --delimiter says what stands between them"
                    }
                    _ if !quoting && names.iter().any(quoted) => "; --quoting on reads names between quotation marks",
                    _ => "",
                };
                bail!("{error}{hint}");
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
                let hint = match self.quoting || self.reader.get_ref().quotes == 0 {
                    true => String::new(),
                    false => format!(
                        " (`{} data prepare --quoting on` reads values between quotation marks)",
                        program::name()
                    ),
                };
                let columns = if expected_len == 1 { "column" } else { "columns" };
                anyhow::anyhow!(
                    "line {line} of {path} has {len} {values}, but the table has {expected_len} {columns}{hint}"
                )
            }
            ErrorKind::Io(error) => anyhow::Error::new(error).context(format!("cannot read {path} after line {line}")),
            kind => anyhow::anyhow!("cannot read {path} after line {line}: {kind:?}"),
        }
    }
}

/// The delimiter of a line `sep=;`.
fn named_delimiter(line: &[u8]) -> Option<u8> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let inner = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match inner {
        [s, e, p, b'=', delimiter] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") => Some(*delimiter),
        _ => None,
    }
}

fn names_in(line: &[u8], delimiter: u8, quoting: bool) -> Result<Vec<String>, csv::Error> {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).quoting(quoting).from_reader(line);
    Ok(texts(reader.byte_headers()?))
}

fn texts(names: &ByteRecord) -> Vec<String> {
    names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

fn position(names: &[String], column: &str) -> Option<usize> {
    let same = |name: &String| same_name(name, column);
    names.iter().position(same).or_else(|| names.iter().position(|name| same_name(name.trim(), column)))
}

impl Records for Table {
    fn next(&mut self, tally: &mut Tally) -> Result<Option<String>> {
        let Some(column) = self.column else { return Ok(None) };
        self.reader.get_mut().used = 0;
        match self.reader.read_byte_record(&mut self.row) {
            Ok(false) => {
                // the reader takes the end of the file for the end of an open quotation
                return match self.several {
                    Some(line) if self.quoting && !self.reader.get_ref().quotes.is_multiple_of(2) => bail!(
                        "the row at line {line} of {} is never ended: a quotation mark is missing (`{} data prepare \
                         --quoting off` takes quotation marks for letters)",
                        self.path,
                        program::name()
                    ),
                    _ => Ok(None),
                };
            }
            Ok(true) => {}
            Err(error) => return Err(self.failure(error)),
        }
        let (line, byte) = self.row.position().map_or((0, 0), |p| (p.line(), self.offset + p.byte()));
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
    inner: io::Chain<io::Cursor<Vec<u8>>, Box<dyn BufRead + Send>>,
    used: usize,
    /// Quotation marks read so far.
    quotes: usize,
}

impl Read for Guard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.used += n;
        self.quotes += buffer.iter().take(n).filter(|&&byte| byte == b'"').count();
        if self.used > LONGEST_RECORD {
            let message = format!("a row is longer than {} MiB: is a quotation mark missing?", LONGEST_RECORD >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &str, format: Format, options: &ReadOptions) -> Result<Vec<String>> {
        let reader = Box::new(io::Cursor::new(bytes.as_bytes().to_vec()));
        let mut table = Table::new(Source { reader, path: "a.csv".into(), offset: 0 }, format, options)?;
        let mut tally = Tally::default();
        std::iter::from_fn(|| table.next(&mut tally).transpose()).collect()
    }

    #[test]
    fn what_spreadsheets_of_several_countries_write_is_read() {
        let options = ReadOptions::default();
        for bytes in [
            "id,text\n1,\"3,5; bir\"\n",
            "id;text;oran\r\n1;\"3,5; bir\";2,5\r\n",
            "sep=;\r\nid;text\r\n1;\"3,5; bir\"\r\n",
            "\"SEP=|\"\nid|text\n1|3,5; bir\n",
            "\n\nid\ttext\n1\t3,5; bir\n",
            "id, text\n1,\"3,5; bir\"\n",
        ] {
            assert_eq!(rows(bytes, Format::Csv, &options).unwrap(), ["3,5; bir"], "{bytes}");
        }
        let given = ReadOptions { delimiter: Some(b'|'), quoting: Some(false), ..options.clone() };
        assert_eq!(rows("text|id\n\"bir|1\n", Format::Csv, &given).unwrap(), ["\"bir"]);
        let message = rows("id|text\n1|bir\n", Format::Csv, &options).unwrap_err().to_string();
        assert!(message.contains("id|text") && message.contains("--delimiter"), "{message}");
        // a place is that of the file, whatever line comes first
        let message = rows("sep=;\nid;text\n1;bir\n2;iki;3\n", Format::Csv, &options).unwrap_err().to_string();
        assert!(message.contains("line 4 of a.csv has 3 values"), "{message}");
    }

    #[test]
    fn tabs_need_no_quotation_marks() {
        let table = "id\ttext\n1\t\"Merhaba\" dedi\n2\t\"Gel\n3\tgit\" dedi\n4\tson\n";
        let options = ReadOptions::default();
        let expected = ["\"Merhaba\" dedi", "\"Gel", "git\" dedi", "son"];
        assert_eq!(rows(table, Format::Tsv, &options).unwrap(), expected);
        let quoted = ReadOptions { quoting: Some(true), ..options.clone() };
        let table = "text\n\"bir\tiki\n\"\"üç\"\"\"\n";
        assert_eq!(rows(table, Format::Tsv, &quoted).unwrap(), ["bir\tiki\n\"üç\""]);
        for head in ["id\ttext", "\"text\""] {
            let message = rows(&table.replace("text", head), Format::Tsv, &options).unwrap_err().to_string();
            assert!(message.contains("--quoting on"), "{message}");
        }
    }

    #[test]
    fn names_of_columns_are_the_same_composed_or_not() {
        let options = ReadOptions { column: "görüş".into(), ..ReadOptions::default() };
        for name in ["görüş", "go\u{308}ru\u{308}s\u{327}"] {
            assert_eq!(rows(&format!("id,{name}\n1,bir\n"), Format::Csv, &options).unwrap(), ["bir"]);
        }
    }
}
