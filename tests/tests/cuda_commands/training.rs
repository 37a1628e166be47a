//! `ebt train` and `eval`: a run, its resumption, and its model on both devices.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{ends_with, folder, json, on_stand_in, refused, root, two_ranks, without_gpu};
use serde_json::Value;

/// A model that a step takes no time for.
pub const TINY: [&str; 18] = [
    "--set",
    "model.dim=16",
    "--set",
    "model.heads=2",
    "--set",
    "model.layers=1",
    "--set",
    "model.ffn=16",
    "--set",
    "model.context=16",
    "--set",
    "train.batch=2",
    "--set",
    "train.checkpoint_every=1",
    "--set",
    "objective.curriculum=0",
    "--set",
    "model.alpha=1",
];

/// A text of some paragraphs in a folder.
fn text(folder: &Path) -> PathBuf {
    let all = fs::read_to_string(root().join("fixtures/turkish/LICENSES.md")).unwrap();
    let path = folder.join("text.txt");
    fs::write(&path, all.chars().take(700).collect::<String>()).unwrap();
    path
}

/// Trains in `folder/run` on the stand-in; arguments of the command.
fn arguments<'a>(out: &'a str, text: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let all = ["train", "--backend", "cuda", "--steps", "3", "--out", out, "--data", text, "--validation", text];
    [&all[..], &TINY, more].concat()
}

/// Lines of the metrics that do not depend on time.
fn losses(out: &Path) -> Vec<Value> {
    let metrics = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        for time in ["seconds", "data_wait"] {
            value.as_object_mut().unwrap().remove(time);
        }
        value
    };
    metrics.lines().map(line).collect()
}

fn trains_and_resumes(precision: &str) -> PathBuf {
    let folder = folder(&format!("train_{precision}"));
    let (out, text) = (folder.join("run"), text(&folder));
    let flags = ["--precision", precision];
    let (table, notes) =
        ends_with(0, &mut on_stand_in(&arguments(out.to_str().unwrap(), text.to_str().unwrap(), &flags)));
    assert!(table.contains("3 of 3 steps"), "{table}");
    assert!(notes.contains(&format!("device: cuda {precision} on cpusim (no GPU) (as asked)")), "{notes}");

    // as if it had been ended after the second step: it goes on to the same model
    let (model, all) = (fs::read(out.join("model.ebt")).unwrap(), losses(&out));
    let last = out.join("checkpoints/step-00000003");
    fs::remove_dir_all(last).unwrap();
    fs::remove_file(out.join("model.ebt")).unwrap();
    let summary = json(&mut on_stand_in(&["train", "--json", "--gpu", "0", "--resume", out.to_str().unwrap()]));
    assert_eq!((&summary["ending"], &summary["step"]), (&"finished".into(), &3.into()));
    assert_eq!(losses(&out), all);
    assert!(fs::read(out.join("model.ebt")).unwrap() == model, "the resumed run made another model");
    out
}

/// Bits per byte as `ebt eval` prints them.
fn bits(mut command: std::process::Command, out: &Path) -> f64 {
    let (line, _) = ends_with(0, command.arg("--model").arg(out).arg(out.with_file_name("text.txt")));
    let report: Value = serde_json::from_str(&line).unwrap();
    report["bits_per_byte"].as_f64().unwrap()
}

#[test]
fn a_run_in_bf16_is_resumed_and_measured() {
    let out = trains_and_resumes("bf16");
    let eval = |precision| on_stand_in(&["eval", "--json", "--backend", "cuda", "--precision", precision]);
    let exact = bits(without_gpu(&["eval", "--json", "--backend", "cpu"]), &out);
    for (precision, tolerance) in [("f32", 1e-4), ("tf32", 1e-2), ("bf16", 3e-2), ("f16", 1e-2)] {
        let found = bits(eval(precision), &out);
        assert!((found / exact - 1.0).abs() < tolerance, "{precision}: {found}, {exact} on the processor");
    }
}

#[test]
fn a_run_in_f16_is_resumed_with_its_loss_scales() {
    trains_and_resumes("f16");
}

#[test]
fn a_run_in_single_precision_is_that_of_the_processor() {
    let folder = folder("both_devices");
    let text = text(&folder);
    let run = |name: &str, backend| {
        let out = folder.join(name);
        let flags = ["--backend", backend, "--precision", "f32"];
        let all = arguments(out.to_str().unwrap(), text.to_str().unwrap(), &[]);
        let rest: Vec<&str> = all.into_iter().filter(|a| !["--backend", "cuda"].contains(a)).chain(flags).collect();
        ends_with(0, &mut on_stand_in(&rest));
        losses(&out)
    };
    let (gpu, cpu) = (run("gpu", "cuda"), run("cpu", "cpu"));
    assert_eq!(gpu.len(), cpu.len());
    for (a, b) in gpu.iter().zip(&cpu).filter(|(a, _)| a["loss"].is_number()) {
        let (a, b) = (a["loss"].as_f64().unwrap(), b["loss"].as_f64().unwrap());
        assert!((a / b - 1.0).abs() < 1e-3, "{a} on the GPU, {b} on the processor");
    }
}

#[test]
fn another_precision_does_not_go_on_with_a_run() {
    let folder = folder("other_precision");
    let (out, text) = (folder.join("run"), text(&folder));
    let out = out.to_str().unwrap();
    ends_with(0, &mut on_stand_in(&arguments(out, text.to_str().unwrap(), &["--precision", "f16"])));
    let err = refused(&mut on_stand_in(&["train", "--precision", "f32", "--resume", out]));
    assert!(err.contains("`train.precision` is \"f32\" now") && err.contains("\"f16\""), "{err}");
    // nor does a machine without a GPU
    let err = refused(&mut without_gpu(&["train", "--resume", out]));
    assert!(err.contains("precision f16: the processor computes f32, and no GPU can be used"), "{err}");
}

#[test]
fn too_little_memory_comes_with_what_takes_less() {
    let folder = folder("little_memory");
    let (out, text) = (folder.join("run"), text(&folder));
    let all = arguments(out.to_str().unwrap(), text.to_str().unwrap(), &[]);
    // the workspace of products, and a little
    let err = refused(on_stand_in(&all).env("EBT_STAND_IN_MEMORY", "67500000"));
    for part in ["the GPU has too little memory", "train.batch", "ebt plan --backend cuda", "bytes more were needed"] {
        assert!(err.contains(part), "{part}: {err}");
    }
}

#[test]
fn two_ranks_leave_the_files_of_one() {
    for precision in ["f32", "bf16", "f16"] {
        let folder = folder(&format!("ranks_{precision}"));
        let (text, one, two) = (text(&folder), folder.join("one"), folder.join("two"));
        let more =
            ["--precision", precision, "--set", "train.lanes=2", "--set", "train.accumulate=2", "--quiet", "--json"];
        let words = |out: &Path| -> Vec<String> {
            let all = arguments(out.to_str().unwrap(), text.to_str().unwrap(), &more);
            all.into_iter().map(str::to_owned).collect()
        };
        let (alone, shared) = (words(&one), words(&two));
        let alone = json(&mut on_stand_in(&alone.iter().map(String::as_str).collect::<Vec<_>>()));
        let shared = two_ranks(&shared.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(alone["validation"], shared["validation"], "{precision}");
        assert_eq!(losses(&one), losses(&two), "{precision}");
        for file in ["model.ebt", "checkpoints/step-00000003/state.ebs"] {
            assert!(fs::read(one.join(file)).unwrap() == fs::read(two.join(file)).unwrap(), "{precision}: {file}");
        }
    }
}
