//! `ebt tokenizer ...` as a user types it.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread;

use ebt_host::tokenization::lines;
use ebt_tokenizer::Tokenizer;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::fixtures;

/// Runs a command on some standard input.
fn host(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = start(arguments);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // a command that fails does not read all of its input
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn start(arguments: &[&str]) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_ebt"))
        .arg("tokenizer")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs a command that must succeed; its standard output.
fn succeeds(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let output = host(arguments, input);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    output.stdout
}

/// Runs a command that must fail with 1; its standard output and error.
fn fails(arguments: &[&str], input: &[u8]) -> (String, String) {
    let output = host(arguments, input);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
    assert!(!message.contains("panicked"), "{message}");
    (text(&output.stdout), message)
}

fn read_json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// A file in a folder.
fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

static SHIPPED: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer::from_file(&fixtures("tokenizer.json")).unwrap());

/// Text of the pieces that line protocols trip over.
fn awkward_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[\n\r]{1,4}",
        2 => any::<String>(),
        3 => "[ \t\u{0}\u{a0}\u{b}\u{c}\u{85}\u{2028}\u{feff}]{1,4}",
        3 => "['’]?[a-zçğıöşüİ]{1,8}[.,;:!?]?",
        1 => Just(String::from("<s>")),
        1 => "[0-9 ]{1,8}",
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

