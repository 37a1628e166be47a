//! `ebt solve` as a program: answers, what they are worth, boards that cannot be answered.
#![allow(clippy::unwrap_used)]

mod support {
    pub mod fed;
    pub mod program;
}

use std::path::Path;

use serde_json::Value;
use support::fed::fed;
use support::program::{fails, succeeds, text};

/// A run on boards of 4 x 4.
fn trained(folder: &Path) -> String {
    let out = folder.join("run").to_str().unwrap().to_owned();
    let settings = [
        "model.vocab=4",
        "model.context=16",
        "model.joint.grid={rows=4,columns=4,box_rows=2,box_columns=2}",
        "model.dim=32",
        "model.ffn=32",
        "sudoku.givens=[6,8]",
        "sudoku.harder=[5,6]",
        "sudoku.tests=8",
        "train.batch=16",
        "objective.curriculum=60",
    ];
    let begin = ["train", "--preset", "sudoku", "--out", &out, "--steps", "400", "--quiet", "--threads", "1"];
    let printed = succeeds(&[&begin[..], &settings.iter().flat_map(|set| ["--set", set]).collect::<Vec<_>>()].concat());
    assert!(printed.contains("solve --model"), "{printed}");
    out
}

/// Standard output, standard error and exit status of `ebt solve` over some lines.
fn solve(model: &str, more: &[&str], input: &str) -> (String, String, i32) {
    asked(&[&["--model", model], more].concat(), input)
}

fn asked(arguments: &[&str], input: &str) -> (String, String, i32) {
    let output = fed(&[&["solve"], arguments].concat(), input.as_bytes());
    let errors = text(&output.stderr);
    assert!(!errors.contains("panicked"), "{errors}");
    (text(&output.stdout), errors, output.status.code().unwrap())
}

const BOARD: &str = "12.. 3.1. .1.3 4..1";

#[test]
fn boards_are_answered_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    let model = trained(folder.path());
    let (out, errors, status) = solve(&model, &[], &format!("{BOARD}\n\n{{\"given\": \"12..3.1..1.34..1\"}}\n"));
    assert_eq!((status, out.lines().count()), (0, 2), "{errors}");
    let [plain, object] = out.lines().collect::<Vec<_>>()[..] else { panic!("{out}") };
    assert_eq!(plain, object);
    assert!(plain.len() == 16 && plain.starts_with("12"), "{plain}");

    // the same by every way of choosing, by commits, and with the same seed the same
    for more in [
        &["--starts", "8", "--choose", "energy"][..],
        &["--starts", "8", "--choose", "free", "--seed", "3"],
        &["--starts", "8", "--choose", "entropy"],
        &["--starts", "8", "--choose", "residual"],
        &["--starts", "8", "--choose", "vote"],
        &["--commits", "4", "--think", "4"],
        &["--eta", "1", "--think", "100"],
        &["--kernel", "portable"],
    ] {
        let (out, errors, status) = solve(&model, more, BOARD);
        assert_eq!(status, 0, "{more:?}: {errors}");
        assert!(out.starts_with("12") && out.trim_end().len() == 16, "{more:?}: {out}");
        assert_eq!(solve(&model, more, BOARD).0, out);
    }

    // a line of JSON says what the answer is worth
    let (out, _, _) = solve(&model, &["--json", "--starts", "4"], &format!("\n{BOARD}"));
    let value: Value = serde_json::from_str(out.trim_end()).unwrap();
    assert_eq!((value["line"].as_u64(), value["steps"].as_u64()), (Some(2), Some(16)));
    assert_eq!(value["answer"].as_str().unwrap(), plain);
    assert_eq!(value["candidates"].as_array().unwrap().len(), 4);
    assert_eq!(value["certificate"]["energies"].as_array().unwrap().len(), 16);
    assert_eq!(value["solved"].as_bool().unwrap(), value["violations"].as_array().unwrap().is_empty());
    for number in ["energy", "free", "entropy", "residual"] {
        assert!(value[number].is_f64(), "{number}: {value}");
    }
    let free = value["free"].as_f64().unwrap();
    let least = value["candidates"].as_array().unwrap().iter().map(|c| c["end"]["free"].as_f64().unwrap());
    assert_eq!(least.fold(f64::INFINITY, f64::min), free);
}

