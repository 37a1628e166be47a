//! Parquet: one column, a row group after the other.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow_schema::{DataType, Field, Schema};
use ebt_data::text::packed::{self, Garbage, Seekable};
use ebt_data::text::{InputFile, Position, ReadOptions, Records, Tally};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::column::{self, Rows};
use super::guard::guarded;

/// Bytes of text that a batch of average rows holds, and most rows of one.
const BATCH_BYTES: i64 = 4 << 20;
const BATCH_ROWS: i64 = 1024;

/// The names of the columns of the Parquet file at `path` and the number of its rows.
///
/// # Errors
///
/// A file that is no Parquet.
pub fn columns_and_rows(path: &str, file: File) -> Result<(Vec<String>, u64)> {
    let reader = guarded(path, || Ok(SerializedFileReader::new(file)?))?;
    let metadata = reader.metadata().file_metadata();
    let columns = metadata.schema_descr().columns().iter().map(|column| column.name().to_owned()).collect();
    Ok((columns, u64::try_from(metadata.num_rows())?))
}

/// Records of a Parquet file. Holds the pages that a batch of rows lies in.
pub struct Parquet {
    file: File,
    metadata: ArrowReaderMetadata,
    rows: Rows,
    /// Index of the column.
    column: usize,
    /// Row groups begun.
    groups: usize,
    reader: Option<ParquetRecordBatchReader>,
    /// Bytes of the file that a row stands for in a display of progress, where reading does not report it.
    share: f64,
    told: u64,
    position: Position,
}

impl Parquet {
    /// Opens a file, and tells what is behind its packed bytes.
    pub fn open(
        input: &InputFile,
        options: &ReadOptions,
        scratch: &Path,
        position: &Position,
    ) -> Result<(Self, Garbage)> {
        let path = input.path.display().to_string();
        let unusable = || format!("{path} is not a usable Parquet file");
        let Seekable { file, packed, garbage } = packed::open_seekable(input, scratch, position)?;
        let load = || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).with_context(unusable);
        let metadata = guarded(&path, load)?;
        let column = column::find(metadata.schema(), &options.column, &path)?;
        // views share the pages they lie in: a text that a dictionary repeats is held once
        let mut fields: Vec<Arc<Field>> = metadata.schema().fields().iter().cloned().collect();
        if matches!(text_type(fields[column].data_type()), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
            fields[column] = Arc::new(fields[column].as_ref().clone().with_data_type(DataType::Utf8View));
        }
        let schema = Schema::new_with_metadata(fields, metadata.schema().metadata().clone());
        let with_views = ArrowReaderOptions::new().with_schema(Arc::new(schema));
        let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), with_views).with_context(unusable)?;
        let rows = metadata.metadata().file_metadata().num_rows();
        let size = if packed { 0.0 } else { input.size as f64 };
        let parquet = Self {
            file,
            metadata,
            rows: Rows::new(path, options.lossy),
            column,
            groups: 0,
            reader: None,
            share: size / rows.max(1) as f64,
            told: 0,
            position: position.clone(),
        };
        Ok((parquet, garbage))
    }

    /// Begins the next row group; false at the end.
    fn next_group(&mut self) -> Result<bool> {
        let Some(group) = self.metadata.metadata().row_groups().get(self.groups) else { return Ok(false) };
        let damaged = || format!("row group {} of {} is damaged", self.groups, self.rows.path());
        let descriptor = self.metadata.parquet_schema();
        let bytes: i64 = (0..group.num_columns())
            .filter(|&leaf| descriptor.get_column_root_idx(leaf) == self.column)
            .map(|leaf| group.column(leaf).uncompressed_size().max(0))
            .sum();
        let average = bytes / group.num_rows().max(1) + 1;
        let rows = (BATCH_BYTES / average).clamp(1, BATCH_ROWS) as usize;
        let file = self.file.try_clone().with_context(damaged)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(ProjectionMask::roots(descriptor, [self.column]))
            .with_row_groups(vec![self.groups])
            .with_batch_size(rows);
        let place = format!("row group {} of {}", self.groups, self.rows.path());
        self.reader = Some(guarded(&place, || builder.build().with_context(damaged))?);
        self.groups += 1;
        Ok(true)
    }

    /// Reads the next batch; false at the end.
    fn advance(&mut self) -> Result<bool> {
        let done = (self.rows.end_batch() as f64 * self.share) as u64;
        self.position.add(done - self.told);
        self.told = done;
        loop {
            let place = format!("row group {} of {}", self.groups.saturating_sub(1), self.rows.path());
            let next = || {
                let batch = self.reader.as_mut().and_then(Iterator::next).transpose();
                batch.with_context(|| format!("{place} is damaged"))
            };
            match guarded(&place, next)? {
                Some(batch) => {
                    self.rows.begin_batch(batch.column(0).clone());
                    return Ok(true);
                }
                None if self.next_group()? => {}
                None => return Ok(false),
            }
        }
    }
}

/// The type of a column's values.
fn text_type(column: &DataType) -> &DataType {
    match column {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

impl Records for Parquet {
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