/// Encodes and decodes inside this process.
fn through(text: &str) -> (Vec<u8>, Vec<u8>) {
    let (mut ids, mut back) = (Vec::new(), Vec::new());
    lines::encode(&SHIPPED, io::Cursor::new(text.to_owned()), &mut ids).unwrap();
    lines::decode(&SHIPPED, io::Cursor::new(ids.clone()), &mut back).unwrap();
    (ids, back)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_is_the_inverse_of_encoding(text in awkward_text()) {
        let (ids, back) = through(&text);
        prop_assert_eq!(back, text.as_bytes());
        let ids = String::from_utf8(ids).unwrap();
        prop_assert_eq!(ids.split('\n').count(), text.split('\n').count());
        for (ids, line) in ids.split('\n').zip(text.split('\n')) {
            let expected: Vec<String> = SHIPPED.encode(line).unwrap().iter().map(u32::to_string).collect();
            prop_assert_eq!(ids, expected.join(" "));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pipe_of_both_commands_changes_no_byte(text in awkward_text(), threads in 1..4_usize) {
        let threads = threads.to_string();
        let ids = succeeds(&["encode", "--threads", &threads], text.as_bytes());
        prop_assert_eq!(succeeds(&["decode", "--threads", &threads], &ids), text.as_bytes());
    }
}

#[test]
fn line_ends_of_every_kind_survive_the_commands() {
    for text in
        ["", "\n", "\n\n\n", "bir", "bir\n", "bir\r\niki\r\n", "bir\n\niki", "\r", "a\0b\u{a0}\n \n", "\u{feff}ş\n"]
    {
        let ids = succeeds(&["encode"], text.as_bytes());
        assert_eq!(succeeds(&["decode"], &ids), text.as_bytes(), "{text:?}");
        assert_eq!(ids.ends_with(b"\n"), text.ends_with('\n'), "{text:?}");
    }
    let long = "Ankara'nın ilçeleri ve köyleri. ".repeat(300_000) + "\nson";
    let ids = succeeds(&["encode"], long.as_bytes());
    assert!(succeeds(&["decode"], &ids) == long.as_bytes());
}

#[test]
fn each_line_is_answered_as_it_comes_in() {
    let mut child = start(&["encode"]);
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in ["bir", "iki üç", ""] {
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
        let expected: Vec<String> = SHIPPED.encode(line).unwrap().iter().map(u32::to_string).collect();
        assert_eq!(answers.next().unwrap().unwrap(), expected.join(" "));
    }
    drop(stdin);
    assert!(answers.next().is_none());
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_is_no_token_id_is_named_with_its_place() {
    let size = SHIPPED.vocabulary_size();
    let good: String = SHIPPED.encode("bir").unwrap().iter().map(|id| format!("{id} ")).collect();
    let beyond = size.to_string();
    for (word, problem) in [
        ("on", "not a token id"),
        ("-1", "not a token id"),
        ("1.5", "not a token id"),
        ("99999999999", "not a token id"),
        (&beyond, "outside the vocabulary"),
    ] {
        let (out, message) = fails(&["decode"], format!("{good}\r\n\n{good} \t {word} 5\n{good}\n").as_bytes());
        assert_eq!(out, "bir\n\n", "the lines before are written: {word}");
        let place = good.split_whitespace().count() + 1;
        for part in ["line 3", &format!("word {place}"), word, problem] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    let (_, message) = fails(&["decode"], &[b"7 ".to_vec(), vec![0xFF; 1 << 20]].concat());
    assert!(message.contains("word 2") && message.len() < 500, "{message}");
}

#[test]
fn text_that_is_not_utf8_is_named_with_line_and_byte() {
    let (out, message) = fails(&["encode"], b"bir\n\nab\xffc\nbir\n");
    assert_eq!(out.lines().count(), 2);
    assert!(message.contains("line 3") && message.contains("byte 3"), "{message}");
    let (_, message) = fails(&["encode", "--tokenizer", "/nowhere.json"], b"");
    assert!(message.contains("/nowhere.json"), "{message}");
    let output = host(&["encode", "--threads", "5000"], b"");
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("--threads"));
}

#[test]
fn a_trained_tokenizer_of_every_kind_is_lossless_and_reproducible() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let corpus = fixtures("turkish/validation");
    let corpus = corpus.to_str().unwrap();
    for kind in ["turkish", "bpe", "unigram"] {
        let (out, again, compact) = (at("t.json"), at("again.json"), at("t.ebt"));
        let arguments = ["train", corpus, "--kind", kind, "--vocab", "600", "--json", "--out"];
        let report = read_json(&succeeds(&[&arguments[..], &[&out, "--compact", &compact]].concat(), b""));
        assert_eq!(report["kind"], kind);
        assert_eq!(report["files"], 17);
        assert!(report["vocabulary"].as_u64().unwrap() <= 600);
        let ratio = report["tail_bytes"].as_f64().unwrap() / report["tail_tokens"].as_f64().unwrap();
        assert!((ratio - report["bytes_per_token"].as_f64().unwrap()).abs() < 1e-9 && ratio > 1.5, "{report}");
        let tokenizer = Tokenizer::from_file(Path::new(&out)).unwrap();
        assert_eq!(report["fingerprint"], format!("{:016x}", tokenizer.fingerprint()));

        succeeds(&[&arguments[..], &[&again]].concat(), b"");
        assert!(fs::read(&out).unwrap() == fs::read(&again).unwrap(), "{kind}: the same text, another tokenizer");
        let sample = "Ankara'nın ilçeleri\r\n\n€ <s> ş";
        let ids = succeeds(&["encode", "--tokenizer", &out], sample.as_bytes());
        assert_eq!(ids, succeeds(&["encode", "--tokenizer", &compact], sample.as_bytes()));
        assert_eq!(succeeds(&["decode", "--tokenizer", &compact], &ids), sample.as_bytes());
        assert!(!report["compact_bytes"].is_null());
    }
    let plain = text(&succeeds(&["train", corpus, "--vocab", "400", "--kind", "bpe", "--out", &at("p.json")], b""));
    assert!(plain.contains("kind bpe") && plain.contains("bytes per token") && plain.contains("p.json"), "{plain}");
}

#[test]
fn training_that_fails_names_the_cause_and_leaves_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) =
        (file(folder.path(), "iyi.txt", "bir iki üç"), file(folder.path(), "kötü.txt", b"bir\niki \xff\n"));
    let empty = file(folder.path(), "boş.txt", " \n\n");
    let out = file(folder.path(), "var.json", "eski");
    for (arguments, parts) in [
        (vec![&*good, &bad, "--out", &out], vec!["kötü.txt", "byte 8", "line 2"]),
        (vec![&*good, "--kind", "bpe", "--phrase-words", "2", "--out", &out], vec!["--phrase-words", "bpe"]),
        (vec![&*empty, "--out", &out], vec!["empty"]),
        (vec!["/nowhere.txt", "--out", &out], vec!["/nowhere.txt"]),
        (vec![&*good, "--out", "/nowhere/t.json"], vec!["/nowhere/t.json"]),
        (vec![&*good, "--out", folder.path().to_str().unwrap()], vec!["folder"]),
        (vec![&*good, "--out", &out, "--compact", &out], vec!["--compact", "--out"]),
    ] {
        let (_, message) = fails(&[&["train"], &arguments[..]].concat(), b"");
        assert!(parts.iter().all(|part| message.contains(part)), "{arguments:?}: {message}");
        assert_eq!(fs::read(&out).unwrap(), b"eski");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "no temporary file stays behind");
    assert_eq!(host(&["train", &good], b"").status.code(), Some(2));
    for (flag, value, range) in [("--vocab", "10", "from 263 to 1048576"), ("--min-frequency", "0", "of at least 1")] {
        let output = host(&["train", &good, "--out", &out, flag, value], b"");
        let message = text(&output.stderr);
        assert!(output.status.code() == Some(2) && message.contains(flag) && message.contains(range), "{message}");
        assert_eq!(fs::read(&out).unwrap(), b"eski");
    }
    assert_eq!(host(&["train", &good, "--out", &out, "--kind", "wordpiece"], b"").status.code(), Some(2));
}

