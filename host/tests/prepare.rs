//! `ebt data prepare`: what goes in comes out, whatever it came in and however often it was interrupted.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ebt_corpus::prepare::{Content, Job, Summary, prepare};
use ebt_data::progress::Silent;
use ebt_data::shard::{Manifest, Prepared, Shard};
#[cfg(feature = "parquet")]
use ebt_data::text::InputFile;
use ebt_data::text::{Borders, Formats, ReadOptions, find};
use proptest::prelude::*;
use serde_json::{Value, json};

#[cfg(feature = "parquet")]
#[path = "prepare/columnar.rs"]
mod columnar;
#[path = "prepare/inputs.rs"]
mod inputs;
#[path = "prepare/parts.rs"]
mod parts;
#[path = "prepare/resume.rs"]
mod resume;
#[path = "prepare/write.rs"]
mod write;

/// Runs a job in this process.
fn run(inputs: &[PathBuf], out: &Path, content: &Content, threads: usize, chunk: usize) -> Summary {
    let job = Job {
        inputs: find(inputs, Formats::ByName).unwrap(),
        tokenizer: support::tokenizer(),
        out: out.to_path_buf(),
        content: content.clone(),
        licences: Vec::new(),
        part: None,
        overwrite: false,
        threads,
        chunk,
    };
    prepare(&job, &mut Silent).unwrap()
}

/// Names and bytes of the shards in a folder, and that there is nothing besides but manifest and tokenizer.
fn shards(out: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    all.sort();
    let others = all.extract_if(.., |(name, _)| !name.ends_with(".tokens")).map(|(name, _)| name);
    assert_eq!(others.collect::<Vec<_>>(), ["manifest.json", "tokenizer.json"]);
    all
}

/// Documents to train and to measure on.
fn documents(out: &Path) -> [Vec<String>; 2] {
    let data = Prepared::open(out).unwrap();
    [&data.manifest.train, &data.manifest.validation].map(|records| {
        let shards: Vec<Shard> = data.shards(records).unwrap();
        shards.iter().flat_map(|shard| (0..shard.documents()).map(|i| document(shard, i, &data))).collect()
    })
}

fn document(shard: &Shard, i: u64, data: &Prepared) -> String {
    let mut ids = Vec::new();
    shard.read(shard.begin_of(i)..shard.end_of(i), &mut ids);
    let text = data.tokenizer.decode(&ids[1..]).unwrap();
    assert_eq!(text.len() as u64, shard.length(i));
    text
}

/// Documents of a few words and lines, some of them equal.
fn some_documents() -> impl Strategy<Value = Vec<String>> {
    let word = "[a-cçşğıİ\"',]{1,7}";
    let line = proptest::collection::vec(word, 1..6).prop_map(|words| words.join(" "));
    let document = proptest::collection::vec(line, 1..4).prop_map(|lines| lines.join("\n"));
    proptest::collection::vec(document, 1..60)
}

/// `n` different documents of about `bytes` bytes.
fn corpus(n: usize, bytes: usize) -> Vec<String> {
    let document = |i: usize| -> String {
        let mut x = i as u64;
        let mut text = format!("{i} numaralı belge:");
        while text.len() < bytes {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let word = ["ev", "köprü", "İstanbul'un", "ışık", "gelecekmiş", "ve", "çalışma"][(x >> 33) as usize % 7];
            text.push(if x >> 60 == 0 { '\n' } else { ' ' });
            text.push_str(word);
        }
        text
    };
    (0..n).map(document).collect()
}

