//! Training on damaged text and restoring it as a program: what is printed, and what is refused.
#![allow(clippy::unwrap_used)]

mod support {
    pub mod fed;
    pub mod program;
}

use std::fs;
use std::process::Output;

use ebt_train::restored::Restored;
use serde_json::Value;
use support::fed::fed;
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

const TEXT: &str =
    "Çok güzel bir gün, değil mi? Işıklar söndü; ağaçların üstünde kuşlar ötüyor, çocuklar şarkı söylüyor.\n";

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
    assert!(printed.contains("wrong words told by (AUROC)") || last["validation"]["restored"]["detection"].is_null());
    let restored: Restored = serde_json::from_value(last["validation"]["restored"].clone()).unwrap();
    let right = restored.per_step[0];
    // every sentence holds 15 words, and the text is known by heart
    assert_eq!(restored.of.words, 300);
    assert!(right.words > restored.typed.words && right.letters * 10 > restored.of.letters * 9, "{restored:?}");
}

/// `ebt restore` with this input.
fn restore(arguments: &[&str], input: &[u8]) -> Output {
    fed(&[&["restore"], arguments].concat(), input)
}

fn plain(text: &str) -> String {
    text.chars().map(ebt::Damage::ascii).collect()
}

#[test]
fn a_model_restores_what_it_learned_and_leaves_the_rest_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    // sentences after each other in lines and in one
    fs::write(at("text.txt"), TEXT.repeat(20) + &TEXT.replace('\n', " ").repeat(20)).unwrap();
    let (run, packed) = (at("run"), at("restore.ebp"));
    let more = ["--data", &at("text.txt"), "--out", &run, "--steps", "250"];
    assert!(succeeds(&train(&more, &at("text.txt"))).contains("restore --model"));
    succeeds(&["export", "--packed", "f32", "--out", &packed, &run]);
    let good = |arguments: &[&str], input: &[u8]| {
        let output = restore(&[&["--model", &run], arguments].concat(), input);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let line = TEXT.trim_end();
    // lines of every end, empty ones, none at the end; what is right already, and capitals
    let input = format!("{0}\r\n\n{1}\n{0}", plain(line), line);
    let restored = good(&[], input.as_bytes());
    assert_eq!(String::from_utf8_lossy(&restored), format!("{line}\r\n\n{line}\n{line}"));
    assert_eq!(good(&[], &restored), restored);
    assert_eq!(restore(&["--model", &packed], input.as_bytes()).stdout, restored);
    assert_eq!(good(&["--commits", "3"], input.as_bytes()), restored);
    let refused = restore(&["--model", &packed, "--starts", "2"], b"gun\n");
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && message.contains("head of logits"), "{message}");
    // another run begins with the packed weights, and moves them by next to nothing
    let other = at("other");
    let more = ["--data", &at("text.txt"), "--out", &other, "--steps", "1", "--from", &packed];
    succeeds(&train(&[&more[..], &["--set", "schedule.rate=1e-30"]].concat(), &at("text.txt")));
    assert_eq!(restore(&["--model", &other], input.as_bytes()).stdout, restored);
    assert!(good(&[], b"").is_empty());
    // a line far longer than the model's window
    let long = format!("{line} ").repeat(400);
    let whole = good(&[], plain(&long).as_bytes());
    let whole = String::from_utf8(whole).unwrap();
    let wrong = whole.chars().zip(long.chars()).filter(|(is, was)| is != was).count();
    assert!(whole.chars().count() == long.chars().count() && wrong * 200 < long.len(), "{wrong} letters are wrong");
    assert!(good(&[], whole.as_bytes()) == whole.as_bytes());
    // a megabyte
    let megabyte = format!("{line} ").repeat(1_000_000 / line.len() + 1);
    let whole = good(&[], plain(&megabyte).as_bytes());
    let wrong =
        std::str::from_utf8(&whole).unwrap().chars().zip(megabyte.chars()).filter(|(is, was)| is != was).count();
    assert!(whole.len() > 1_000_000 && wrong * 200 < megabyte.len(), "{wrong} letters are wrong");
    // what is no prose, and bytes that are no text
    let kept = b"gunes@ornek.com https://x.y/gun \x00 \xF0\x9F\x98\x80 s\xCC\xA7 main.rs\n";
    assert_eq!(good(&[], kept), kept);
    let broken = [plain(line).as_bytes(), b" \xff\xfe ", plain(line).as_bytes(), b"\n"].concat();
    assert_eq!(good(&["--lossy"], &broken), [line.as_bytes(), b" \xff\xfe ", line.as_bytes(), b"\n"].concat());
    let output = restore(&["--model", &run], &[input.as_bytes(), b"\n", &broken].concat());
    let message = String::from_utf8_lossy(&output.stderr);
    let place = plain(line).len() + 2;
    assert!(output.status.code() == Some(1) && message.contains("line 5") && message.contains("--lossy"), "{message}");
    assert!(message.contains(&format!("byte {place} ")), "{message}");
    assert_eq!(output.stdout, [&restored[..], b"\n"].concat());
    // places and probabilities
    let told = good(&["--json"], plain(line).as_bytes());
    let value: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(value["text"], line);
    for letter in value["letters"].as_array().unwrap() {
        let (at, to) = (letter["at"].as_u64().unwrap() as usize, letter["to"].as_u64().unwrap() as usize);
        assert!(plain(line)[at..].starts_with(letter["was"].as_str().unwrap()), "{letter}");
        assert!(line[to..].starts_with(letter["is"].as_str().unwrap()), "{letter}");
        assert!((0.5..=1.0).contains(&letter["probability"].as_f64().unwrap()), "{letter}");
    }
    let marked = good(&["--mark", "1"], plain(line).as_bytes());
    assert_eq!(String::from_utf8_lossy(&marked).replace(['[', ']'], ""), line);
    assert!(marked.contains(&b'['));
    for (model, words) in
        [("fixtures/sudoku-model.ebp", "knows no letters"), ("fixtures/sample-model.ebp", "knows no letters")]
    {
        let model = format!("{}/../{model}", env!("CARGO_MANIFEST_DIR"));
        let output = restore(&["--model", &model], b"gun\n");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && message.contains(words) && message.contains(".ebp"), "{message}");
    }
}

