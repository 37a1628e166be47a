//! Words finished and texts scored as a program: what is printed, and what is refused.
#![allow(clippy::unwrap_used)]

mod support {
    pub mod fed;
    pub mod program;
}

use serde_json::Value;
use support::fed::fed;
use support::program::{fails, succeeds};

/// The words of a JSON line, with their probabilities.
fn words(line: &str) -> Vec<(String, f64)> {
    let line: Value = serde_json::from_str(line).unwrap();
    let words = line["words"].as_array().unwrap();
    words.iter().map(|w| (w["word"].as_str().unwrap().to_owned(), w["probability"].as_f64().unwrap())).collect()
}

#[test]
fn words_are_finished_on_the_command_line_and_line_by_line() {
    let found = words(&succeeds(&["suggest", "Ankara'd", "--json"]));
    assert_eq!(found.len(), 5);
    for word in ["Ankara'da", "Ankara'dan", "Ankara'daki"] {
        assert!(found.iter().any(|(other, _)| other == word), "{found:?}");
    }
    assert!(found.windows(2).all(|pair| pair[0].1 >= pair[1].1) && found[0].1 <= 1.0);
    let printed = succeeds(&["suggest", "Ankara'd", "-k", "2"]);
    assert_eq!(
        printed.lines().map(|line| line.split_whitespace().last().unwrap()).collect::<Vec<_>>(),
        [&found[0].0, &found[1].0]
    );

    // a line is a text of its own, however it ends, and what was asked before does not matter
    let output = fed(&["suggest", "--json", "--kernel", "portable"], "Türkiye'nin \r\nAnkara'd".as_bytes());
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = lines.lines().map(words).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1], found);
    assert!(lines[0].iter().all(|(word, _)| word.chars().all(char::is_alphanumeric)), "{:?}", lines[0]);
    // one letter more leaves a part of the words
    let before = words(&succeeds(&["suggest", "Türkiye'nin b", "--json", "-k", "40"]));
    let after = words(&succeeds(&["suggest", "Türkiye'nin ba", "--json", "-k", "1"]));
    assert!(before.iter().any(|(word, _)| *word == after[0].0), "{before:?} {after:?}");

    assert!(fails(&["suggest", "a", "-k", "0"], 2).contains("1"));
    assert!(fails(&["suggest", "a", "--think", "70000"], 2).contains("--think"));
    assert!(fails(&["suggest", "a", "--model", "nowhere.ebp"], 1).contains("nowhere.ebp"));
    let broken = fed(&["suggest"], b"gel\n\xff\n");
    assert_eq!(broken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("line 2"));
}

#[test]
fn texts_are_scored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metin.txt");
    let text = "Ankara'da yağmur yağıyor.\nTürkiye'nin başkenti Ankara'dır.\n".repeat(20);
    std::fs::write(&path, &text).unwrap();
    let file = path.to_str().unwrap();
    let all: Value = serde_json::from_str(&succeeds(&["score", "--json", "--by-token", file])).unwrap();
    assert_eq!(all["bytes"].as_u64(), Some(text.len() as u64));
    let each = all["each"].as_array().unwrap();
    assert_eq!(each.len() as u64, all["tokens"].as_u64().unwrap());
    let sum: f64 = each.iter().map(|token| token["bits"].as_f64().unwrap()).sum();
    assert!((sum - all["bits"].as_f64().unwrap()).abs() < 1e-6 * sum);
    let joined: String = each.iter().map(|token| token["piece"].as_str().unwrap()).collect();
    assert!(joined == text || joined.contains('\u{fffd}'));
    // what repeats is predicted better than what was never seen
    let per_byte = |value: &Value| value["bits_per_byte"].as_f64().unwrap();
    let random = fed(&["score", "--json", "--kernel", "portable"], "qx wvk zzj xqw fgh".repeat(9).as_bytes()).stdout;
    assert!(per_byte(&serde_json::from_slice(&random).unwrap()) > 2.0 * per_byte(&all));
    let printed = succeeds(&["score", "--by-token", file]);
    assert_eq!(printed.lines().count(), each.len() + 2);
    assert!(printed.contains("bits per byte"));
    assert!(fails(&["score", "nowhere.txt"], 1).contains("nowhere.txt"));
    assert!(String::from_utf8_lossy(&fed(&["score"], b"").stderr).contains("no text"));
    assert!(String::from_utf8_lossy(&fed(&["score"], b"\xff").stderr).contains("not UTF-8"));
}
