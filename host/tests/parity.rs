//! Every golden case, in double and in single precision, and cases that are none.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::PathBuf;

use ebt_core::compute::Backend;
use ebt_cpu::Cpu;
use ebt_device::parity::{self, Case, Tolerance};
use support::fixtures;

fn golden() -> Vec<PathBuf> {
    let folders = ["golden", "golden_joint"].map(|folder| std::fs::read_dir(fixtures(folder)).unwrap());
    let mut files: Vec<PathBuf> = folders.into_iter().flatten().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 48, "golden cases are missing");
    files
}

fn check<B: Backend>(b: &B, tolerance: Tolerance) {
    let mut failures = Vec::new();
    for file in golden() {
        let case = Case::open(&file).unwrap();
        for q in parity::run(b, &case, tolerance).unwrap().into_iter().filter(|q| !q.ok) {
            failures.push(format!("{}: {} is off by {:.2e}", file.display(), q.name, q.error));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn double_precision_agrees_with_the_reference() {
    check(&Cpu::<f64>::new(2), Tolerance::F64);
}

#[test]
fn single_precision_agrees_with_the_reference() {
    check(&Cpu::<f32>::new(2), Tolerance::F32);
}

#[test]
fn a_changed_expectation_is_noticed() {
    let mut case = Case::open(&fixtures("golden/s1_dense.safetensors")).unwrap();
    case.expected.energies[3] += 1e-6;
    // a token that occurs
    let token = case.sequences.tokens[0] as usize;
    case.weights[case.layout.embedding][token * case.config.dim] += 1e-4;
    let quantities = parity::run(&Cpu::<f64>::new(2), &case, Tolerance::F64).unwrap();
    assert!(quantities.iter().filter(|q| !q.ok).count() > 5);
}

#[test]
fn damaged_cases_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.safetensors");
    let bytes = std::fs::read(fixtures("golden/small_five_heads.safetensors")).unwrap();
    let message = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        format!("{:#}", Case::open(&path).unwrap_err())
    };
    assert!(message(&bytes[..bytes.len() / 2]).contains("cut short"));
    assert!(message(b"").contains("too short"));
    // the same header length, another name inside
    let renamed = |from: &str, to: &str| {
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        message(&bytes)
    };
    let missing = renamed("expect.energies", "expect.energiez");
    assert!(missing.contains("no tensor expect.energies"), "{missing}");
    assert!(renamed("case.tokens", "case.tokenz").contains("no tensor case.tokens"));
    assert!(renamed("grad.alpha", "grad.alphb").contains("alphb"));
}
