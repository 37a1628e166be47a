//! Commands without what they need: a sentence and a status, never a panic.

use std::fs;
use std::path::Path;

use crate::program::{ends_with, folder, on_stand_in, refused, root, without_gpu};

const CASE: &str = "fixtures/golden/small_context_one.safetensors";
const TINY_BENCH: [&str; 15] = [
    "bench",
    "train",
    "--device",
    "cuda",
    "--vocab",
    "64",
    "--dim",
    "16",
    "--layers",
    "1",
    "--ffn",
    "16",
    "--context",
    "8",
    "--landscapes=2",
];

/// Every command that computes, asked for a GPU.
fn commands(out: &Path) -> Vec<Vec<&str>> {
    let out = out.to_str().unwrap();
    vec![
        vec!["train", "--backend", "cuda", "--out", out],
        vec!["eval", "--backend", "cuda", "--model", "no.ebt"],
        vec!["parity", "--backend", "cuda", CASE],
        vec!["bench", "product", "--backend", "cuda", "--size", "16"],
        TINY_BENCH.to_vec(),
    ]
}

/// Commands of which every one must be refused in an environment, with these words.
fn all_refused(name: &str, environment: &[(&str, &str)], more: &[&str], words: &[&str]) {
    let out = folder(name).join("run");
    for arguments in commands(&out) {
        let mut command = on_stand_in(&[arguments.as_slice(), more].concat());
        let err = refused(command.envs(environment.iter().copied()));
        for word in words {
            assert!(err.contains(word), "{arguments:?}: {word}: {err}");
        }
    }
    assert!(!out.exists());
}

#[test]
fn without_a_driver() {
    for arguments in commands(&folder("without_a_driver").join("run")) {
        let err = refused(&mut without_gpu(&arguments));
        assert!(err.starts_with("error: --backend cuda: "), "{err}");
        // a machine may have the driver, and then hides its GPUs
        assert!(err.contains("libcuda: ") || err.contains("GPU: "), "{err}");
        assert!(err.contains("NVIDIA driver (580 or newer") || err.contains("nvidia-smi"), "{err}");
    }
}

#[test]
fn with_an_old_driver() {
    all_refused("old_driver", &[("EBT_STAND_IN_DRIVER", "12040")], &[], &["CUDA 12.4", "Update the driver"]);
}

#[test]
fn on_an_old_device() {
    all_refused(
        "old_device",
        &[("EBT_STAND_IN_CAPABILITY", "6.1")],
        &[],
        &["GPU: none can be used", "7.5 (Turing) or newer"],
    );
}

#[test]
fn with_a_number_of_no_device() {
    all_refused(
        "number",
        &[],
        &["--gpu", "7"],
        &["error: --gpu 7: there is no such GPU; found were 0 (cpusim (no GPU))"],
    );
}

#[test]
fn with_hardly_any_memory() {
    let out = folder("hardly_any_memory").join("run");
    for arguments in commands(&out).iter().filter(|a| a[0] != "eval") {
        let err = refused(on_stand_in(arguments).env("EBT_STAND_IN_MEMORY", "100000"));
        assert!(err.contains("out of memory: ") && err.contains("of 100000 free on cpusim"), "{arguments:?}: {err}");
    }
}

#[test]
fn memory_that_ends_during_a_step_says_how_much_was_needed() {
    // enough to begin with: the workspace of products and some weights
    let memory = ((64 << 20) + 300_000).to_string();
    let mut command = on_stand_in(&TINY_BENCH);
    let err = refused(command.args(["--batch", "64", "--dtype", "bf16"]).env("EBT_STAND_IN_MEMORY", memory));
    assert!(err.contains("out of memory: ") && err.contains("bytes more were needed"), "{err}");
}

#[test]
fn numbers_that_a_device_has_not() {
    let product = ["bench", "product", "--size", "16", "--repeat", "1"];
    for (flags, capability, words) in [
        (&["--backend", "cuda", "--precision", "bf16"][..], "7.5", "precision bf16 needs 8.0; f16"),
        (&["--backend", "cpu", "--precision", "f16"], "9.0", "precision f16: the processor computes f32"),
        (&["--backend", "cpu", "--gpu", "0"], "9.0", "--gpu 0: --backend cpu uses no GPU"),
    ] {
        let err = refused(on_stand_in(&product).args(flags).env("EBT_STAND_IN_CAPABILITY", capability));
        assert!(err.contains(words), "{flags:?}: {err}");
    }
    let err = refused(without_gpu(&product).args(["--precision", "f16"]));
    assert!(err.contains("precision f16: the processor computes f32, and no GPU can be used: "), "{err}");
    let err = refused(without_gpu(&product).args(["--gpu", "0"]));
    assert!(err.starts_with("error: --gpu: "), "{err}");
    let err = refused(&mut on_stand_in(&["parity", "--backend", "cuda", "--dtype", "f64", CASE]));
    assert!(err.contains("--dtype f64: the GPU computes f32"), "{err}");
}

#[test]
fn a_device_that_is_not_asked_for_may_be_missing() {
    let text = folder("processor").join("text.txt");
    let sentence = fs::read_to_string(root().join("fixtures/turkish/LICENSES.md")).unwrap();
    fs::write(&text, sentence).unwrap();
    let out = text.with_file_name("run");
    let (out, text) = (out.to_str().unwrap(), text.to_str().unwrap());
    let mut train = without_gpu(&["train", "--steps", "1", "--out", out, "--data", text, "--validation", text]);
    let (_, err) = ends_with(0, train.args(crate::training::TINY));
    let line = err.lines().find(|line| line.contains("device: ")).unwrap();
    assert!(
        line.contains("cpu f32") && line.contains("(no GPU: ") && line.ends_with("`ebt doctor` says more)"),
        "{err}"
    );
}