fn content(shard_tokens: u64, validation: f64) -> Content {
    Content { shard_tokens, validation, ..Content::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_format_and_packing_gives_the_same_shards(documents in some_documents()) {
        let folder = tempfile::tempdir().unwrap();
        let mut rows: Vec<Option<String>> = documents.into_iter().map(Some).collect();
        rows.insert(rows.len() / 3, None);
        let mut first = None;
        for format in write::formats() {
            for packing in ["", ".gz", ".zst"] {
                let input = write::documents(folder.path(), format, packing, &rows);
                let out = folder.path().join(format!("{format}{packing}"));
                let read = ReadOptions { quoting: (format == "tsv").then_some(true), ..ReadOptions::default() };
                let summary = run(&[input], &out, &Content { read, ..content(200, 0.2) }, 2, 1000);
                let nulls = u64::from(!["txt", "csv", "tsv"].contains(&format));
                prop_assert_eq!(summary.total.dropped.null, nulls, "{}", format);
                let shards = shards(&out);
                prop_assert!(first.get_or_insert_with(|| shards.clone()) == &shards, "{} {}", format, packing);
            }
        }
    }

    #[test]
    fn threads_and_chunks_do_not_show(documents in some_documents(), chunk in 1usize..3000) {
        let folder = tempfile::tempdir().unwrap();
        let rows: Vec<_> = documents.into_iter().map(Some).collect();
        let input = write::documents(folder.path(), "jsonl", "", &rows);
        let of = |threads: usize, chunk: usize| {
            let out = folder.path().join(format!("{threads}-{chunk}"));
            let content = Content { near_duplicates: Some(0.5), language: cfg!(feature = "language").then(|| "tur".into()), ..content(100, 0.2) };
            run(std::slice::from_ref(&input), &out, &content, threads, chunk);
            shards(&out)
        };
        let expected = of(1, 1 << 20);
        prop_assert!(of(3, chunk) == expected);
        prop_assert!(of(2, 1) == expected);
    }

    #[test]
    fn every_different_document_comes_out_once_in_order_and_never_changes_sides(
        old in some_documents(),
        new in some_documents(),
        share in 0.05f64..0.6,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str, all: &[String]| {
            let rows: Vec<_> = all.iter().cloned().map(Some).collect();
            let input = write::documents(folder.path(), "jsonl", "", &rows);
            let out = folder.path().join(name);
            run(&[input], &out, &content(100, share), 2, 500);
            let sides = documents(&out);
            let mut seen = std::collections::HashSet::new();
            let expected: Vec<&String> = all.iter().filter(|d| seen.insert(*d)).collect();
            for side in &sides {
                let order = |d: &String| expected.iter().position(|e| *e == d).unwrap();
                assert!(side.is_sorted_by_key(order));
            }
            assert_eq!(sides[0].len() + sides[1].len(), expected.len());
            sides
        };
        let before = of("before", &old);
        let mut more = new;
        more.extend(old.iter().rev().cloned());
        let after = of("after", &more);
        for (before, after) in before.iter().zip(&after) {
            prop_assert!(before.iter().all(|d| after.contains(d)));
        }
    }
}

#[test]
fn shards_end_at_the_first_border_of_documents_behind_their_size() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<_> = corpus(300, 100).into_iter().map(Some).collect();
    let input = write::documents(folder.path(), "jsonl", "", &rows);
    let out = folder.path().join("out");
    let summary = run(&[input], &out, &content(500, 0.3), 2, 1000);
    let data = Prepared::open(&out).unwrap();
    for records in [&data.manifest.train, &data.manifest.validation] {
        let shards = data.shards(records).unwrap();
        assert!(shards.len() > 2);
        for shard in &shards[..shards.len() - 1] {
            let last = shard.begin_of(shard.documents() - 1);
            assert!(shard.tokens() >= 500 && last < 500, "{} {last}", shard.tokens());
        }
    }
    assert_eq!(summary.train.documents + summary.validation.documents, 300);
    assert_eq!(summary.total.tokens, summary.train.tokens + summary.validation.tokens);
    assert_eq!(data.manifest.sources[0].documents, 300);
    assert_eq!(data.manifest.options.0["shard_tokens"], 500);
}

#[test]
fn long_documents_are_cut_alike_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let long = corpus(1, 5000).remove(0) + &(1000..1400).map(|i| format!("ş{i}ğ")).collect::<String>() + " son";
    let rows = [Some("kısa".to_owned()), Some(long.clone()), Some((1000..1200).map(|i| format!("{i}ü")).collect())];
    let content = Content { read: ReadOptions { longest: 301, ..ReadOptions::default() }, ..content(1 << 20, 0.0) };
    let mut first = None;
    for format in write::formats() {
        let input = write::documents(folder.path(), format, "", &rows);
        let out = folder.path().join(format);
        // what the writer puts between quotation marks goes over lines
        let read = ReadOptions { quoting: (format == "tsv").then_some(true), ..content.read.clone() };
        let summary = run(&[input], &out, &Content { read, ..content.clone() }, 2, 100);
        let [train, _] = documents(&out);
        assert!(train.iter().all(|d| d.len() <= 301));
        assert!(summary.total.cuts as usize >= long.len() / 301);
        let black = |documents: Vec<&str>| documents.concat().replace(['\n', ' '], "");
        assert_eq!(
            black(train.iter().map(String::as_str).collect()),
            black(rows.iter().flatten().map(String::as_str).collect())
        );
        assert_eq!(first.get_or_insert_with(|| train.clone()), &train, "{format}");
    }
    // lines and whole files are documents when asked for
    let path = folder.path().join("satır.txt");
    fs::write(&path, "bir\n\niki\r\n  \nüç").unwrap();
    for (borders, expected) in [(Borders::Line, &["bir", "iki", "üç"][..]), (Borders::File, &["bir\n\niki\n  \nüç"])]
    {
        let mut content = content.clone();
        content.read.documents = borders;
        let out = folder.path().join(format!("{borders:?}"));
        run(std::slice::from_ref(&path), &out, &content, 1, 100);
        assert_eq!(documents(&out)[0], expected);
    }
}

