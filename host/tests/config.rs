//! The run configuration: layers, misspelt keys, wrong types, round trips.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use ebt_device::plan::plan;
use ebt_train::run_config::presets;
use ebt_train::run_config::{Layers, RunConfig};

fn set(assignments: &[&str]) -> anyhow::Result<RunConfig> {
    let set: Vec<String> = assignments.iter().map(|s| (*s).to_owned()).collect();
    Layers { set: &set, ..Layers::default() }.compose()
}

fn file(text: &str) -> Result<RunConfig, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.toml");
    fs::write(&path, text).unwrap();
    Layers { file: Some(&path), ..Layers::default() }.compose().map_err(|error| format!("{error:#}"))
}

#[test]
fn later_layers_win() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.toml");
    fs::write(&path, "[model]\nlayers = 5\nheads = 2\n[train]\nsteps = 7\n").unwrap();
    let set = [String::from("model.layers=6")];
    let c = Layers { preset: Some("seed"), recipe: Some("s2"), file: Some(&path), set: &set }.compose().unwrap();
    assert_eq!((c.model.layers, c.model.heads, c.train.steps), (6, 2, 7));
    assert_eq!((c.model.dim, c.objective.replay, c.model.head_dim), (256, 192, Some(42)));
}

/// A tied embedding is the matrix of candidates: what a preset says of an embedding of its own does not hold for it.
#[test]
fn a_tied_embedding_is_drawn_as_its_model_has_it() {
    let of = |c: RunConfig| (c.start.embedding, c.optimizer.embedding_rate);
    assert_eq!(of(set(&[]).unwrap()), (Some(1.0), 50.0));
    assert_eq!(of(set(&["model.tied=true"]).unwrap()), (None, 1.0));
    assert_eq!(of(set(&["optimizer.embedding_rate=3", "model.tied=true"]).unwrap()), (None, 3.0));
}

#[test]
fn assignments_take_toml_bare_words_and_none() {
    let c = set(&[
        "model.update=logit",
        "schedule.rate=1e-3",
        "model.moe.hidden=32",
        "model.moe = { n_routed = 4 }",
        "train.minutes=none",
        "data.train=[\"a.txt\"]",
        "model.kind = \"transformer\"",
    ])
    .unwrap();
    let moe = c.model.moe.unwrap();
    assert_eq!((moe.hidden, moe.n_routed, c.schedule.rate, c.train.minutes), (32, 4, 1e-3, None));
    assert_eq!(c.data.train, [Path::new("a.txt")]);
}

#[test]
fn wrong_assignments_are_refused_by_name() {
    for (assignment, part) in [
        ("model.layer=3", "`model.layers`"),
        ("model.layers=drei", "--set model.layers=drei"),
        ("model.layers", "section.key=value"),
        ("model.layers=none", "model.layers"),
        ("=3", "nearest key"),
        ("model=3", "--set model=3"),
        ("model=[\"ebt\"]", "`model` is a section"),
        ("model.moe=[4]", "`model.moe` is a section"),
        ("train.steps=-1", "train.steps=-1"),
        ("schedule.rate=", "schedule.rate="),
    ] {
        let message = format!("{:#}", set(&[assignment]).unwrap_err());
        assert!(message.contains(part), "{assignment}: {message}");
    }
}

#[test]
fn a_wrong_file_names_line_and_key() {
    for (text, parts) in [
        ("[model]\nlayers = 2\nlayer = 3\n", ["line 3", "`model.layers`"]),
        ("[modle]\nlayers = 2\n", ["line 1", "`model`"]),
        ("[model]\n\nlayers = \"two\"\n", ["line 3", "two"]),
        ("[model\nlayers = 2\n", ["line 1", "run.toml"]),
        ("[model]\nmoe = [4, 1]\n", ["line 2", "`model.moe` is a section"]),
        ("[model]\nlayers = 2\n[train]\nmodel.moe.top = 2\n", ["line 4", "train"]),
        ("[model]\nupdate = \"mirrow\"\n", ["line 2", "mirror"]),
        ("[model]\nlayers = 99999999999999999999999\n", ["line 2", "run.toml"]),
    ] {
        let message = file(text).unwrap_err();
        assert!(parts.iter().all(|p| message.contains(p)), "{text}: {message}");
    }
    let missing = Layers { file: Some(Path::new("/nowhere/run.toml")), ..Layers::default() }.compose();
    assert!(format!("{:#}", missing.unwrap_err()).contains("/nowhere/run.toml"));
}

#[test]
fn a_file_that_is_not_utf8_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.toml");
    fs::write(&path, b"[model]\n\xff\xfe").unwrap();
    let error = Layers { file: Some(&path), ..Layers::default() }.compose().unwrap_err();
    assert!(error.to_string().contains("byte 8"), "{error}");
}

#[test]
fn written_configurations_read_back_alone() {
    for name in presets::NAMES {
        for recipe in [None, Some("s2")] {
            let mut c = presets::preset(name, recipe).unwrap();
            if c.model.vocab == 0 {
                c.fit_vocabulary(512).unwrap();
            }
            let back = file(&c.to_toml().unwrap()).unwrap();
            assert_eq!(back, c, "{name}");
        }
    }
}

#[test]
fn impossible_values_name_their_field() {
    for (assignment, field) in [
        ("model.heads=0", "model.heads"),
        ("model.dim=30", "head_dim"),
        ("train.batch=0", "train.batch"),
        ("train.context=65", "train.context"),
        ("train.ema=1", "train.ema"),
        ("train.minutes=0", "train.minutes"),
        ("train.minutes=nan", "train.minutes"),
        ("schedule.rate=-1", "schedule.rate"),
        ("schedule.min_scale=0.5", "schedule.min_scale"),
        ("optimizer.beta1=1", "optimizer.beta1"),
        ("objective.max_steps=0", "objective.min_steps"),
        ("train.accumulate=1048577", "train.accumulate"),
        ("train.steps=0", "train.steps"),
        ("train.threads=0", "train.threads"),
    ] {
        let mut c = set(&[assignment]).unwrap();
        c.fit_vocabulary(512).unwrap();
        let message = format!("{:#}", c.validate().unwrap_err());
        assert!(message.contains(field), "{assignment}: {message}");
    }
    let mut c = set(&["model.vocab=100"]).unwrap();
    assert!(c.fit_vocabulary(512).unwrap_err().to_string().contains("model.vocab"));
}

#[test]
fn the_transformer_baseline_works_with_any_preset_of_text() {
    // those of boards and letters have a vocabulary of their own
    let tokens = |name: &&str| presets::preset(name, None).unwrap().model.vocab == 0;
    for name in presets::NAMES.into_iter().filter(tokens) {
        let set = [String::from("model.kind=transformer")];
        let mut c = Layers { preset: Some(name), set: &set, ..Layers::default() }.compose().unwrap();
        c.fit_vocabulary(512).unwrap();
        c.validate().unwrap();
    }
}

#[test]
fn small_presets_can_be_planned() {
    for name in ["sample", "seed", "4xs+s2"] {
        let mut c = presets::preset(name, None).unwrap();
        c.fit_vocabulary(512).unwrap();
        let report = plan(&c).unwrap();
        let held = report.weight_bytes + report.gradient_bytes + report.moment_bytes + report.average_bytes;
        assert!(report.peak_bytes > held && report.flops > 0, "{name}: {report:?}");
        assert_eq!(report.flops, report.parts.iter().map(|p| p.product + p.attention + p.elementwise).sum::<u64>());
        assert_eq!(report.active_parameters < report.parameters, name == "seed");
    }
}
