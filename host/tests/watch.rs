//! Watching a run, and going on from a model: the best model, an early end, files of events, the rate that is looked for; what is frozen,
//! adapters.
#![allow(clippy::unwrap_used)]

mod support {
    pub mod program;
}

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::program::{fails, host, succeeds, text};

/// A tiny model of text, measured after every step; weights that move by next to nothing get no better.
const TINY: [&str; 11] = [
    "model.dim=16",
    "model.heads=2",
    "model.ffn=16",
    "model.context=16",
    "train.batch=2",
    "train.checkpoint_every=1",
    "train.validate_every=1",
    "train.validate_tokens=200",
    "objective.curriculum=0",
    "train.keep_best=true",
    "train.threads=1",
];

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let words = "Bir varmış bir yokmuş.\n\nEvvel zaman içinde kalbur saman içinde.\n";
        fs::write(folder.path().join("held-out.txt"), words).unwrap();
        Self { folder }
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn train(&self, out: &str, more: &[&str]) -> Vec<String> {
        let (out, held_out) = (self.at(out), self.at("held-out.txt"));
        let begin = ["train", "--out", &out, "--validation", &held_out];
        let all = begin.into_iter().chain(TINY.into_iter().flat_map(|set| ["--set", set])).chain(more.iter().copied());
        all.map(str::to_owned).collect()
    }
}

fn words(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
fn a_run_keeps_its_best_model_and_ends_when_nothing_gets_better() {
    let place = Place::new();
    let still = ["--steps", "9", "--set", "schedule.rate=1e-30", "--set", "train.patience=2", "--json", "--quiet"];
    let printed = succeeds(&words(&place.train("run", &still)));
    let summary: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&summary["ending"], &summary["step"]), (&"out_of_patience".into(), &3.into()), "{summary}");
    assert_eq!(
        (&summary["best"]["step"], summary["best_model"].as_str()),
        (&1.into(), Some(&*place.at("run/best.ebt")))
    );
    let (run, best) = (place.at("run"), place.at("run/best.ebt"));
    let told = succeeds(&["inspect", &best]);
    assert!(told.contains("1 of 9"), "{told}");
    let before = read(&best);

    // a run that has ended says so again, and goes on where it may
    let output = host(&["train", "--resume", &run]);
    let printed = text(&output.stdout);
    assert!(text(&output.stderr).contains("ended early"), "{}", text(&output.stderr));
    assert!(printed.contains("3 of 9 steps") && printed.contains("that of step 1"), "{printed}");
    assert!(printed.contains("--set train.patience=none") && printed.contains("best.ebt, of step 1"), "{printed}");
    let printed = succeeds(&["train", "--resume", &run, "--set", "train.patience=none", "--json", "--quiet"]);
    let summary: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&summary["ending"], &summary["step"]), (&"finished".into(), &9.into()));
    assert!(read(&best) == before, "nothing was better");

    // where every measurement is better, the best model is that of the last step
    let learns = ["--steps", "4", "--set", "schedule.rate=1e-3", "--set", "train.ema=0", "--json", "--quiet"];
    let summary: Value = serde_json::from_str(&succeeds(&words(&place.train("other", &learns)))).unwrap();
    assert_eq!(summary["best"]["step"], 4, "the last step is measured, too: {summary}");
    let weights = |name: &str| ebt_model::load(Path::new(&place.at(name))).unwrap().weights;
    assert!(weights("other/best.ebt") == weights("other/model.ebt"));

    let refused = ["--set", "train.patience=2", "--set", "train.validate_every=0"];
    let message = fails(&words(&place.train("third", &refused)), 1);
    assert!(message.contains("`train.patience`") && message.contains("`train.validate_every` is 0"), "{message}");
}

#[test]
fn the_rate_is_looked_for_without_a_run() {
    let place = Place::new();
    let picture = place.at("rates.svg");
    let more = ["--find-rate", "--quiet"];
    let mut arguments = place.train("rates.svg", &more);
    let printed = succeeds(&words(&arguments));
    let line = printed.lines().last().unwrap();
    let rate: f64 = line.strip_prefix("--set schedule.rate=").unwrap().parse().unwrap();
    assert!((1e-6..=1.0).contains(&rate), "{printed}");
    assert!(fs::read_to_string(&picture).unwrap().contains("learning rate"));
    arguments.push("--json".into());
    let found: Value = serde_json::from_str(&succeeds(&words(&arguments))).unwrap();
    let count = |name: &str| found[name].as_array().unwrap().len();
    assert_eq!((count("rates"), count("losses")), (count("smoothed"), count("smoothed")));
    let steepest = found["steepest"].as_f64().unwrap();
    assert_eq!(format!("{steepest:.1e}"), format!("{rate:.1e}"), "it is a function of the seed");
    let left: Vec<PathBuf> = fs::read_dir(place.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left.len(), 2, "a picture and no run: {left:?}");

    let message = fails(&words(&place.train("rates.gif", &more)), 1);
    assert!(message.contains("rates.gif"), "{message}");
    fails(&["train", "--find-rate", "--resume", &place.at("run")], 2);
}

