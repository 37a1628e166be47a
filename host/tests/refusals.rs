//! What the program refuses, and how: numbers out of range, numbers that are none, files that other programs choke on.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;

use clap::error::ErrorKind;
use ebt_host::cli::taking_negative_numbers;
use ebt_host::commands::Command;
use ebt_model::Dtype;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::configs;
use support::header;
use support::program::{fails, host, succeeds, text};

fn at(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

/// A `tokenizer.json` with this model.
fn tokenizer(model: Value) -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null, "model": model,
    })
}

/// Tokenizers that the library reads, or not, and fails or panics on.
fn hostile() -> Vec<Value> {
    let bpe = |vocab: Value, merges: Value| {
        tokenizer(json!({ "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": merges }))
    };
    let with = |mut file: Value, key: &str, value: Value| {
        file[key] = value;
        file
    };
    let sound = || bpe(json!({ "a": 0, "b": 1, "ab": 2 }), json!([["a", "b"]]));
    vec![
        bpe(json!({ "a": 0, "b": 1 }), json!([["a", "b"]])),
        bpe(json!({ "a": 0 }), json!([["a", "b"]])),
        bpe(json!({}), json!([])),
        bpe(json!({ "a": 4294967295u32, "b": 1, "ab": 1 }), json!([["a", "b"]])),
        tokenizer(json!({ "type": "Unigram", "unk_id": 7, "vocab": [["a", -1.0]], "byte_fallback": false })),
        tokenizer(json!({ "type": "Unigram", "unk_id": null, "vocab": [["a", -1.0]], "byte_fallback": false })),
        tokenizer(json!({ "type": "Unigram", "unk_id": 0, "vocab": [], "byte_fallback": true })),
        tokenizer(json!({ "type": "WordLevel", "vocab": { "a": 0 }, "unk_token": "<unk>" })),
        tokenizer(
            json!({ "type": "WordPiece", "vocab": { "a": 0 }, "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 0 }),
        ),
        with(sound(), "normalizer", json!({ "type": "Replace", "pattern": { "Regex": "(a*)*b" }, "content": "" })),
        with(sound(), "normalizer", json!({ "type": "Precompiled", "precompiled_charsmap": "AAAA" })),
        with(
            sound(),
            "pre_tokenizer",
            json!({ "type": "Split", "pattern": { "Regex": "(" }, "behavior": "Isolated", "invert": false }),
        ),
        with(
            sound(),
            "post_processor",
            json!({ "type": "TemplateProcessing", "single": [{ "SpecialToken": { "id": "[X]", "type_id": 0 } }],
            "pair": [], "special_tokens": {} }),
        ),
        with(
            sound(),
            "truncation",
            json!({ "direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 9 }),
        ),
    ]
}

#[test]
fn a_tokenizer_that_the_library_panics_on_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let (file, text_file) = (at(folder.path(), "hostile.json"), at(folder.path(), "metin.txt"));
    fs::write(&text_file, "ab ba aab\n\nb xyz ışık").unwrap();
    let model = at(folder.path(), "model.ebt");
    for (i, tokenizer) in hostile().into_iter().enumerate() {
        fs::write(&file, tokenizer.to_string()).unwrap();
        let measure = ["tokenizer", "measure", &text_file, "--tokenizer", &file, "--runs", "1"];
        let prepare = ["data", "prepare", &text_file, "--tokenizer", &file, "--out", &at(folder.path(), "data")];
        let train = ["train", "--data", &text_file, "--tokenizer", &file, "--out", &at(folder.path(), "run")];
        for command in [&measure[..], &prepare, &train] {
            let output = host(command);
            let message = text(&output.stderr);
            // some the library can use after all, to measure
            assert!(matches!(output.status.code(), Some(0 | 1)), "{i} {command:?}: {message}");
            let silent = !message.contains("panicked") && !message.contains("mistake");
            assert!(silent, "{i} {command:?}: {message}");
            if output.status.code() == Some(1) {
                assert!(message.contains("hostile.json"), "{i} {command:?}: {message}");
            }
        }
    }
    // the one that was reported
    fs::write(&file, hostile()[0].to_string()).unwrap();
    let message = fails(&["tokenizer", "measure", &text_file, "--tokenizer", &file], 1);
    assert!(message.starts_with("error: ") && message.lines().count() <= 3, "{message}");
    assert!(!Path::new(&model).exists());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// In this process a panic that nobody catches fails the test.
    #[test]
    fn no_change_of_a_tokenizer_file_makes_a_panic(which in 0..14usize, at in any::<proptest::sample::Index>(), by in "[0-9\"{}\\[\\],a-z]{0,3}") {
        let json = hostile()[which].to_string();
        let at = at.index(json.len());
        let changed = format!("{}{by}{}", &json[..at], &json[at + 1..]);
        if let Ok(library) = ebt_tokenizer::Library::from_json(changed.as_bytes()) {
            for text in ["", "ab", "aab b", "ışık <unk> ##a"] {
                if let Ok(tokens) = library.encode(text) {
                    let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
                    let _ = library.decode(&ids);
                }
                let _ = library.encode_ids(text);
            }
            let _ = (library.unknown(), library.vocabulary_size());
        }
    }
}

#[test]
fn a_model_with_values_that_are_no_numbers_is_refused_by_name_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let (path, text_file) = (at(folder.path(), "model.ebt"), at(folder.path(), "metin.txt"));
    let (packed, picture) = (at(folder.path(), "m.ebp"), at(folder.path(), "p.svg"));
    fs::write(&text_file, "Ankara'nın ilçeleri.").unwrap();
    support::model(&configs()[0], false).save(Path::new(&path), Dtype::F32).unwrap();
    let whole = fs::read(&path).unwrap();
    for (name, value) in [
        ("alpha", f32::NAN),
        ("embeddings.weight", f32::INFINITY),
        ("transformer.layers.1.attention.wq.weight", f32::NEG_INFINITY),
    ] {
        let (header, values) = header::parts(&whole);
        let mut values = values.to_vec();
        let end = header[name]["data_offsets"][1].as_u64().unwrap() as usize;
        values[end - 4..end].copy_from_slice(&value.to_le_bytes());
        fs::write(&path, header::sealed(&header, &values)).unwrap();
        for command in [
            &["eval", "--model", &path, &text_file, "--json"][..],
            &["eval", "--model", &path, &text_file],
            &["eval", "--model", &path, &text_file, "--candidates", "2", "--json"],
            &["generate", "--model", &path, "--prompt", "a"],
            &["generate", "--model", &path, "--prompt", "a", "--json"],
            &["plot", "--model", &path, "--prompt", "a", "--out", &picture],
            &["export", &path, "--packed", "f32", "--out", &packed],
        ] {
            let output = host(command);
            let message = text(&output.stderr);
            assert_eq!(
                (output.status.code(), text(&output.stdout)),
                (Some(1), String::new()),
                "{command:?}: {message}"
            );
            assert!(message.contains(&path), "{command:?}: {message}");
            assert!(message.contains(name) && message.contains("finite"), "{command:?}: {message}");
        }
        assert!(!Path::new(&packed).exists() && !Path::new(&picture).exists());
    }
    // values that are numbers and make none
    let mut model = support::model(&configs()[0], false);
    model.weights.iter_mut().flatten().for_each(|weight| *weight *= 1e30);
    model.save(Path::new(&path), Dtype::F32).unwrap();
    for command in [
        &["eval", "--model", &path, &text_file, "--json"][..],
        &["generate", "--model", &path, "--prompt", "a", "--json"],
        &["plot", "--model", &path, "--prompt", "a", "--out", &picture],
    ] {
        let message = fails(command, 1);
        assert!(message.contains("finite"), "{command:?}: {message}");
        assert!(text(&host(command).stdout).is_empty());
    }
}

/// Words that lead to every command, and the command.
fn commands(command: &clap::Command, words: &[String], all: &mut Vec<(Vec<String>, clap::Command)>) {
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        let words = [words, &[inner.get_name().to_owned()]].concat();
        all.push((words.clone(), inner.clone()));
        commands(inner, &words, all);
    }
}

#[test]
fn every_number_out_of_range_is_refused_with_the_range() {
    let program =
        || taking_negative_numbers(<Command as clap::Subcommand>::augment_subcommands(clap::Command::new("host")));
    let mut all = Vec::new();
    commands(&program(), &[], &mut all);
    let refusal = |words: &[String], flag: &str, value: &str| {
        let line = ["host"].into_iter().chain(words.iter().map(String::as_str)).chain([flag, value]);
        let error = program().try_get_matches_from(line).err()?;
        let wrong =
            matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue | ErrorKind::UnknownArgument);
        wrong.then(|| error.to_string())
    };
    let mut numbers = 0;
    for (words, command) in &all {
        for arg in command.get_arguments().filter(|arg| arg.get_action().takes_values()) {
            let Some(flag) = arg.get_long().map(|long| format!("--{long}")) else { continue };
            // a word is no number
            let Some(words_of_it) = refusal(words, &flag, "bir") else { continue };
            if !words_of_it.contains("must be") {
                continue;
            }
            numbers += 1;
            for value in ["-1", "-1e300", "nan", "inf", "-9223372036854775809", "99999999999999999999999999"] {
                let message = refusal(words, &flag, value);
                // the range of some has no end, and that of a step size has other words beside
                let Some(message) = message else {
                    assert!(value.starts_with('9'), "{words:?} {flag} {value} is taken");
                    continue;
                };
                assert!(message.contains(&flag) && message.contains(value), "{words:?} {flag}: {message}");
                let range = ["from ", "of at least ", "above "].iter().any(|part| message.contains(part));
                let names = ["must be none", "must be model"].iter().any(|part| message.contains(part));
                assert!(range || names, "{words:?} {flag}: {message}");
            }
        }
    }
    assert!(numbers > 60, "{numbers}");
    let message = fails(&["generate", "--prompt", "a", "--temperature", "1e300"], 2);
    assert!(message.contains("--temperature") && message.contains("must be a finite number from 0 on"), "{message}");
    for (assignment, words) in [
        ("schedule.warmup=18446744073709551615", "must be a whole number from 0 to 9223372036854775807"),
        ("train.batch=-1", "must be a whole number from 0 to"),
        ("train.threads=-1", "must be a whole number from 0 to"),
        ("model.layers=1.5", "must be a whole number from 0 to"),
        ("train.steps=1e3", "must be a whole number from 0 to"),
    ] {
        let message = fails(&["plan", "--set", assignment], 1);
        assert!(message.contains(&format!("--set {assignment}: {words}")), "{message}");
    }
}

#[test]
fn text_may_begin_with_a_hyphen() {
    let folder = tempfile::tempdir().unwrap();
    let path = at(folder.path(), "model.ebt");
    support::model(&configs()[0], false).save(Path::new(&path), Dtype::F32).unwrap();
    let picture = at(folder.path(), "p.svg");
    for prompt in ["- Nereye gidiyorsun?", "-", "--", "-5", "--tokens", "—", "-x"] {
        let out = succeeds(&["generate", "--model", &path, "--prompt", prompt, "--tokens", "2"]);
        assert!(out.starts_with(prompt), "{out}");
        succeeds(&["plot", "--model", &path, "--prompt", prompt, "--out", &picture]);
    }
    let rows = at(folder.path(), "satır.jsonl");
    fs::write(&rows, "{\"-metin\": \"Bir varmış.\"}\n{\"-metin\": \"Bir yokmuş.\"}\n").unwrap();
    let out = at(folder.path(), "veri");
    succeeds(&["data", "prepare", &rows, "--column", "-metin", "--licence", "- yok -", "--out", &out]);
}