/// A WordPiece tokenizer that knows a few pieces and no other letter.
fn word_piece() -> String {
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{ "id": 0, "content": "[UNK]", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true }],
        "normalizer": null, "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null,
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": false },
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": { "[UNK]": 0, "ev": 1, "##ler": 2, "##de": 3, "ki": 4, "##tap": 5, "12": 6, ".": 7 } },
    })
    .to_string()
}

/// A BPE tokenizer that writes all in small letters.
fn small_letters() -> String {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": { "type": "Lowercase" }, "pre_tokenizer": { "type": "WhitespaceSplit" },
        "post_processor": null, "decoder": null,
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "vocab": { "e": 0, "v": 1, "ev": 2 }, "merges": ["e v"] },
    })
    .to_string()
}

#[test]
fn a_tiny_text_is_measured_as_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = file(folder.path(), "pieces.json", word_piece());
    // documents "evlerde ev\nev kitap" and "kuş 12 ."; tokens: ev ##ler ##de ev ev ki ##tap, [UNK] 12 .
    let source = file(folder.path(), "metin.txt", "evlerde ev\nev kitap\n\nkuş 12 .\n");
    let report = read_json(&succeeds(&["measure", &source, "--tokenizer", &tokenizer, "--runs", "1", "--json"], b""));
    let of = &report["tokenizers"][0];
    assert_eq!(of["kind"], "foreign");
    assert_eq!((&of["vocabulary"], &of["vocabulary_used"]), (&json!(8), &json!(8)));
    let total = &of["total"];
    for (field, value) in [
        ("documents", json!(2)),
        ("lines", json!(3)),
        ("words", json!(7)),
        ("bytes", json!("evlerde ev\nev kitap".len() + "kuş 12 .".len())),
        ("tokens", json!(10)),
        ("tokens_per_word", json!(10.0 / 7.0)),
        ("bytes_per_token", json!(2.8)),
        // the line end is lost, and the word that is not known
        ("documents_not_restored", json!(2)),
        ("lines_not_restored", json!(1)),
        (
            "classes",
            json!({ "whole_words": 2, "roots": 1, "suffixes": 2, "phrases": 0, "fragments": 2, "mixed": 0,
                "no_letters": 2, "unknown": 1 }),
        ),
    ] {
        assert_eq!(total[field], value, "{field}: {report}");
    }
    assert_eq!(&of["files"][0]["counts"], total);
    assert!(of["bytes_per_second"].as_f64().unwrap() > 0.0 && !report["machine"].as_str().unwrap().is_empty());
}

