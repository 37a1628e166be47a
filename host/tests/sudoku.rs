//! Training on boards as a program: what it prints, resumption and ranks (of letters too), refusals.
#![allow(clippy::unwrap_used)]

mod support {
    pub mod program;
}

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use ebt_cpu::{Cpu, Ranks};
use ebt_data::progress::Silent;
use ebt_ranks::{Alone, Collective, threads};
use ebt_train::boards::{Choice, Solved};
use ebt_train::checkpoint::{State, Store};
use ebt_train::run_config::{RunConfig, presets};
use ebt_train::session::{Session, Summary, resume, train};
use serde_json::Value;
use support::program::{fails, succeeds};

/// The preset, made small: boards of 4 x 4.
const SMALL: [&str; 18] = [
    "--set",
    "model.vocab=4",
    "--set",
    "model.context=16",
    "--set",
    "model.joint.grid={rows=4,columns=4,box_rows=2,box_columns=2}",
    "--set",
    "model.dim=16",
    "--set",
    "sudoku.givens=[6,8]",
    "--set",
    "sudoku.harder=[4,5]",
    "--set",
    "sudoku.tests=8",
    "--threads",
    "1",
    "--set",
    "train.batch=8",
];

#[test]
fn a_run_prints_the_boards_that_it_solves() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let begin = ["train", "--preset", "sudoku", "--out", out.to_str().unwrap(), "--steps", "60", "--quiet"];
    let printed = succeeds(&[&begin[..], &SMALL].concat());
    for words in [
        "of 8 harder boards, solved entirely",
        "     64     100\n",
        "commits of 4 steps",
        "starts of 16 steps",
        "least energy",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    let lines = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let solved: Solved = serde_json::from_value(last["validation"]["solved"].clone()).unwrap();
    assert_eq!((solved.boards, solved.per_step.len()), (8, 100));
    assert!(solved.bits_per_cell.is_finite() && solved.bits_per_cell > 0.0);
    // one start is zeros, so any of eight is at least as good as it
    let (by, any) = (&solved.by_starts[1], solved.by_starts[1].solved[&Choice::Any]);
    assert_eq!((by.starts, by.steps, by.solved.len()), (8, 16, Choice::COUNT));
    assert!(by.solved.values().all(|&n| n <= any) && any >= solved.per_step[15] as f64);
    let losses: Vec<f64> =
        lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).unwrap()["loss"].as_f64()).collect();
    let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len() as f64;
    assert_eq!(losses.len(), 60);
    assert!(mean(&losses[50..]) < 0.9 * mean(&losses[..10]), "{losses:?}");
}

#[test]
fn rivals_are_trained_for_as_many_seconds_and_stand_in_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let begin = ["train", "--preset", "sudoku", "--out", out.to_str().unwrap(), "--steps", "20", "--quiet", "--rivals"];
    let printed = succeeds(&[&begin[..], &SMALL].concat());
    for words in [
        "joint energy",
        "one pass ",
        "4 times the blocks",
        "one pass that commits",
        "loop, through all steps",
        "commits",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    let names = ["one-pass", "one-pass-4x", "committing", "committing-4x", "loop", "loop-detached"];
    for name in names {
        assert!(out.join("rivals").join(name).join("model.ebt").is_file(), "{name}");
    }
    let refused =
        fails(&["train", "--rivals", "--out", folder.path().join("text").to_str().unwrap(), "--steps", "1"], 1);
    assert!(refused.contains("--rivals"), "{refused}");
}

#[test]
fn what_cannot_be_learned_is_refused_by_field() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let refused = |more: &[&str]| {
        let begin = ["train", "--preset", "sudoku", "--out", out.to_str().unwrap(), "--steps", "1"];
        fails(&[&begin[..], &SMALL, more].concat(), 1)
    };
    for (setting, words) in [
        ("sudoku=none", "`model.kind`"),
        ("model.kind=ebt", "`model."),
        ("model.vocab=5", "`model.vocab`"),
        ("model.context=15", "`model.joint.grid.rows`"),
        ("sudoku.givens=[1,2]", "`sudoku.givens`"),
        ("sudoku.givens=[8,6]", "`sudoku.givens`"),
        ("sudoku.harder=[17,20]", "`sudoku.harder`"),
        ("sudoku.tests=0", "`sudoku.tests`"),
        ("sudoku.givens=[6]", "sudoku.givens"),
        ("model.joint.positions=sideways", "sideways"),
        ("model.tau=-1", "`model.tau`"),
        ("objective.replay=4", "objective.replay"),
        ("objective.step_control=1", "`objective.step_control`"),
    ] {
        let message = refused(&["--set", setting]);
        assert!(message.contains(words), "{setting}: {message}");
    }
    assert!(!out.join("model.ebt").exists());
}

