//! Parquet and Arrow: the same documents, and damage.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Int64Array, LargeStringArray, NullArray, RecordBatch, StringArray, StringViewArray,
};

use super::*;

/// A file of these documents.
pub fn file(format: &str, documents: &[Option<String>]) -> Vec<u8> {
    match format {
        "parquet" => parquet(&batches::<i64>(documents), 0),
        "parquet of dictionaries" => parquet(&batches::<Dictionary>(documents), 3),
        "arrow stream" => stream(&batches::<Dictionary>(documents)),
        "arrow file" => ipc_file(&batches::<i32>(documents)),
        _ => stream(&batches::<Views>(documents)),
    }
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

fn ipc_file(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

#[test]
fn damaged_columns_are_named() {
    let p = Place::new();
    let rows: Vec<_> = corpus(400, 200).into_iter().map(Some).collect();
    let batches = batches::<i32>(&rows);
    let good = parquet(&batches, 3);
    for (from, group) in [(good.len() / 4, 0), (good.len() * 3 / 4, 1)] {
        let mut bad = good.clone();
        bad[from..from + 64].iter_mut().for_each(|byte| *byte ^= 0xA5);
        let m = p.fails("kötü.parquet", &bad, &[]);
        assert_has(&m, &["kötü.parquet", &format!("row group {group}")]);
    }
    assert_has(&p.fails("kötü.parquet", &good[..good.len() - 9], &[]), &["kötü.parquet", "not a usable Parquet file"]);
    let m = p.fails("kötü.parquet", &good, &["--column", "body"]);
    assert_has(&m, &["kötü.parquet", "`body`", "id, text"]);
    assert_has(&p.fails("kötü.parquet", &good, &["--column", "id"]), &["kötü.parquet", "`id`", "Int64"]);
    let stream = stream(&batches);
    assert_has(&p.fails("kötü.arrow", &stream[..stream.len() / 2], &[]), &["kötü.arrow", "record batch 0"]);
    assert_has(&p.fails("kötü.arrow", &stream, &["--column", "x"]), &["kötü.arrow", "`x`", "id, text"]);
    assert_has(&p.fails("kötü.feather", "FEA1....", &[]), &["kötü.feather", "version 1"]);
}

#[test]
fn a_file_with_any_byte_changed_never_ends_in_a_panic() {
    use ebt_data::text::Position;
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<_> = ["bir", "iki", "bir", "üç dört"].map(|d| Some(d.to_owned())).to_vec();
    for (name, good) in
        [("a.parquet", parquet(&batches::<Dictionary>(&rows), 0)), ("a.arrow", stream(&batches::<i32>(&rows)))]
    {
        let path = folder.path().join(name);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, &bad).unwrap();
            let input = InputFile::new(&path, Formats::ByName).unwrap();
            let read = || -> anyhow::Result<usize> {
                let (options, position) = (ReadOptions::default(), Position::default());
                let mut documents = ebt_corpus::read::open(&input, &options, folder.path(), &position)?;
                let mut n = 0;
                while documents.next_document()?.is_some() && n < 100 {
                    n += 1;
                }
                Ok(n)
            };
            if let Err(error) = read() {
                assert_has(&format!("{error:#}"), &[name]);
            }
        }
    }
}

#[test]
fn a_column_of_nulls_is_passed_over_with_a_note() {
    let nulls: ArrayRef = Arc::new(NullArray::new(4));
    let batch = RecordBatch::try_from_iter_with_nullable([("text", nulls, true)]).unwrap();
    let all_null = vec![None; 4];
    for (name, nothing, good) in [
        ("parquet", parquet(std::slice::from_ref(&batch), 0), parquet(&batches::<i32>(&[Some("bir".into())]), 0)),
        ("arrow", stream(std::slice::from_ref(&batch)), stream(&batches::<i32>(&[Some("bir".into())]))),
        ("parquet", parquet(&batches::<i32>(&all_null), 0), parquet(&batches::<Views>(&[Some("bir".into())]), 0)),
    ] {
        let p = Place::new();
        fs::create_dir(p.at("d")).unwrap();
        p.write(&format!("d/a.{name}"), nothing);
        p.write(&format!("d/b.{name}"), good);
        let out = p.at("out");
        let (table, notes) = command::succeeds(&[&p.at("d"), "--out", &out, "--validation", "0", "--json"]);
        assert_eq!(documents(Path::new(&out))[0], ["bir"]);
        assert_eq!(serde_json::from_str::<Value>(&table).unwrap()["total"]["dropped"]["null"], 4);
        assert_has(&notes, &[&format!("a.{name} holds no document")]);
    }
}

#[test]
fn packed_columns_are_unpacked_first() {
    let table = parquet(&batches::<i32>(&[Some("bir".into())]), 0);
    assert_eq!(inputs::prepared("a.parquet", write::gzip(&table), &[]).0, ["bir"]);
}