#[test]
fn boards_that_cannot_be_answered_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let model = trained(folder.path());
    let refused = |input: &str| {
        let (out, errors, status) = solve(&model, &[], input);
        assert_eq!(status, 1, "{out} {errors}");
        errors
    };
    for (line, words) in [
        ("1..", "16"),
        ("1...5...........", "5"),
        ("11..............", "row 1 has 1 twice"),
        ("{\"given\": \"1...............\", \"allowed\": {\"r9c1\": \"1\"}}", "r9c1"),
        ("{\"allowed\": {\"r1c2\": \"\"}}", "row 1, column 2"),
        ("{\"given\"", "JSON"),
        ("", "no board"),
    ] {
        assert!(refused(line).contains(words), "{line}: {}", refused(line));
    }
    // the others are answered, and lines keep their numbers
    let (out, errors, status) = solve(&model, &[], &format!("11..............\n{BOARD}\n"));
    assert_eq!((status, out.lines().count()), (1, 2), "{out}");
    assert!(
        out.lines().next().unwrap().is_empty() && errors.contains("line 1:") && errors.contains("1 of 2"),
        "{errors}"
    );
    // a board without a solution has an answer, of which it is said that it is none
    let (out, errors, status) = solve(&model, &[], "123. ...4 .... ....\n");
    assert_eq!((status, out.lines().count()), (0, 1), "{errors}");
    assert!(errors.contains("the answer is wrong") && errors.contains("no solution"), "{errors}");
    // models that solve nothing
    let message = fails(&["solve", "--model", "nowhere.ebp"], 1);
    assert!(message.contains("nowhere.ebp"), "{message}");
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/sample-model.ebp");
    let (_, errors, status) = solve(sample, &[], BOARD);
    assert!(status == 1 && errors.contains("joint"), "{errors}");
}

/// Boards with one solution and 9 givens.
const HARD: &str = include_str!("boards/nine-givens.txt");

#[test]
fn the_solver_that_the_program_brings_along_solves_hard_boards() {
    let solve = |more: &[&str]| {
        let (lines, errors, status) = asked(&[&["--json"], more].concat(), HARD);
        assert_eq!(status, 0, "{errors}");
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let solved = |answers: &[Value]| answers.iter().filter(|answer| answer["solved"] == true).count();
    let (once, commits, starts) = (solve(&[]), solve(&["--think", "4", "--commits", "8"]), solve(&["--starts", "16"]));
    let all = HARD.lines().count();
    assert!(solved(&once) * 10 >= all * 8 && solved(&commits) >= solved(&once), "{once:?}");
    assert_eq!(solved(&starts), all);
    // a start is kept for its energy alone; every step of all of them is certified
    for answer in &starts {
        let energies: Vec<f64> = answer["candidates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|start| start["end"]["free"].as_f64().unwrap())
            .collect();
        assert_eq!(answer["free"].as_f64().unwrap(), energies.iter().copied().fold(f64::INFINITY, f64::min));
        assert_eq!(answer["certificate"]["energies_after"].as_array().unwrap().len(), 16);
    }
}

#[test]
fn dynamics_are_those_of_text() {
    let solve = |more: &[&str]| asked(&[&["--json"], more].concat(), HARD.lines().next().unwrap());
    let armijo = solve(&["--step-size", "armijo", "--think", "100", "--tolerance", "0.0001"]).0;
    let armijo: Value = serde_json::from_str(&armijo).unwrap();
    assert!(armijo["steps"].as_u64().unwrap() < 100 && armijo["certificate"]["stop"] != "steps", "{armijo}");
    let curved: Value = serde_json::from_str(&solve(&["--step-size", "curvature:1"]).0).unwrap();
    assert_eq!(curved["certificate"]["alpha_lambda"].as_array().unwrap().len(), 16, "{curved}");
    for noise in ["langevin:0.1", "temperature:0.1", "mala:0.1"] {
        let one = solve(&["--noise", noise, "--step-size", "0.2", "--seed", "3"]).0;
        assert_eq!(one, solve(&["--noise", noise, "--step-size", "0.2", "--seed", "3"]).0);
        assert!(one.contains("\"answer\""), "{noise}: {one}");
    }
    assert!(solve(&["--step-size", "0.5", "--eta", "0.5"]).1.contains("--eta"));
}
