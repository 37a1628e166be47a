//! Training on damaged text as a program: what it prints, what it refuses.
#![allow(clippy::unwrap_used)]

mod support {
    pub mod program;
}

use std::fs;

use ebt_train::restored::Restored;
use serde_json::Value;
use support::program::{fails, succeeds};

/// The preset, made small.
const SMALL: [&str; 14] = [
    "--set",
    "model.dim=16",
    "--set",
    "model.layers=1",
    "--set",
    "model.ffn=16",
    "--set",
    "model.context=32",
    "--set",
    "train.validate_tokens=2048",
    "--threads",
    "1",
    "--quiet",
    "--validation",
];

fn train<'a>(arguments: &[&'a str], validation: &'a str) -> Vec<&'a str> {
    [&["train", "--preset", "restore"], &SMALL[..], &[validation], arguments].concat()
}

const TEXT: &str = "Çok güzel bir gün, değil mi? Işıklar söndü; ağaçların üstünde kuşlar ötüyor, çocuklar şarkı söylüyor.\n";

#[test]
fn a_run_prints_the_words_that_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("text.txt"), TEXT.repeat(20)).unwrap();
    let data = ["--data", &at("text.txt")];
    let out = at("run");
    let printed = succeeds(&train(&[&data[..], &["--out", &out, "--steps", "80"]].concat(), &at("text.txt")));
    for words in ["words right", "as typed", "most frequent form of a word         100.00%", "this model, 1 step"] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    let lines = fs::read_to_string(format!("{out}/metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let restored: Restored = serde_json::from_value(last["validation"]["restored"].clone()).unwrap();
    let right = restored.per_step[0];
    // every sentence holds 14 words, and the text is known by heart
    assert_eq!(restored.of.words, 280);
    assert!(right.words > restored.typed.words && right.letters * 10 > restored.of.letters * 9, "{restored:?}");
}

#[test]
fn what_cannot_be_learned_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("short.txt"), "kısa").unwrap();
    fs::write(at("text.txt"), TEXT.repeat(9)).unwrap();
    let text = at("text.txt");
    for (set, words) in [
        ("model.vocab=6", "`model.vocab`: text has 46 symbols, got 6"),
        ("model.kind=ebt", "section `restore`: needs `model.kind = \"joint\"`"),
        ("restore.kept=2", "`restore.kept`"),
        ("restore.missing=[0.5,0.1]", "`restore.missing`"),
        ("restore.damage=burnt", "burnt"),
        ("restore.kep=1", "restore.kept"),
    ] {
        let error = fails(&train(&["--data", &text, "--out", &at("run"), "--set", set], &text), 1);
        assert!(error.contains(words), "{set}: {error}");
    }
    let error = fails(&train(&["--data", &at("short.txt"), "--out", &at("run")], &text), 1);
    assert!(error.contains("too short: 5 characters, but one sequence needs 33"), "{error}");
    let prepared = at("prepared");
    succeeds(&["data", "prepare", &text, "--out", &prepared, "--quiet"]);
    let error = fails(&train(&["--data", &prepared, "--out", &at("run")], &text), 1);
    assert!(error.contains("holds tokens, but letters are wanted"), "{error}");
}
