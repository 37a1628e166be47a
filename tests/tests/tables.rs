//! Tables say what was measured: every row is computed again from the raw lines in `fixtures/results`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The JSON objects of a file of results, one a line.
fn lines(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(root().join("fixtures/results").join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(of: &Value, field: &str) -> f64 {
    of[field].as_f64().unwrap_or_else(|| panic!("{field} of {of}"))
}

/// A share in per cent with two decimals.
fn share(of: &Value, part: &str, whole: &str) -> String {
    format!("{:.2}", 100.0 * number(of, part) / number(of, whole))
}

/// The row of a way to restore letters.
fn row(name: &str, of: &Value, bytes: f64) -> String {
    let (words, letters) = (share(of, "words_right", "words"), share(of, "letters_right", "letters"));
    format!("| {name} | {words} | {letters} | {:.2} |", bytes / 1e6)
}

#[test]
fn guide_says_what_restoring_measured() {
    let guide = fs::read_to_string(root().join("host/guide/letters.md")).unwrap();
    let rivals = lines("restore-rivals.jsonl");
    let rival = |name: &str| {
        let found = rivals.iter().find(|of| of["name"] == name && of["text"] == "validation");
        found.unwrap_or_else(|| panic!("there is no rival {name}"))
    };
    for (shown, name) in [
        ("as typed", "as typed"),
        ("the most frequent form of every word", "most frequent form"),
        ("letter 6-gram, beam of 12", "letter 6-gram"),
        ("the same with a table of words", "letter 6-gram with words"),
        ("letter 6-gram, pruned to a megabyte", "letter 6-gram within 1 MB"),
        ("the same with a table of words, pruned to a megabyte", "letter 6-gram with words within 1 MB"),
    ] {
        let row = row(shown, rival(name), number(rival(name), "bytes"));
        assert!(guide.contains(&row), "the guide lacks {row}");
    }
    // the same on the text as the network learned it
    let weighted = lines("restore-rivals-weighted.jsonl");
    let words = |name: &str| {
        let found = weighted.iter().find(|of| of["name"] == name && of["text"] == "validation").unwrap();
        share(found, "words_right", "words")
    };
    let [all, within] = ["letter 6-gram with words", "letter 6-gram with words within 1 MB"].map(words);
    let said = format!("{all} % of words, and {within} in a megabyte");
    assert!(guide.contains(&said), "the guide does not say {said}");
    let own = lines("restore.jsonl");
    let bytes = fs::metadata(root().join("fixtures/restore-model.ebp")).unwrap().len() as f64;
    let row = row("**`ebt restore`**, int8", &own[0], bytes);
    assert!(guide.contains(&row), "the guide lacks {row}");
    let coverage = own.iter().find(|of| of["coverage"] == 0.95).unwrap();
    let sure = format!("{} of {} are wrong", coverage["wrong"], thousands(number(coverage, "words") as u64));
    assert!(guide.contains(&sure), "the guide does not say {sure}");
    let right = own.last().unwrap();
    let changed =
        format!("{} words of {}", right["falsely_changed"], thousands(number(right, "right_text_words") as u64));
    assert!(guide.contains(&changed), "the guide does not say {changed}");
}

/// A number with commas behind thousands.
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let (mut out, first) = (String::new(), digits.len() % 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && i % 3 == first {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[test]
fn the_table_of_pairs_says_what_was_judged() {
    let table = fs::read_to_string(root().join("fixtures/results/pairs.txt")).unwrap();
    let rows = lines("pairs.jsonl");
    assert!(rows.len() > 7 && rows.iter().all(|row| row["of"] == 2400));
    for row in &rows {
        let percent = |of: &Value| format!("{:.1}", 100.0 * number(of, "accuracy"));
        assert_eq!(number(row, "accuracy"), number(row, "right") / number(row, "of"));
        let mut shown =
            vec![row["name"].as_str().unwrap().to_owned(), row["by"].as_str().unwrap().to_owned(), percent(row)];
        let between = [number(row, "low"), number(row, "high")].map(|share| format!("{:.1}", 100.0 * share));
        shown.extend([between[0].clone(), String::from("to"), between[1].clone()]);
        let steps = row["by_steps"].as_array().map_or(&[][..], Vec::as_slice);
        shown.extend(steps.iter().filter(|_| steps.len() > 1).map(percent));
        let there = table.lines().any(|line| line.split_whitespace().eq(shown.iter().map(String::as_str)));
        assert!(there, "pairs.txt lacks {}", shown.join(" "));
    }
    for (place, phenomenon) in rows[0]["phenomena"].as_array().unwrap().iter().enumerate() {
        let name = phenomenon["phenomenon"].as_str().unwrap();
        let of = |row: &Value| {
            let found = &row["phenomena"][place];
            assert_eq!(found["phenomenon"], name);
            format!("{:.1}", 100.0 * number(found, "accuracy"))
        };
        let shown: Vec<String> = [name.to_owned()].into_iter().chain(rows.iter().map(of)).collect();
        let there = table.lines().any(|line| line.split_whitespace().eq(shown.iter().map(String::as_str)));
        assert!(there, "pairs.txt lacks {}", shown.join(" "));
    }
}

#[test]
fn the_table_of_keystrokes_says_what_was_typed() {
    let rows = lines("suggest.jsonl");
    let sum = |of: &dyn Fn(&Value) -> f64| rows.iter().map(of).sum::<f64>();
    let field = |name: &'static str| sum(&|row| number(row, name));
    let (letters, asked) = (field("letters"), field("questions"));
    let of_all = |way: &str, offers| {
        let saved = sum(&|row| number(&row["saved"], &format!("{way}, {offers}")));
        format!("{:.1} %", 100.0 * saved / letters)
    };
    let all = |way: &str| [1, 3, 5].map(|offers| of_all(way, offers));
    let (ours, theirs, more) = (all("ebt suggest"), all("bigrams and words"), all("the same of more text"));
    let table = fs::read_to_string(root().join("fixtures/results/suggest.txt")).unwrap();
    let shown = [
        format!("{} sentences", rows.len()),
        format!("{letters} letters, {} words", field("words")),
        format!("ebt suggest {}", ours.join(" ")),
        format!("bigrams and words {}", theirs.join(" ")),
        format!("the same of more text {}", more.join(" ")),
        format!("{asked} questions, {:.1} evaluations each", field("evaluations") / asked),
    ];
    let table = table.split_whitespace().collect::<Vec<_>>().join(" ");
    let guide = fs::read_to_string(root().join("host/guide/suggest.md")).unwrap();
    for shown in shown {
        assert!(table.contains(&shown), "suggest.txt lacks {shown}");
    }
    for (name, shares) in [("`ebt suggest`", ours), ("bigrams, then words", theirs), ("the same of all text", more)] {
        let row = format!("| {name} | {} |", shares.join(" | "));
        assert!(guide.contains(&row), "the guide lacks {row}");
    }
}

/// Scripts that make a table of raw lines make the one that stands there.
#[test]
fn scripts_print_the_tables_that_stand_beside_them() {
    let results = root().join("fixtures/results");
    for name in ["causal", "confidence", "ppmd", "race", "sampling"] {
        let script = results.join(format!("{name}.py"));
        let Ok(printed) = Command::new("python3").arg(&script).arg("--table").output() else {
            eprintln!("not run: there is no python3");
            return;
        };
        assert!(printed.status.success(), "{name}.py: {}", String::from_utf8_lossy(&printed.stderr));
        let stands = fs::read_to_string(results.join(format!("{name}.txt"))).unwrap();
        let table = String::from_utf8(printed.stdout).unwrap();
        assert_eq!(table.lines().collect::<Vec<_>>(), stands.lines().collect::<Vec<_>>(), "{name}.txt");
    }
}

/// The middle of some values, the mean of two where there are two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

#[test]
fn the_front_page_says_what_the_race_measured() {
    let rounds = lines("race.jsonl");
    let over = |field: &str, ours: &str, theirs: &str| {
        median(rounds.iter().map(|round| number(&round[ours], field) / number(&round[theirs], field)).collect())
    };
    let times = |ours: &str, theirs: &str| format!("{:.2} times", over("tokens_per_second", ours, theirs));
    let share = |ours: &str, theirs: &str| format!("{:.0} %", 100.0 * over("peak_bytes", ours, theirs));
    // against the way of PyTorch that is faster in these numbers; memory against either
    let [f32s, stepwise, blocks] = ["ours f32", "PyTorch f32 stepwise", "ours f32 blocks"];
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    let row = page.lines().find(|line| line.contains("PyTorch's training step")).unwrap();
    for said in [
        times(f32s, stepwise),
        share(f32s, stepwise),
        share(f32s, "PyTorch f32"),
        times(blocks, stepwise),
        share(blocks, stepwise),
        times("ours bf16", "PyTorch bf16"),
    ] {
        assert!(row.contains(&said), "README.md does not say {said}");
    }
}
