//! Columns of text in Arrow's memory layout.

use anyhow::{Result, bail};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Schema};

use super::no_such_column;

/// Index of a column of text.
///
/// # Errors
///
/// No column of that name, with the names there are; a column that is not text.
pub fn find(schema: &Schema, name: &str, path: &str) -> Result<usize> {
    let Some((index, field)) = schema.column_with_name(name) else {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        return Err(no_such_column(path, "column", name, &names));
    };
    if !is_text(field.data_type()) {
        bail!("the column `{name}` of {path} holds {}, not text; choose another with --column", field.data_type());
    }
    Ok(index)
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The bytes of row `i` of a column of text; `None` where it is null. UTF-8 unless the column holds binary data.
pub fn value(column: &ArrayRef, i: usize) -> Option<&[u8]> {
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