#[test]
fn the_restorer_that_the_program_brings_along_restores_turkish() {
    let typed =
        "Turkiye'nin baskenti Ankara'dir. yarin aksam görüşuruz, cok ozledim sizi! ISTANBUL'da https://x.com/sicak\n";
    let right =
        "Türkiye'nin başkenti Ankara'dır. yarın akşam görüşürüz, çok özledim sizi! İSTANBUL'da https://x.com/sicak\n";
    for (damage, typed, right) in [
        ("missing", "T_rkiye'nin ba_kenti Ankara'd_r, hava g_zel.\n", "Türkiye'nin başkenti Ankara'dır, hava güzel.\n"),
        ("keyboard", "başkemti, yaron akşsm güzel bir gün olavak.\n", "başkenti, yarın akşam güzel bir gün olacak.\n"),
        ("ocr", "Türkiye'nin başkentı Ankara'dir.\n", "Türkiye'nin başkenti Ankara'dır.\n"),
        ("circumflex", "Kagit masada, ruzgar cikinca ucar.\n", "Kâğıt masada, rüzgâr çıkınca uçar.\n"),
        ("ascii", "3'uncu, 9'uncu ve 6'nci iOS'un activeIndex'i\n", "3'üncü, 9'uncu ve 6'ncı iOS'un activeIndex'i\n"),
    ] {
        let output = restore(&["--damage", damage], typed.as_bytes());
        assert_eq!(String::from_utf8_lossy(&output.stdout), right, "{damage}");
    }
    for arguments in [&[][..], &["--ascii"], &["--damage", "ascii"], &["--kernel", "portable"]] {
        let output = restore(arguments, typed.as_bytes());
        assert_eq!(String::from_utf8_lossy(&output.stdout), right, "{arguments:?}");
    }
    assert_eq!(restore(&[], right.as_bytes()).stdout, right.as_bytes());
    assert_eq!(restore(&["--ascii", "--damage", "ocr"], b"").status.code(), Some(2));
}

/// Mistyped and misread letters: what stands there is likelier than what may have been meant.
#[test]
fn mistaken_letters_are_learned_too() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("text.txt"), TEXT.repeat(20)).unwrap();
    for damage in ["keyboard", "ocr", "missing"] {
        let (run, set) = (at(damage), format!("restore.damage={damage}"));
        let more = ["--data", &at("text.txt"), "--out", &run, "--steps", "250", "--set", &set];
        let printed = succeeds(&train(&more, &at("text.txt")));
        let row = |name: &str| {
            let row = printed.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            row.split('%').nth(1).unwrap_or_default().trim().parse::<f64>().unwrap_or(0.0)
        };
        assert!(row("this model") > row("as typed"), "{printed}");
    }
}

#[test]
fn what_cannot_be_learned_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("short.txt"), "kısa").unwrap();
    fs::write(at("text.txt"), TEXT.repeat(9)).unwrap();
    let text = at("text.txt");
    for (set, words) in [
        ("model.vocab=6", "`model.vocab`: text has 55 symbols, got 6"),
        ("model.kind=ebt", "section `restore`: needs `model.kind = \"joint\"`"),
        ("restore.kept=2", "`restore.kept`"),
        ("restore.share=[0.5,0.1]", "`restore.share`"),
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