fn config(steps: u64) -> RunConfig {
    let mut config = presets::preset("sudoku", None).unwrap();
    (config.model.dim, config.model.ffn) = (16, 16);
    let t = &mut config.train;
    (t.steps, t.minutes, t.batch, t.accumulate, t.lanes) = (steps, None, 2, 4, 4);
    (t.validate_every, t.validate_tokens, t.checkpoint_every) = (2, 72, 2);
    config.objective.curriculum = 2;
    config.sudoku.as_mut().unwrap().tests = 3;
    config
}

/// A run that learns letters, as small.
fn letters(steps: u64, text: &Path) -> RunConfig {
    fs::write(text, "Işıklar söndü; ağaçların üstünde kuşlar ötüyor, çocuklar şarkı söylüyor.\n".repeat(40)).unwrap();
    let mut config = presets::preset("restore", None).unwrap();
    (config.model.dim, config.model.layers, config.model.ffn, config.model.context) = (16, 1, 16, 32);
    (config.data.train, config.data.validation) = (vec![text.into()], vec![text.into()]);
    RunConfig { train: self::config(steps).train, ..config }
}

fn run(config: &RunConfig, out: &Path, world: usize, from: Option<&State>, stop_after: Option<u64>) -> Summary {
    let found = threads(world, |rank| {
        let mut config = config.clone();
        let task = config.load_data().unwrap();
        config.validate().unwrap();
        let first = rank.place().is_first();
        let (out, resume) = if first { (out, from.cloned()) } else { (Path::new("/nowhere/at/all"), None) };
        let ranks: Rc<dyn Collective> = if world == 1 { Rc::new(Alone::default()) } else { Rc::new(rank) };
        let backend = Cpu::<f32>::with_ranks(1, Ranks { collective: Rc::clone(&ranks), fast: false });
        let (stop, started) = (AtomicBool::new(false), Instant::now());
        let (config, task, ranks) = (&config, &task, &*ranks);
        let session = Session { backend: &backend, ranks, config, task, out, resume, stop: &stop, stop_after, started };
        train(session, &mut Silent).unwrap()
    });
    found.into_iter().next().unwrap()
}

fn files(out: &Path) -> [Vec<u8>; 2] {
    ["model.ebt", "checkpoints/step-00000006/state.ebs"].map(|name| fs::read(out.join(name)).unwrap())
}

/// Interrupted or not, on one rank or two: the same files, and the same boards solved or words right.
#[test]
fn a_run_is_the_same_in_pieces_and_on_ranks() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (task, config) in [("letters", letters(6, &at("text.txt"))), ("boards", config(6))] {
        let at = |name: &str| at(&format!("{task}-{name}"));
        let whole = run(&config, &at("whole"), 1, None, None);
        let shared = run(&config, &at("shared"), 2, None, None);
        let (whole, shared) = (whole.validation.unwrap(), shared.validation.unwrap());
        assert_eq!((whole.solved, whole.restored), (shared.solved, shared.restored));
        run(&config, &at("broken"), 2, None, Some(3));
        let state = Store::new(&at("broken"), 2).latest().unwrap();
        let mut again = config.clone();
        let learned = again.load_data().unwrap();
        resume::check(&state.header, &again, &learned, &at("broken")).unwrap();
        run(&config, &at("broken"), 1, Some(&state), None);
        assert!(files(&at("whole")) == files(&at("shared")), "{task}");
        assert!(files(&at("whole")) == files(&at("broken")), "{task}");
    }
    let (broken, config) = (at("boards-broken"), config(6));
    let state = Store::new(&broken, 2).latest().unwrap();
    // other boards are another run
    let mut other = config.clone();
    other.sudoku.as_mut().unwrap().tests = 4;
    let task = other.load_data().unwrap();
    let message = resume::check(&state.header, &other, &task, &broken).unwrap_err().to_string();
    assert!(message.contains("`sudoku.tests`"), "{message}");
}
