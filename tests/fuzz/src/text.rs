//! Text of every format and packing. The first byte of an input says which, and how it is read.

use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use ebt_corpus::read;
use ebt_data::text::{Borders, Formats, InputFile, Position, ReadOptions};

use super::{file, folder, refused};

const FORMATS: [&str; 4] = ["txt", "jsonl", "csv", "tsv"];
const PACKINGS: [&str; 3] = ["", ".gz", ".zst"];
const BORDERS: [Borders; 3] = [Borders::BlankLine, Borders::Line, Borders::File];

/// Bytes of text after which reading ends: a small file may hold much.
const ENOUGH: usize = 8 << 20;

fn kind(format: usize, packing: usize) -> u8 {
    (format + 4 * packing) as u8
}

pub fn text_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "\u{feff}Ankara'da.\r\n  \nİzmir\nve\u{a0}köy\n\n\nson",
        "{\"text\": \"Ankara\\u0131\\n\", \"id\": 1}\n\n{\"id\": [2, {}], \"text\": null}\n{\"text\":\"\\ud83d\\ude00\"}",
        "id,text\n1,\"Ankara, \"\"başkent\"\"\nve\"\n2,\n3,İzmir\r\n",
        "text\tid\nAnkara\t1\nköy \"\t2\n",
    ];
    let gzip = |text: &str| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    };
    let mut seeds = Vec::new();
    for (format, text) in texts.iter().enumerate() {
        let packed = [text.as_bytes().to_vec(), gzip(text), zstd::encode_all(text.as_bytes(), 1).unwrap()];
        for (packing, bytes) in packed.into_iter().enumerate() {
            seeds.push([&[kind(format, packing)], &bytes[..]].concat());
        }
    }
    let members = [gzip("bir\n\n"), gzip("iki"), vec![0; 9]].concat();
    seeds.push([&[kind(0, 1)], &members[..]].concat());
    seeds
}

/// Plain text, JSON lines, CSV and TSV, as they are, under gzip and under Zstandard.
pub fn text(bytes: &[u8]) {
    let Some((&kind, bytes)) = bytes.split_first() else { return };
    let kind = usize::from(kind);
    let name = format!("input.{}{}", FORMATS[kind % 4], PACKINGS[kind / 4 % 3]);
    let options = ReadOptions {
        documents: BORDERS[kind / 12 % 3],
        lossy: kind / 36 % 2 == 1,
        // longer documents are cut
        longest: if kind / 72 % 2 == 1 { 64 } else { 1 << 20 },
        ..ReadOptions::default()
    };
    read_all(&file(&name, bytes), &options, &name);
}

/// Inputs that another program wrote, in the folder of the corpus: `tests/fuzz/corpus/columnar`.
pub fn columnar_seeds() -> Vec<Vec<u8>> {
    Vec::new()
}

/// Parquet and Arrow.
pub fn columnar(bytes: &[u8]) {
    let Some((&kind, bytes)) = bytes.split_first() else { return };
    let name = if kind % 2 == 0 { "input.parquet" } else { "input.arrow" };
    read_all(&file(name, bytes), &ReadOptions::default(), name);
}

/// Reads a file, until there is enough of it.
fn read_all(path: &Path, options: &ReadOptions, name: &str) {
    let mut read = 0;
    let mut each = |text: &str| {
        assert!(text.len() <= options.longest.max(16), "a document of {} bytes", text.len());
        read += text.len() + 1;
        read < ENOUGH
    };
    if let Err(error) = documents(path, options, &mut each) {
        refused(&error, name);
    }
}

/// Gives the documents of a file to `each` while it says so.
fn documents(path: &Path, options: &ReadOptions, each: &mut dyn FnMut(&str) -> bool) -> Result<()> {
    let input = InputFile::new(path, Formats::ByName)?;
    let mut documents = read::open(&input, options, &folder(), &Position::default())?;
    while let Some(text) = documents.next_document()? {
        if !each(&text) {
            break;
        }
    }
    Ok(())
}
