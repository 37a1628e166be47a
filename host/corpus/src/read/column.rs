//! Columns of text in Arrow's memory layout.

use anyhow::{Result, bail};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Schema};
use ebt_data::text::Tally;
use ebt_data::text::record::{no_such_column, same_name};
use ebt_data::text::utf8;

/// The rows of one column of text, a batch after the other.
pub struct Rows {
    path: String,
    lossy: bool,
    /// The batch at hand.
    values: Option<ArrayRef>,
    row: usize,
    /// Rows of the batches before.
    before: u64,
}

impl Rows {
    /// No batch yet. `path` names the file in messages.
    pub fn new(path: String, lossy: bool) -> Self {
        Self { path, lossy, values: None, row: 0, before: 0 }
    }

    /// The file, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Lets go of the batch at hand; rows of all batches so far.
    pub fn end_batch(&mut self) -> u64 {
        self.before += self.values.take().map_or(0, |values| values.len() as u64);
        self.row = 0;
        self.before
    }

    /// Begins a batch with the values of its column.
    pub fn begin_batch(&mut self, values: ArrayRef) {
        self.values = Some(values);
    }

    /// The next text of the batch at hand; `None` at its end. Null rows are passed over and counted.
    ///
    /// # Errors
    ///
    /// Invalid UTF-8 in a column of binary data; the message names the row.
    pub fn next(&mut self, tally: &mut Tally) -> Result<Option<String>> {
        let Some(values) = &self.values else { return Ok(None) };
        while self.row < values.len() {
            let row = self.row;
            self.row += 1;
            match value(values, row) {
                None => tally.nulls += 1,
                Some(bytes) => {
                    let place = format_args!("row {} of {}", self.before + row as u64, self.path);
                    return Ok(Some(utf8::text(bytes, 0, &place, self.lossy, &mut tally.replaced)?.into_owned()));
                }
            }
        }
        Ok(None)
    }
}

/// Index of a column of text.
///
/// # Errors
///
/// No column of that name, with the names there are; a column that is not text.
pub fn find(schema: &Schema, name: &str, path: &str) -> Result<usize> {
    let fields = schema.fields().iter().enumerate();
    let Some((index, field)) = fields.into_iter().find(|(_, field)| same_name(field.name(), name)) else {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        return Err(no_such_column(path, "column", name, &names));
    };
    if !is_text(field.data_type()) {
        bail!("the column `{name}` of {path} holds {}, not text; choose another with --column", field.data_type());
    }
    Ok(index)
}

/// Whether a column can hold text; one of type null holds none in any row.
fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null => true,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The bytes of row `i` of a column of text; `None` where it is null. UTF-8 unless the column holds binary data.
fn value(column: &ArrayRef, i: usize) -> Option<&[u8]> {
    if column.is_null(i) {
        return None;
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string_opt::<i32>().map(|a| a.value(i).as_bytes()),
        DataType::LargeUtf8 => column.as_string_opt::<i64>().map(|a| a.value(i).as_bytes()),
        DataType::Utf8View => column.as_string_view_opt().map(|a| a.value(i).as_bytes()),
        DataType::Binary => column.as_binary_opt::<i32>().map(|a| a.value(i)),
        DataType::LargeBinary => column.as_binary_opt::<i64>().map(|a| a.value(i)),
        DataType::BinaryView => column.as_binary_view_opt().map(|a| a.value(i)),
        DataType::Dictionary(keys, _) => match **keys {
            DataType::Int8 => entry::<Int8Type>(column, i),
            DataType::Int16 => entry::<Int16Type>(column, i),
            DataType::Int32 => entry::<Int32Type>(column, i),
            DataType::Int64 => entry::<Int64Type>(column, i),
            DataType::UInt8 => entry::<UInt8Type>(column, i),
            DataType::UInt16 => entry::<UInt16Type>(column, i),
            DataType::UInt32 => entry::<UInt32Type>(column, i),
            DataType::UInt64 => entry::<UInt64Type>(column, i),
            _ => None,
        },
        _ => None,
    }
}

fn entry<K: ArrowDictionaryKeyType>(column: &ArrayRef, i: usize) -> Option<&[u8]> {
    let dictionary = column.as_dictionary_opt::<K>()?;
    value(dictionary.values(), dictionary.key(i)?)
}