#[test]
#[cfg(feature = "tensorboard")]
fn every_invocation_writes_events() {
    let place = Place::new();
    let more = ["--steps", "2", "--log", "tensorboard", "--quiet"];
    succeeds(&words(&place.train("run", &more)));
    let run = place.at("run");
    let files = || fs::read_dir(place.folder.path().join("run/tensorboard")).unwrap().count();
    assert_eq!(files(), 1);
    // it is remembered, and may be left out from then on
    succeeds(&["train", "--resume", &run, "--quiet"]);
    assert_eq!(files(), 2);
    succeeds(&["train", "--resume", &run, "--quiet", "--set", "train.log=[]"]);
    assert_eq!(files(), 2);
}

#[test]
#[cfg(not(feature = "tensorboard"))]
fn a_build_without_events_says_so() {
    let place = Place::new();
    let message = fails(&words(&place.train("run", &["--log", "tensorboard"])), 1);
    assert!(message.contains("--features tensorboard"), "{message}");
    assert!(!Path::new(&place.at("run")).exists());
}

#[test]
fn what_is_logged_is_named() {
    let place = Place::new();
    assert!(fails(&words(&place.train("run", &["--log", "wandb"])), 2).contains("tensorboard"));
    assert!(fails(&words(&place.train("run", &["--set", "train.log=[\"wandb\"]"])), 1).contains("wandb"));
}

#[test]
fn a_run_goes_on_from_a_model_with_a_part_of_its_weights_or_with_adapters() {
    let place = Place::new();
    succeeds(&words(&place.train("first", &["--steps", "2", "--quiet"])));
    let (first, held_out) = (place.at("first"), place.at("held-out.txt"));
    let weights = |run: &str| ebt_model::load(Path::new(&place.at(run))).unwrap();
    let began = weights("first");
    let go_on = |out: &str, more: &[&str]| {
        let out = place.at(out);
        let common =
            ["train", "--from", &first, "--validation", &held_out, "--steps", "3", "--threads", "1", "--out", &out];
        host(&[&common[..], &["--set", "train.batch=2", "--set", "schedule.rate=1e-2"], more].concat())
    };
    let changed = |run: &str| -> Vec<String> {
        let after = weights(run);
        let entries = after.layout.entries.iter().zip(after.weights.iter().zip(&began.weights));
        entries.filter(|(_, (after, before))| after != before).map(|(entry, _)| entry.name.clone()).collect()
    };
    let output = go_on("frozen", &["--set", "train.freeze=[\"embeddings\", \"blocks.0\"]"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("of the model (`train.freeze`)"), "{}", text(&output.stderr));
    let moved = changed("frozen");
    assert!(
        !moved.is_empty() && moved.iter().all(|name| name != "embedding" && !name.starts_with("block0.")),
        "{moved:?}"
    );

    let lora = ["--set", "lora.rank=2", "--set", "lora.on=[\"attention\"]"];
    let output = go_on("lora", &lora);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("of adapters (`lora`)"), "{}", text(&output.stderr));
    let moved = changed("lora");
    assert!(!moved.is_empty() && moved.iter().all(|name| name.ends_with(".qkv") || name.ends_with(".wo")), "{moved:?}");
    // a model like any other
    succeeds(&["generate", "--model", &place.at("lora"), "--prompt", "Bir", "--tokens", "2"]);
    let planned = succeeds(&[&["plan", "--json"], &lora[..]].concat());
    let planned: Value = serde_json::from_str(&planned).unwrap();
    assert!(planned["trained"].as_u64() < planned["parameters"].as_u64(), "{planned}");

    for (setting, says) in [
        ("train.freeze=[\"embedings\"]", "near to it are `embeddings`"),
        ("lora.on=[\"q_proj\"]", "no matrix is called `q_proj`"),
        ("lora.rank=0", "`lora.rank`"),
    ] {
        let output = go_on("refused", &["--set", setting]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(says), "{setting}: {}", text(&output.stderr));
    }
    let both = go_on("refused", &[&lora[..], &["--set", "train.freeze=[\"norm\"]"]].concat());
    assert!(text(&both.stderr).contains("leave one of them out"), "{}", text(&both.stderr));
    assert!(!Path::new(&place.at("refused")).exists());
}
