//! Files of the same documents in every format.

use super::*;

pub const FORMATS: [&str; 9] = [
    "txt",
    "jsonl",
    "csv",
    "tsv",
    "parquet",
    "parquet of dictionaries",
    "arrow stream",
    "arrow file",
    "arrow of views",
];

/// Writes documents; `None` is a row without a value, where the format has such.
pub fn documents(folder: &Path, format: &str, packing: &str, documents: &[Option<String>]) -> PathBuf {
    let bytes = match format {
        "txt" => documents.iter().flatten().flat_map(|d| [d.as_str(), "\n\n"]).collect::<String>().into_bytes(),
        "jsonl" => jsonl(documents),
        "csv" => table(documents, b','),
        "tsv" => table(documents, b'\t'),
        "parquet" => parquet(&batches::<i64>(documents), 0),
        "parquet of dictionaries" => parquet(&batches::<Dictionary>(documents), 3),
        "arrow stream" => stream(&batches::<Dictionary>(documents)),
        "arrow file" => file(&batches::<i32>(documents)),
        _ => stream(&batches::<Views>(documents)),
    };
    let extension = format.split(' ').next().unwrap();
    let path = folder.join(format!("veri.{extension}{packing}"));
    let bytes = match packing {
        ".gz" => gzip(&bytes),
        ".zst" => zstd::encode_all(&bytes[..], 1).unwrap(),
        _ => bytes,
    };
    fs::write(&path, bytes).unwrap();
    path
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn jsonl(documents: &[Option<String>]) -> Vec<u8> {
    let line = |(i, d): (usize, &Option<String>)| json!({ "id": i, "text": d, "more": {"text": [1]} }).to_string();
    documents.iter().enumerate().map(|x| line(x) + "\n").collect::<String>().into_bytes()
}

fn table(documents: &[Option<String>], delimiter: u8) -> Vec<u8> {
    let mut out = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    out.write_record(["id", "text"]).unwrap();
    for (i, document) in documents.iter().flatten().enumerate() {
        out.write_record([&i.to_string(), document]).unwrap();
    }
    out.into_inner().unwrap()
}

pub struct Dictionary;
pub struct Views;

pub trait Strings {
    fn array(documents: &[Option<String>]) -> ArrayRef;
}
impl Strings for i32 {
    fn array(documents: &[Option<String>]) -> ArrayRef {
        Arc::new(StringArray::from_iter(documents))
    }
}
impl Strings for i64 {
    fn array(documents: &[Option<String>]) -> ArrayRef {
        Arc::new(LargeStringArray::from_iter(documents))
    }
}
impl Strings for Dictionary {
    fn array(documents: &[Option<String>]) -> ArrayRef {
        Arc::new(documents.iter().map(|d| d.as_deref()).collect::<DictionaryArray<Int32Type>>())
    }
}
impl Strings for Views {
    fn array(documents: &[Option<String>]) -> ArrayRef {
        Arc::new(StringViewArray::from_iter(documents))
    }
}

/// Two record batches.
pub fn batches<S: Strings>(documents: &[Option<String>]) -> [RecordBatch; 2] {
    let (a, b) = documents.split_at(documents.len() / 2);
    [a, b].map(|some| {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..some.len() as i64));
        RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("text", S::array(some), true)]).unwrap()
    })
}

/// A row group a batch; `level` 0 is without compression.
pub fn parquet(batches: &[RecordBatch], level: i32) -> Vec<u8> {
    use ::parquet::basic::{Compression, ZstdLevel};
    let compression = match level {
        0 => Compression::UNCOMPRESSED,
        level => Compression::ZSTD(ZstdLevel::try_new(level).unwrap()),
    };
    let properties = ::parquet::file::properties::WriterProperties::builder().set_compression(compression).build();
    let mut out = Vec::new();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(&mut out, batches[0].schema(), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
    out
}

pub fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn file(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}