/// The command itself.
mod command {
    use super::*;

    pub fn host(arguments: &[&str]) -> Command {
        ebt(&[&["data", "prepare"], arguments].concat())
    }

    pub fn ebt(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ebt"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    pub fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    pub fn output(arguments: &[&str], code: i32) -> Output {
        let output = host(arguments).output().unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
        assert!(!message.contains("panicked"), "{message}");
        output
    }

    /// Standard output and standard error of a command that succeeds.
    pub fn succeeds(arguments: &[&str]) -> (String, String) {
        let output = output(arguments, 0);
        (text(&output.stdout), text(&output.stderr))
    }

    /// Standard error of a command that fails.
    pub fn fails(arguments: &[&str]) -> String {
        text(&output(arguments, 1).stderr)
    }
}

/// A folder with files, and the path of another one for the result.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.at(name), bytes).unwrap();
        self.at(name)
    }

    /// Fails on one file; the message.
    fn fails(&self, name: &str, bytes: impl AsRef<[u8]>, more: &[&str]) -> String {
        let (input, out) = (self.write(name, bytes), self.at("out"));
        let message = command::fails(&[&[input.as_str(), "--out", &out], more].concat());
        assert!(!Path::new(&out).exists(), "something stayed");
        message
    }
}

fn assert_has(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[cfg(feature = "language")]
#[test]
fn a_table_by_source_or_one_json_object_tells_what_was_done() {
    let p = Place::new();
    let long = "Bu belge ikinci kez neredeyse aynı sözcüklerle yeniden yazılmış uzun bir belgedir ve burada biter";
    p.write("haber.txt", format!("\u{feff}bir\r\niki\r\n\r\nbir\niki\n\ns\u{327}u\n\n{long}.\n"));
    let english = "The capital of the country is a quiet town in the hills, and nobody who lives there minds.";
    p.write("wiki-1.jsonl", format!("{}\n{}\n", json!({ "text": english }), json!({ "text": "\n \n" })));
    let more = [json!({ "text": format!("{long}!") }), json!({ "text": null }), json!({ "text": "ü" })];
    p.write("wiki-2.jsonl.gz", write::gzip(more.map(|m| m.to_string() + "\n").concat().as_bytes()));
    let folder = p.at("");
    let (out, other) = (p.at("out"), p.at("other"));
    let options = ["--language", "tr", "--near-duplicates", "0.7", "--shortest", "3", "--validation", "0"];
    let licences = ["--licence", "wiki-*=CC BY-SA 4.0", "--licence", "özel"];
    let arguments = |out| [&[folder.as_str(), "--out", out, "--json", "--quiet"], &options[..], &licences[..]].concat();
    let (stdout, stderr) = command::succeeds(&arguments(&out));
    assert_eq!(stderr, "");
    let summary: Value = serde_json::from_str(&stdout).unwrap();
    let dropped = &summary["total"]["dropped"];
    for reason in ["null", "empty", "short", "language", "duplicates", "near_duplicates"] {
        assert_eq!(dropped[reason], 1, "{reason}: {stdout}");
    }
    assert_eq!(documents(Path::new(&out))[0], ["bir\niki".to_owned(), "şu".into(), format!("{long}.")]);
    let manifest = Manifest::read(Path::new(&out)).unwrap();
    let sources: Vec<_> = manifest.sources.iter().map(|s| (s.name.as_str(), s.licence.as_deref().unwrap())).collect();
    assert_eq!(sources, [("haber", "özel"), ("wiki-1", "CC BY-SA 4.0"), ("wiki-2", "CC BY-SA 4.0")]);
    assert_eq!(serde_json::to_value(manifest.dropped).unwrap(), *dropped);

    let (table, notes) = command::succeeds(&[&[folder.as_str(), "--out", &other], &options[..]].concat());
    let haber = table.lines().find(|line| line.starts_with("haber")).unwrap();
    assert_eq!(haber.split_whitespace().nth(1), Some("3"), "{table}");
    assert_has(&table, &["source", "equal", "similar", "bytes/token", "wiki-2", "total", "1 shard", &other]);
    assert_has(&notes, &["3 files", "1 text", "2 JSON lines"]);
    assert_eq!(shards(Path::new(&out)), shards(Path::new(&other)));
}

#[test]
fn byte_order_marks_are_no_part_of_names_or_texts() {
    let p = Place::new();
    for (name, bytes) in [
        ("a.csv", "\u{feff}text\nbir\n"),
        ("a.jsonl", "\u{feff}{\"text\": \"bir\"}\n"),
        ("a.txt", "\u{feff}bir\n"),
        ("b.csv", "id,text\n1,\"\u{feff}bir\r\n\"\n"),
    ] {
        let (input, out) = (p.write(name, bytes), p.at(&format!("out of {name}")));
        command::succeeds(&[&input, "--out", &out, "--validation", "0"]);
        assert_eq!(documents(Path::new(&out))[0], ["bir"], "{name}");
    }
}

#[test]
fn bad_json_lines_are_named_by_file_and_line() {
    let p = Place::new();
    let good = "{\"text\": \"bir\"}\n";
    let m = p.fails("a.jsonl", format!("{good}{{\"id\": 1, \"body\": \"x\"}}\n"), &[]);
    assert_has(&m, &["line 2 of", "a.jsonl", "`text`", "id, body", "--column"]);
    assert_has(
        &p.fails("a.jsonl", format!("{good}\n{{\"text\": 5}}\n"), &[]),
        &["line 3 of", "a.jsonl", "integer `5`"],
    );
    assert_has(&p.fails("a.jsonl", format!("{good}\"metin\"\n"), &[]), &["line 2 of", "a.jsonl", "JSON object"]);
    assert_has(&p.fails("a.jsonl", format!("{good}{{\"text\": \"x\n"), &[]), &["line 2 of", "a.jsonl"]);
    assert_has(&p.fails("a.json", "[\n{\"text\": \"x\"}\n]", &[]), &["line 1 of", "a.json", "array"]);
    assert_has(&p.fails("a.json", "{\n\"text\": \"x\"\n}", &[]), &["line 1 of", "a.json", "one line"]);
    assert_has(
        &p.fails("a.jsonl", format!("{good}{{\"text\": \"\\ud800\"}}\n"), &[]),
        &["line 2 of", "surrogate", "--lossy"],
    );
    let bad = [good.as_bytes(), b"{\"text\": \"a\xff\"}\n"].concat();
    assert_has(&p.fails("a.jsonl", bad, &[]), &["a.jsonl", "byte 27", "--lossy"]);
}

#[test]
fn bad_text_and_tables_are_named_by_file_and_place() {
    let p = Place::new();
    assert_has(&p.fails("a.txt", b"bir\n\niki\xc5\n", &[]), &["a.txt", "byte 8", "UTF-8"]);
    let far = [vec![b'a'; 200_000], b"\n\xff".to_vec()].concat();
    assert_has(&p.fails("a.txt", &far, &[]), &["a.txt", "byte 200001"]);
    assert_has(&p.fails("a.txt.gz", write::gzip(&far), &[]), &["a.txt.gz", "byte 200001"]);
    assert_has(&p.fails("a.csv", "id,text\n1,bir\n2,iki,üç\n", &[]), &["line 3 of", "a.csv", "3 values", "2 columns"]);
    assert_has(&p.fails("a.tsv", "id\tbody\n1\tbir\n", &[]), &["a.tsv", "`text`", "id, body", "--column"]);
    assert_has(&p.fails("a.csv", b"text\nbir\n\xff\n", &[]), &["line 3", "a.csv", "UTF-8"]);
    let open = "id,text\n1,bir\n2,\"iki\n3,üç\n";
    assert_has(&p.fails("a.csv", open, &[]), &["line 3 of", "a.csv", "quotation mark is missing"]);
    let endless = [b"text\n\"".to_vec(), vec![b'a'; 65 << 20]].concat();
    assert_has(&p.fails("a.csv", &endless, &[]), &["a.csv", "64 MiB", "quotation mark"]);
    let endless = [b"{\"text\": \"".to_vec(), vec![b'a'; 65 << 20]].concat();
    assert_has(&p.fails("a.jsonl", &endless, &[]), &["line 1 of", "a.jsonl", "64 MiB"]);
    // the same bytes are welcome when asked for
    let (input, out) = (p.write("b.txt", b"bir\n\niki\xc5\n"), p.at("lossy"));
    let (stdout, _) = command::succeeds(&[&input, "--out", &out, "--lossy", "--json", "--validation", "0"]);
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["total"]["replaced"], 1);
    assert_eq!(documents(Path::new(&out))[0], ["bir", "iki\u{fffd}"]);
}

