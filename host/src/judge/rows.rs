//! Files of rows with named fields: JSON lines, tables, and Parquet.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail};
use ebt_data::text::Format;
use ebt_data::text::format::{Compression, Name};
use serde_json::{Map, Value};

/// A row, and where it stands, for messages.
#[derive(Clone, Debug)]
pub struct Row {
    /// `line 3 of FILE`.
    pub place: String,
    fields: Map<String, Value>,
}

impl Row {
    /// A field that is there and not null.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    ///
    /// # Errors
    ///
    /// A row without it; the message names the fields that there are.
    pub fn text(&self, name: &str) -> Result<String> {
        match self.field(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => bail!("{}: `{name}` is no text", self.place),
            None => {
                let there: Vec<&str> = self.fields.keys().map(String::as_str).collect();
                bail!("{}: no `{name}`; there is {}", self.place, there.join(", "))
            }
        }
    }

    /// A whole number from 0 on, which may be written as text.
    ///
    /// # Errors
    ///
    /// A row without it.
    pub fn index(&self, name: &str) -> Result<usize> {
        let number = match self.field(name) {
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(value) => value.as_u64().and_then(|number| usize::try_from(number).ok()),
            None => None,
        };
        number.with_context(|| format!("{}: `{name}` is no number from 0 on", self.place))
    }
}

/// The rows of a file, by the format that its name says.
///
/// # Errors
///
/// A file that cannot be read or is of another format; the message names the place.
pub fn rows(path: &Path) -> Result<Vec<Row>> {
    let name = Name::of(path);
    let place = path.display().to_string();
    if name.compression != Compression::None {
        bail!("{place} is packed: unpack it first");
    }
    let open = || File::open(path).with_context(|| format!("cannot read {place}"));
    match name.format {
        Some(Format::Jsonl) => json_lines(BufReader::new(open()?), &place),
        Some(Format::Csv) => table(open()?, &place, b','),
        Some(Format::Tsv) => table(open()?, &place, b'\t'),
        Some(Format::Parquet) => parquet(open()?, &place),
        _ => bail!("{place}: rows are read from .jsonl, .csv, .tsv and .parquet"),
    }
}

fn json_lines(from: impl BufRead, place: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(from.lines()) {
        let place = format!("line {number} of {place}");
        let line = line.with_context(|| format!("cannot read {place}"))?;
        let line = line.trim_start_matches('\u{feff}');
        if !line.trim().is_empty() {
            let fields = serde_json::from_str(line).with_context(|| format!("{place} is not one JSON object"))?;
            rows.push(Row { place, fields });
        }
    }
    Ok(rows)
}

fn table(from: File, place: &str, delimiter: u8) -> Result<Vec<Row>> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).quoting(delimiter == b',').from_reader(from);
    let names = reader.headers().with_context(|| format!("cannot read {place}"))?.clone();
    let mut rows = Vec::new();
    for (number, record) in (1..).zip(reader.records()) {
        let place = format!("row {number} of {place}");
        let record = record.with_context(|| format!("cannot read {place}"))?;
        let field = |(name, value): (&str, &str)| (name.trim_start_matches('\u{feff}').to_owned(), Value::from(value));
        rows.push(Row { place, fields: names.iter().zip(&record).map(field).collect() });
    }
    Ok(rows)
}

#[cfg(feature = "parquet")]
fn parquet(from: File, place: &str) -> Result<Vec<Row>> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    let unusable = || format!("{place} is not a usable Parquet file");
    ebt_corpus::read::guarded(place, || {
        let reader = SerializedFileReader::new(from).with_context(unusable)?;
        let mut rows = Vec::new();
        for (number, row) in (1..).zip(reader.get_row_iter(None).with_context(unusable)?) {
            let row = row.with_context(unusable)?;
            let value = |field: &Field| match field {
                Field::Str(text) => Value::from(text.as_str()),
                Field::Byte(number) => Value::from(*number),
                Field::Short(number) => Value::from(*number),
                Field::Int(number) => Value::from(*number),
                Field::Long(number) => Value::from(*number),
                Field::UByte(number) => Value::from(*number),
                Field::UShort(number) => Value::from(*number),
                Field::UInt(number) => Value::from(*number),
                Field::ULong(number) => Value::from(*number),
                Field::Bool(truth) => Value::from(*truth),
                _ => Value::Null,
            };
            let fields = row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect();
            rows.push(Row { place: format!("row {number} of {place}"), fields });
        }
        Ok(rows)
    })
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: File, place: &str) -> Result<Vec<Row>> {
    Err(ebt_data::program::lacks(&format!("{place}: reading Parquet"), "parquet"))
}
