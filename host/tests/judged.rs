//! `ebt eval --pairs` and `--choices`.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use ebt::engine::SessionOptions;
use ebt::engine::descent::{DescentOptions, Potential};
use ebt::packed::Isa;
use ebt_core::config::Config;
use ebt_core::objective::{InitialState, Objective};
use ebt_host::inference::{InferenceModel, SessionMemory};
use ebt_host::judge::{By, Item, Judging, Kind, judge};
use ebt_model::Dtype;
use ebt_tokenizer::Special;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::program::{fails, succeeds};
use support::{configs, fixtures, tokenizer};

fn saved(folder: &Path, config: &Config, objective: &Objective) -> String {
    let path = folder.join("model.ebt");
    let mut model = support::model(config, false);
    model.objective = objective.clone();
    model.save(&path, Dtype::F32).unwrap();
    path.to_str().unwrap().to_owned()
}

fn file(folder: &Path, name: &str, lines: &[Value]) -> String {
    let path = folder.join(name);
    fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn pairs() -> Vec<Value> {
    let of = |name: &str| fs::read_to_string(fixtures(&format!("minimal-pairs/{name}.jsonl"))).unwrap();
    let both = of("vowel-harmony-2") + &of("negation");
    both.lines().step_by(20).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn judged(arguments: &[&str]) -> Value {
    let mut value: Value = serde_json::from_str(&succeeds(&[&["eval", "--json"], arguments].concat())).unwrap();
    value.as_object_mut().unwrap().remove("seconds");
    value
}

#[test]
fn pairs_are_counted_by_phenomenon_and_step_whatever_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    let model = saved(folder.path(), &configs()[0], &Objective { max_steps: 2, sigma0: 0.5, ..Objective::default() });
    let lines = pairs();
    let good = file(folder.path(), "iyi.jsonl", &lines);
    let swapped: Vec<Value> = lines.iter().map(|l| json!({ "good": l["bad"], "bad": l["good"] })).collect();
    let bad = file(folder.path(), "kötü.jsonl", &swapped);
    for by in ["likelihood", "energy", "drop"] {
        let run =
            |path: &str, more: &[&str]| judged(&[&["--model", &model, "--pairs", path, "--by", by], more].concat());
        let found = run(&good, &["--threads", "1", "--think", "4"]);
        assert_eq!(
            found,
            run(&good, &["--threads", "3", "--think", "4", "--kernel", "portable"]).with(&found, "backend")
        );
        assert_eq!((&found["of"], &found["steps"]), (&20.into(), &2.into()));
        let steps = found["by_steps"].as_array().unwrap();
        assert_eq!((steps.len(), &steps[1]["right"]), (4, &found["right"]));
        let phenomena = found["phenomena"].as_array().unwrap();
        let names: Vec<&str> = phenomena.iter().map(|p| p["phenomenon"].as_str().unwrap()).collect();
        assert_eq!(names, ["vowel-harmony-2", "negation"]);
        let right: u64 = phenomena.iter().map(|p| p["right"].as_u64().unwrap()).sum();
        assert_eq!(found["right"], right);
        let (low, high) = (found["low"].as_f64().unwrap(), found["high"].as_f64().unwrap());
        assert!(low < found["accuracy"].as_f64().unwrap() && found["accuracy"].as_f64().unwrap() < high);
        // what is held for right of a pair is held for wrong where it is called wrong
        let other = run(&bad, &["--think", "4"]);
        assert_eq!(other["phenomena"][0]["phenomenon"], "kötü", "named by the file");
        assert_eq!(other["right"].as_u64().unwrap() + right, 20);
        let text = succeeds(&["eval", "--model", &model, "--pairs", &good, &bad, "--by", by]);
        assert!(
            text.contains("negation") && text.contains("95 % interval") && text.contains("by number of steps"),
            "{text}"
        );
    }
}

/// The same but for one field, which is that of another.
trait With {
    fn with(self, other: &Value, field: &str) -> Value;
}

impl With for Value {
    fn with(mut self, other: &Value, field: &str) -> Value {
        self[field] = other[field].clone();
        self
    }
}

/// The scores of a whole sentence, token by token, by what the guide says of them.
fn scores(model: &InferenceModel, text: &str, by: By, steps: usize, seed: u64) -> Vec<f64> {
    let packed = model.model().unwrap();
    let think = DescentOptions { steps, seed, ..DescentOptions::default() };
    let options =
        SessionOptions { block: 1, rows: 2, steps, trials: false, curvature: false, ..SessionOptions::default() };
    let mut memory = SessionMemory::of(&packed.config, &options).unwrap();
    let (vocab, landscapes) = (packed.config.vocab, packed.config.landscapes);
    let mut session = memory.session(packed, &options, Isa::detect()).unwrap();
    session.observe(&[tokenizer().special(Special::Begin).unwrap()]).unwrap();
    let mut sums = vec![0.0; steps];
    for token in tokenizer().encode(text).unwrap() {
        let certain = |at: usize| if at == token as usize { 1.0 } else { 0.0 };
        if by == By::Likelihood {
            let mut each = Vec::new();
            session
                .think(&think, &mut |report| {
                    each.push(f64::from(report.probabilities[token as usize]).ln());
                    std::ops::ControlFlow::Continue(())
                })
                .unwrap();
            sums.iter_mut().zip(each).for_each(|(sum, each)| *sum += each);
        } else {
            let mut start = vec![0.0; vocab];
            session.start(&think, &mut start).unwrap();
            let whole: f32 = start.iter().map(|y| y.exp()).sum();
            let states: Vec<f32> = start.iter().map(|y| y.exp() / whole).chain((0..vocab).map(certain)).collect();
            let mut potential = session.potential(2).unwrap();
            for (step, sum) in sums.iter_mut().enumerate() {
                let mut energies = [0.0; 2];
                potential.energy(step.min(landscapes - 1), &states, &[true; 2], &mut energies);
                *sum += f64::from(if by == By::Drop { energies[0] } else { 0.0 }) - f64::from(energies[1]);
            }
        }
        session.observe(&[token]).unwrap();
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn who_is_right_is_decided_by_the_sums_over_whole_texts(
        words in proptest::collection::vec("(Ankara|köy|İstanbul'un|ev|ilçeleri|ve)", 2..6), more in "[a-z]{1,5}", seed in 0u64..9, noise: bool,
    ) {
        let config = Config { landscapes: 2, window: Some(5), ..configs()[0].clone() };
        let mut trained = support::model(&config, false);
        trained.objective.initial = if noise { InitialState::Noise } else { InitialState::Zeros };
        let model = InferenceModel::of("model", trained).unwrap();
        let (good, bad) = (words.join(" "), format!("{} {more}", words[..words.len() - 1].join(" ")));
        prop_assume!(good != bad);
        let item = Item { context: String::new(), choices: vec![good.clone(), bad.clone()], answer: 0, phenomenon: String::new() };
        for by in [By::Likelihood, By::Energy, By::Drop] {
            let judging = Judging { by, steps: 4, seed, kernel: Isa::detect(), threads: 1, progress: false };
            let (found, usual) = judge(&model.model().unwrap(), &tokenizer(), std::slice::from_ref(&item), Kind::Pairs, &judging).unwrap();
            prop_assert_eq!(usual, 3);
            let [a, b] = [&good, &bad].map(|text| scores(&model, text, by, 4, seed));
            for step in 0..4 {
                // what is nearly equal may be decided by rounding
                if (a[step] - b[step]).abs() > 1e-3 * (a[step].abs() + b[step].abs()) {
                    prop_assert_eq!(found[0].right[step], a[step] > b[step], "{:?} {}: {} {}", by, step, a[step], b[step]);
                }
            }
        }
    }
}

#[test]
fn a_descent_begins_with_the_start_that_is_told() {
    for initial in [InitialState::Zeros, InitialState::Noise] {
        let mut trained = support::model(&configs()[0], false);
        trained.objective.initial = initial;
        let model = InferenceModel::of("model", trained).unwrap();
        let packed = model.model().unwrap();
        let vocab = packed.config.vocab;
        let think = DescentOptions { steps: 1, seed: 7, ..DescentOptions::default() };
        let options = SessionOptions {
            block: 1,
            rows: 1,
            steps: 1,
            trials: false,
            curvature: false,
            ..SessionOptions::default()
        };
        let mut memory = SessionMemory::of(&packed.config, &options).unwrap();
        let mut session = memory.session(packed, &options, Isa::detect()).unwrap();
        let mut start = vec![0.0; vocab];
        assert!(session.start(&think, &mut start).unwrap_err().to_string().contains("observe at least one token"));
        session.observe(&[5, 9, 20]).unwrap();
        assert!(session.start(&think, &mut start[1..]).is_err());
        session.start(&think, &mut start).unwrap();
        assert_eq!(start.iter().all(|y| *y == 0.0), matches!(initial, InitialState::Zeros));
        let whole: f32 = start.iter().map(|y| y.exp()).sum();
        let state: Vec<f32> = start.iter().map(|y| y.exp() / whole).collect();
        let mut energy = [0.0];
        session.potential(1).unwrap().energy(0, &state, &[true], &mut energy);
        let certificate = session.think(&think, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
        let first = certificate.energies[0];
        assert!((first - energy[0]).abs() <= 1e-4 * (1.0 + first.abs()), "{first} {}", energy[0]);
    }
}

#[test]
fn choices_are_judged_as_they_are_and_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    let model = saved(folder.path(), &configs()[0], &Objective::default());
    let lines: Vec<Value> = (0..6)
        .map(|i| json!({ "context": format!("Ankara {i} ve"), "choices": ["köy", "ilçeleri ve köyleri", "İstanbul"], "answer": i % 3 }))
        .collect();
    let path = file(folder.path(), "sorular.jsonl", &lines);
    let found = judged(&["--model", &model, "--choices", &path]);
    assert_eq!((&found["of"], &found["phenomena"][0]["phenomenon"]), (&6.into(), &"sorular".into()));
    assert!(found["accuracy_by_byte"].is_number());
    assert!(succeeds(&["eval", "--model", &model, "--choices", &path]).contains("by byte"));
    let sum: u64 = (0..3)
        .map(|answer| {
            let one = file(
                folder.path(),
                "bir.jsonl",
                &[json!({ "context": "Ev", "choices": ["köy", "ilçe", "ve"], "answer": answer })],
            );
            judged(&["--model", &model, "--choices", &one])["right"].as_u64().unwrap()
        })
        .sum();
    assert_eq!(sum, 1, "one of three answers is chosen");
}

#[test]
fn the_baseline_has_no_energy_and_a_joint_model_judges_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "çift.jsonl", &pairs());
    let model = saved(folder.path(), &configs()[3], &Objective::default());
    let found = judged(&["--model", &model, "--pairs", &path, "--think", "5"]);
    assert_eq!((&found["steps"], found["by_steps"].as_array().unwrap().len()), (&1.into(), 1));
    for by in ["energy", "drop"] {
        let told = fails(&["eval", "--model", &model, "--pairs", &path, "--by", by], 1);
        assert!(told.contains("has no energy") && told.contains("likelihood"), "{told}");
    }
    let solver = fixtures("sudoku-model.ebp");
    let told = fails(&["eval", "--model", solver.to_str().unwrap(), "--pairs", &path], 1);
    assert!(told.contains("sudoku-model.ebp") && told.contains("judges no text"), "{told}");
}

