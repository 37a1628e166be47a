//! Files of the same documents in every format.

use super::*;

/// All that this build reads.
pub fn formats() -> Vec<&'static str> {
    let columnar = ["parquet", "parquet of dictionaries", "arrow stream", "arrow file", "arrow of views"];
    let columnar = columnar.into_iter().filter(|_| cfg!(feature = "parquet"));
    ["txt", "jsonl", "csv", "tsv"].into_iter().chain(columnar).collect()
}

/// Writes documents; `None` is a row without a value, where the format has such.
pub fn documents(folder: &Path, format: &str, packing: &str, documents: &[Option<String>]) -> PathBuf {
    let bytes = match format {
        "txt" => documents.iter().flatten().flat_map(|d| [d.as_str(), "\n\n"]).collect::<String>().into_bytes(),
        "jsonl" => jsonl(documents),
        "csv" => table(documents, b','),
        "tsv" => table(documents, b'\t'),
        #[cfg(feature = "parquet")]
        _ => super::columnar::file(format, documents),
        #[cfg(not(feature = "parquet"))]
        _ => panic!("{format}"),
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
