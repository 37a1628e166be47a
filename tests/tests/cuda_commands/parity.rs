//! `ebt parity`: the golden cases of the reference.

use crate::program::{ends_with, on_stand_in, root};
use serde_json::Value;

/// All golden cases in one precision.
fn all_hold(dtype: &str) {
    let folders =
        ["fixtures/golden", "fixtures/golden_joint"].map(|folder| std::fs::read_dir(root().join(folder)).unwrap());
    let mut files: Vec<_> = folders.into_iter().flatten().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut command = on_stand_in(&["parity", "--backend", "cuda", "--dtype", dtype, "--json"]);
    let output = command.args(&files).output().unwrap();
    let reports: Value = serde_json::from_slice(&output.stdout).unwrap();
    for report in reports.as_array().unwrap() {
        let failed: Vec<_> = report["quantities"].as_array().unwrap().iter().filter(|q| q["ok"] != true).collect();
        assert!(report["ok"] == true, "{dtype}: {}: {failed:?} {}", report["file"], report["problem"]);
        assert_eq!(report["backend"], format!("cuda {dtype} on cpusim (no GPU)"));
    }
    assert_eq!((reports.as_array().unwrap().len(), files.len()), (48, 48));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn golden_cases_in_single_precision() {
    all_hold("f32");
}

#[test]
fn golden_cases_in_tf32() {
    all_hold("tf32");
}

#[test]
fn golden_cases_in_bf16() {
    all_hold("bf16");
}

#[test]
fn golden_cases_in_f16() {
    all_hold("f16");
}

#[test]
fn the_gpu_computes_single_precision_unless_told_otherwise() {
    let case = "fixtures/golden/small_context_one.safetensors";
    let (out, _) = ends_with(0, &mut on_stand_in(&["parity", "--backend", "cuda", case]));
    assert!(out.contains("(cuda f32 on cpusim (no GPU))"), "{out}");
    // a bound that nothing meets
    let (out, err) = ends_with(1, &mut on_stand_in(&["parity", "--gpu", "0", "--tolerance", "0", case]));
    assert!(out.contains("FAIL  fixtures") && err.contains("1 of 1 cases failed"), "{out}{err}");
}