#[test]
fn losses_of_other_tokenizers_are_counted_and_ours_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let small = file(folder.path(), "small.json", small_letters());
    let source = file(folder.path(), "metin.txt", "ev\nEv\nev ev\n\nev\n");
    let ours = fixtures("tokenizer.json");
    let ours = ours.to_str().unwrap();
    let arguments = ["measure", &source, "--tokenizer", ours, "--tokenizer", &small, "--runs", "2"];
    let report = read_json(&succeeds(&[&arguments[..], &["--json"]].concat(), b""));
    let (first, second) = (&report["tokenizers"][0], &report["tokenizers"][1]);
    assert_eq!((&first["kind"], &second["kind"]), (&json!("lossless"), &json!("foreign")));
    assert_eq!(first["total"]["lines_not_restored"], 0);
    assert_eq!(first["total"]["documents_not_restored"], 0);
    let sum: u64 = first["total"]["classes"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(first["total"]["tokens"], sum);
    let expected: usize = ["ev\nEv\nev ev", "ev"].iter().map(|document| SHIPPED.encode(document).unwrap().len()).sum();
    assert_eq!(first["total"]["tokens"], expected);
    // of four lines "Ev" is lost, of two documents the first
    assert_eq!(second["total"]["tokens"], 5);
    assert_eq!(second["total"]["lines_not_restored"], 1);
    assert_eq!(second["total"]["documents_not_restored"], 1);
    assert_eq!(second["tokens_ratio"], 5.0 / expected as f64);

    let table = text(&succeeds(&arguments, b""));
    let line = |title: &str| -> Vec<String> {
        let line = table.lines().find(|line| line.trim_start().starts_with(title));
        line.unwrap_or_else(|| panic!("{title}: {table}")).split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(line("lines not restored")[3..], ["0", "1"]);
    assert_eq!(line("documents not restored")[3..], ["0", "1"]);
    assert_eq!(line("tokens ")[1..], [expected.to_string(), "5".into(), format!("{:.3}", 5.0 / expected as f64)]);
    assert!(table.contains("small.json") && table.contains("metin.txt"), "{table}");
}

#[test]
fn what_cannot_be_measured_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "metin.txt", "bir");
    let (empty, broken) = (file(folder.path(), "boş.txt", "\n\n"), file(folder.path(), "bozuk.json", "{}"));
    let mut compact = support::tokenizer().to_compact().unwrap().to_vec();
    *compact.last_mut().unwrap() ^= 1;
    let compact = file(folder.path(), "damaged.ebt", compact);
    for (arguments, parts) in [
        (vec![&*source, "--tokenizer", &broken], vec!["bozuk.json", "HuggingFace"]),
        (vec![&*source, "--tokenizer", &compact], vec!["damaged.ebt"]),
        (vec![&*source, "--tokenizer", "/nowhere.json"], vec!["/nowhere.json"]),
        (vec!["/nowhere.txt"], vec!["/nowhere.txt"]),
        (vec![&*empty], vec!["boş.txt", "no text"]),
    ] {
        let (_, message) = fails(&[&["measure"], &arguments[..]].concat(), b"");
        assert!(parts.iter().all(|part| message.contains(part)), "{arguments:?}: {message}");
    }
    assert_eq!(host(&["measure"], b"").status.code(), Some(2));
    assert_eq!(host(&["measure", &source, "--runs", "0"], b"").status.code(), Some(2));
}

#[test]
fn files_that_are_needed_are_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let words = file(folder.path(), "words.txt", "evler evlerde evlerden\n".repeat(20));
    let out = folder.path().join("same.json").display().to_string();
    let other = folder.path().join(".").join("same.json").display().to_string();
    let (_, message) = fails(&["train", &words, "--vocab", "270", "--out", &out, "--compact", &other], b"");
    assert!(message.contains("--compact") && !Path::new(&out).exists(), "{message}");
    let (_, message) = fails(&["train", &words, "--vocab", "270", "--out", &words], b"");
    assert!(message.contains("words.txt") && message.contains("learn from"), "{message}");
    assert!(fs::read_to_string(&words).unwrap().starts_with("evler"));
}

#[test]
fn words_without_end_do_not_hold_up_learning() {
    let folder = tempfile::tempdir().unwrap();
    let lines = format!("{}\n{}\n{}", "a".repeat(3_000_000), "-".repeat(3_000_000), "evler evlerde ".repeat(50));
    let words = file(folder.path(), "words.txt", lines);
    for kind in ["turkish", "bpe", "unigram"] {
        let out = folder.path().join(kind).display().to_string();
        succeeds(&["train", &words, "--vocab", "280", "--kind", kind, "--out", &out], b"");
    }
}

#[test]
fn the_shipped_tokenizers_have_names() {
    let small = text(&succeeds(&["encode"], "Ankara'da yaşıyorum".as_bytes()));
    let full = text(&succeeds(&["encode", "--tokenizer", "full"], "Ankara'da yaşıyorum".as_bytes()));
    assert!(full.split(' ').count() < small.split(' ').count(), "{full} {small}");
    let fixture = fixtures("tokenizer.json").display().to_string();
    assert_eq!(text(&succeeds(&["encode", "--tokenizer", &fixture], "Ankara'da yaşıyorum".as_bytes())), small);
    let compact = fixtures("tokenizer.bin").display().to_string();
    assert_eq!(text(&succeeds(&["decode", "--tokenizer", &compact], small.as_bytes())), "Ankara'da yaşıyorum");
    let held_out = fixtures("turkish/validation/ud-pud.txt").display().to_string();
    let measured = read_json(&succeeds(&["measure", &held_out, "--tokenizer", "full", "--runs", "1", "--json"], b""));
    assert!(measured.to_string().contains("32768"), "{measured}");
}

#[test]
fn help_explains_every_command_with_examples() {
    for (command, part) in
        [("train", "--phrase-words"), ("encode", "exact"), ("decode", "inverse"), ("measure", "maximal run of letters")]
    {
        let help = text(&succeeds(&[command, "--help"], b""));
        assert!(help.contains("Examples:") && help.contains(part), "{help}");
    }
}