#[test]
fn what_cannot_be_judged_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let model = saved(folder.path(), &configs()[0], &Objective::default());
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    for (flag, name, text, parts) in [
        (
            "--pairs",
            "a.jsonl",
            "{\"good\": \"a\", \"bad\": \"b\"}\n{\"good\": \"a\", \"kötü\": \"b\"}",
            &["line 2", "no `bad`", "kötü"][..],
        ),
        ("--pairs", "b.jsonl", "{\"good\": \"a\", \"bad\": \"a\"}", &["line 1", "the same"]),
        ("--pairs", "c.jsonl", "{\"good\": \"\", \"bad\": \"a\"}", &["text 1 is empty"]),
        ("--pairs", "d.jsonl", "{\"good\": 1, \"bad\": \"a\"}", &["`good` is no text"]),
        ("--pairs", "e.jsonl", "\n[1]\n", &["line 2", "not one JSON object"]),
        ("--pairs", "f.jsonl", "\n", &["f.jsonl", "nothing to judge"]),
        ("--pairs", "g.txt", "a", &["g.txt", ".jsonl"]),
        ("--pairs", "h.jsonl.gz", "a", &["packed"]),
        ("--pairs", "i.csv", "good,bad\na,b\nc\n", &["row 2", "i.csv"]),
        ("--pairs", "j.parquet", "PAR1", &["j.parquet", "Parquet"]),
        (
            "--choices",
            "k.jsonl",
            "{\"context\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": 2}",
            &["the answer 2", "2 choices"],
        ),
        ("--choices", "l.jsonl", "{\"context\": \"a\", \"choices\": [\"b\"], \"answer\": 0}", &["two choices or more"]),
        ("--choices", "m.jsonl", "{\"context\": \"a\", \"choices\": \"b\", \"answer\": 0}", &["no list `choices`"]),
        ("--choices", "n.jsonl", "{\"context\": \"a\", \"choices\": [\"b\", 1], \"answer\": 0}", &["what is no text"]),
        (
            "--choices",
            "o.jsonl",
            "{\"context\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": -1}",
            &["`answer` is no number"],
        ),
    ] {
        let path = write(name, text);
        let told = fails(&["eval", "--model", &model, flag, path.to_str().unwrap()], 1);
        assert!(parts.iter().all(|part| told.contains(part)), "{name}: {told}");
    }
    assert!(fails(&["eval", "--model", &model, "--pairs", "/yok.jsonl"], 1).contains("/yok.jsonl"));
    let good = write("iyi.csv", "good,bad\nEv güzel.,Ev güzeller.\n");
    let good = good.to_str().unwrap();
    assert_eq!(judged(&["--model", &model, "--pairs", good])["of"], 1);
    fails(&["eval", "--model", &model, "--pairs", good, "--choices", good], 2);
    fails(&["eval", "--model", &model, "--pairs", good, "--candidates", "2"], 2);
    fails(&["eval", "--model", &model, "--by", "energy"], 2);
    assert!(fails(&["eval", "--model", &model, "--pairs", good, "--backend", "cuda"], 1).contains("--backend cpu"));
}
