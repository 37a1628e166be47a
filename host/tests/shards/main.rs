//! Prepared data: what is written is read, damage is found, and training from shards is training from text.
#![allow(clippy::unwrap_used)]

mod command;
mod format;
mod stream;
#[path = "../support/mod.rs"]
mod support;
mod training;

use std::fs;
use std::path::{Path, PathBuf};

use ebt_data::shard::manifest::{
    MANIFEST_FILE, Manifest, Prepared, SourceRecord, Split, TOKENIZER_FILE, TokenizerRecord,
};
use ebt_data::shard::{Shard, ShardRecord, ShardWriter, TokenWidth, verify};
use ebt_data::{Tokens, text};
use ebt_tokenizer::{Special, Tokenizer};
use support::tokenizer;

/// Documents of two sources, in stream order.
const DOCUMENTS: [(u32, &str); 7] = [
    (0, "Ankara'nın ilçeleri."),
    (0, "Üç köy, iki şehir ve bir ada."),
    (0, "ı"),
    (0, "Başkent oluşu.\nİkinci satır."),
    (1, "İstanbul'un köyleri ve ilçeleri, baştan başa."),
    (1, "Bir varmış bir yokmuş, evvel zaman içinde kalbur saman içinde."),
    (1, "Son."),
];
/// Documents of a training shard; the last one is for validation.
const CUT: usize = 4;

/// Prepared data of [`DOCUMENTS`], with all but the last to train on, in shards of at most `per_shard` documents.
fn prepare(folder: &Path, tokenizer: &Tokenizer, documents: &[(u32, &str)], per_shard: usize, validation: usize) {
    fs::create_dir_all(folder).unwrap();
    let (fingerprint, begin) = (tokenizer.fingerprint(), tokenizer.special(Special::Begin).unwrap());
    let shards = |name: &str, documents: &[(u32, &str)]| -> Vec<ShardRecord> {
        let write = |(i, chunk): (usize, &[(u32, &str)])| {
            let width = TokenWidth::of(tokenizer.vocabulary_size());
            let name = format!("{name}-{i:05}.tokens");
            let mut writer = ShardWriter::create(folder, &name, width, fingerprint, begin).unwrap();
            for &(source, text) in chunk {
                writer.push(&tokenizer.encode(text).unwrap(), text.len() as u64, source).unwrap();
            }
            writer.finish().unwrap()
        };
        documents.chunks(per_shard).enumerate().map(write).collect()
    };
    let (train, held_out) = documents.split_at(documents.len() - validation);
    let source = |i: u32| {
        let of = || documents.iter().filter(|d| d.0 == i);
        let licence = (i == 0).then(|| String::from("CC0"));
        let (documents, text_bytes) = (of().count() as u64, of().map(|d| d.1.len() as u64).sum());
        SourceRecord { name: format!("kaynak-{i}"), files: 1, documents, text_bytes, licence }
    };
    fs::write(folder.join(TOKENIZER_FILE), tokenizer.to_json()).unwrap();
    let manifest = Manifest {
        format: 1,
        created_by: String::from("test"),
        tokenizer: TokenizerRecord {
            fingerprint: format!("{fingerprint:016x}"),
            vocabulary: tokenizer.vocabulary_size(),
            file: String::from(TOKENIZER_FILE),
        },
        sources: vec![source(0), source(1)],
        train: shards("train", train),
        validation: shards("validation", held_out),
        ..Manifest::default()
    };
    manifest.write(folder).unwrap();
    assert_eq!(Manifest::read(folder).unwrap(), manifest);
}

/// Names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// All tokens of a stream.
fn all(tokens: &Tokens) -> Vec<u32> {
    let mut ids = Vec::new();
    tokens.gather(0..tokens.len(), &mut ids).unwrap();
    ids
}

/// The same documents as text files, one a source.
fn as_text(folder: &Path, documents: &[(u32, &str)]) -> Vec<PathBuf> {
    fs::create_dir_all(folder).unwrap();
    let write = |source: u32| {
        let of_source: Vec<&str> = documents.iter().filter(|d| d.0 == source).map(|d| d.1).collect();
        let path = folder.join(format!("kaynak-{source}.txt"));
        fs::write(&path, of_source.join("\n\n")).unwrap();
        (!of_source.is_empty()).then_some(path)
    };
    [write(0), write(1)].into_iter().flatten().collect()
}