#[test]
fn damaged_packing_is_named() {
    let p = Place::new();
    let rows: Vec<_> = corpus(400, 200).into_iter().map(Some).collect();
    for packing in [".gz", ".zst"] {
        let whole = fs::read(write::documents(p.0.path(), "jsonl", packing, &rows)).unwrap();
        let name = format!("kesik.jsonl{packing}");
        let m = p.fails(&name, &whole[..whole.len() / 2], &[]);
        assert_has(&m, &[&name, "cut off"]);
        assert_has(&p.fails(&name, "bu sıkıştırılmış değil", &[]), &[&name, "damaged", "extension"]);
    }
}

#[test]
fn missing_empty_and_odd_input_is_named() {
    let p = Place::new();
    let out = p.at("out");
    assert_has(&command::fails(&[&p.at("*.txt"), "--out", &out]), &["*.txt matches no file"]);
    assert_has(&command::fails(&[&p.at("yok.txt"), "--out", &out]), &["yok.txt"]);
    assert_has(&command::fails(&[&p.at(""), "--out", &out]), &["no file of a known format"]);
    assert_has(&p.fails("a.bin", "x", &[]), &["a.bin", "--format"]);
    assert_has(&p.fails("boş.txt", "", &[]), &["boş.txt holds no document", "error: the input holds no document"]);
    assert_has(&p.fails("boş.jsonl", "{\"text\": \" \"}\n", &[]), &["nothing is left of 1 document", "1 empty"]);
    for (flag, value) in [("--longest", "3"), ("--language", "xx")] {
        assert_has(&p.fails("a.txt", "x", &[flag, value]), &[flag]);
    }
    for (flag, value, range) in [("--near-duplicates", "0.1", "from 0.3 to 1"), ("--validation", "1", "to less than 1")]
    {
        let (input, out) = (p.at("a.txt"), p.at("out"));
        let message = command::text(&command::output(&[&input, "--out", &out, flag, value], 2).stderr);
        assert_has(&message, &[flag, range]);
        assert!(!Path::new(&out).exists());
    }
    assert_has(&p.fails("a.txt", "x", &["--licence", "b=c"]), &["--licence b=c", "no source"]);
    let empty = ["csv", "tsv", "json", "txt", "arrow"];
    let empty = &empty[..if cfg!(feature = "parquet") { 5 } else { 4 }];
    for format in empty {
        p.write(&format!("boş.{format}"), "");
    }
    fs::remove_file(p.at("boş.jsonl")).unwrap();
    fs::remove_file(p.at("a.bin")).unwrap();
    p.write("a.txt", "dolu");
    let (_, notes) = command::succeeds(&[&p.at(""), "--out", &out]);
    for format in empty {
        assert_has(&notes, &[&format!("boş.{format} holds no document")]);
    }
    assert_has(&command::fails(&[&p.at("a.txt"), "--out", &out]), &[&out, "--overwrite"]);
    p.write("a.txt", "yeni");
    command::succeeds(&[&p.at("a.txt"), "--out", &out, "--overwrite", "--validation", "0"]);
    assert_eq!(documents(Path::new(&out))[0], ["yeni"]);
    assert_has(&command::fails(&[&p.at("a.txt"), "--out", &p.at(""), "--overwrite"]), &["holds other things"]);
}

#[cfg(unix)]
#[test]
fn unreadable_files_are_named() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let p = Place::new();
    let (input, out) = (p.write("gizli.txt", "x"), p.at("out"));
    fs::set_permissions(&input, fs::Permissions::from_mode(0o000)).unwrap();
    // the superuser reads everything
    if File::open(&input).is_err() {
        assert_has(&command::fails(&[&input, "--out", &out]), &["cannot read", "gizli.txt"]);
    }
    symlink(p.at("hiç"), p.at("bağ.txt")).unwrap();
    assert_has(&command::fails(&[&p.at("bağ.txt"), "--out", &p.at("out2")]), &["cannot read", "bağ.txt"]);
    assert_has(&command::fails(&["/dev/null", "--format", "text", "--out", &p.at("out3")]), &["/dev/null", "ordinary"]);
}
