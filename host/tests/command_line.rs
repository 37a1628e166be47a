//! The program itself: exit codes, messages, streams.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use ebt_model::Dtype;
use serde_json::Value;
#[cfg(feature = "parity")]
use support::program::host;
use support::program::{fails, succeeds, text};
use support::{configs, fixtures};

/// A saved model; its path.
fn saved(folder: &Path, config: usize) -> String {
    let path = folder.join("model.ebt");
    support::model(&configs()[config], false).save(&path, Dtype::F32).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn help_and_version_are_there() {
    let help = succeeds(&["--help"]);
    for command in [
        "train",
        "data",
        "tokenizer",
        "eval",
        "generate",
        "serve",
        "solve",
        "restore",
        "suggest",
        "score",
        "parity",
        "import",
        "export",
        "plan",
        "plot",
        "bench",
        "inspect",
    ] {
        assert!(help.contains(&format!("  {command} ")), "{command}: {help}");
        assert!(succeeds(&[command, "--help"]).contains("Usage:"));
    }
    fails(&["parity"], 2);
    fails(&["generate", "--tokens", "many"], 2);
    fails(&["frobnicate"], 2);
}

#[cfg(feature = "parity")]
#[test]
fn parity_prints_a_line_a_quantity_and_fails_over_the_bound() {
    let case = fixtures("golden/small_five_heads.safetensors");
    let case = case.to_str().unwrap();
    let out = succeeds(&["parity", case, "--threads", "1"]);
    assert!(out.lines().any(|l| l.trim_start().starts_with("grad.alpha ") && l.ends_with("ok")), "{out}");
    assert!(out.lines().any(|l| l.starts_with("ok ")), "{out}");
    let json: Value = serde_json::from_str(&succeeds(&["parity", case, "--dtype", "f32", "--json"])).unwrap();
    assert_eq!(json[0]["ok"], true);
    assert!(json[0]["quantities"].as_array().unwrap().len() > 20);

    let strict = host(&["parity", case, "--dtype", "f32", "--tolerance", "0"]);
    assert_eq!(strict.status.code(), Some(1));
    assert!(text(&strict.stdout).contains("FAIL"));
    assert!(fails(&["parity", case, "--tolerance", "-1"], 2).contains("--tolerance"));
    assert!(fails(&["parity", case, "--backend", "cpu", "--dtype", "f16"], 1).contains("the processor computes f32"));
    assert!(fails(&["parity", case, "--backend", "cuda", "--gpu", "99"], 1).contains("cuda"));
    fails(&["parity", case, "--threads", "0"], 2);
    let both = host(&["parity", "Cargo.toml", case]);
    assert_eq!(both.status.code(), Some(1));
    let out = text(&both.stdout);
    assert!(out.contains("Cargo.toml is not a usable safetensors file") && out.contains("ok    "), "{out}");
}

#[test]
fn import_export_and_inspect() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (model, exported, tokenizer, again) =
        (saved(folder.path(), 1), at("m.safetensors"), at("t.json"), at("again.ebt"));
    succeeds(&["export", &model, "--out", &exported, "--tokenizer", &tokenizer]);
    succeeds(&["import", &exported, "--out", &again, "--tokenizer", &tokenizer]);
    let file = |path: &str| std::fs::read(path).unwrap();
    // the routing biases of the test model are in use and cross the border too
    assert_eq!(file(&model), file(&again));

    let json: Value = serde_json::from_str(&succeeds(&["inspect", &again, "--json"])).unwrap();
    assert_eq!(json["config"]["vocab"], 300);
    assert_eq!(json["provenance"][0][1], "test");
    assert_eq!(json["tokenizer"]["vocabulary"], support::tokenizer().vocabulary_size());
    assert!(json["active_parameters"].as_u64() < json["parameters"].as_u64());
    let out = succeeds(&["inspect", &again]);
    assert!(
        out.contains("transformer.layers.1.attention.wq.weight") && out.contains("rms") && out.contains("ışık"),
        "{out}"
    );

    let golden = fixtures("golden/s1_tied.safetensors");
    succeeds(&["import", golden.to_str().unwrap(), "--out", &again]);
    let message = fails(&["generate", "--model", &again, "--prompt", "a"], 1);
    assert!(message.contains("--tokenizer"), "{message}");
    let message = fails(&["import", golden.to_str().unwrap(), "--out", &again, "--heads", "4"], 1);
    assert!(message.contains("--heads"), "{message}");
    let message = fails(&["import", golden.to_str().unwrap(), "--out", "/nowhere/m.ebt"], 1);
    assert!(message.contains("/nowhere/m.ebt"), "{message}");
    // an exported model is a model, whatever it is called
    assert!(succeeds(&["inspect", &exported]).contains("model file version 3"));
    let message = fails(&["inspect", golden.to_str().unwrap()], 1);
    assert!(message.contains("s1_tied.safetensors") && message.contains("ebt import"), "{message}");
}

#[test]
fn a_packed_model_is_exported_inspected_and_refused_where_weights_are_trained() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (model, packed) = (saved(folder.path(), 1), at("m.ebp"));
    let mut sizes = Vec::new();
    for storage in ["f32", "bf16", "int8", "int4"] {
        let out = succeeds(&["export", &model, "--packed", storage, "--out", &packed]);
        let bytes = std::fs::metadata(&packed).unwrap().len();
        assert!(out.contains(&format!("{bytes} bytes")), "{out}");
        sizes.push(bytes);
        let json: Value = serde_json::from_str(&succeeds(&["inspect", &packed, "--json"])).unwrap();
        assert_eq!((&json["storage"], &json["bytes"]), (&Value::from(storage), &Value::from(bytes)));
        assert_eq!(json["descent"]["steps"], 3);
        assert_eq!(json["tokenizer"]["vocabulary"], support::tokenizer().vocabulary_size());
        assert_eq!(json["provenance"][1][1], "ışık");
        let parts = json["parts"].as_array().unwrap();
        let sum: u64 = parts.iter().map(|p| p["bytes"].as_u64().unwrap()).sum();
        assert!(sum > 0 && sum <= json["weight_bytes"].as_u64().unwrap());
    }
    assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
    succeeds(&["export", &model, "--packed", "int4", "--steps", "1", "--out", &at("one.ebp")]);
    let json: Value = serde_json::from_str(&succeeds(&["inspect", &at("one.ebp"), "--json"])).unwrap();
    assert_eq!(json["descent"]["steps"], 1);
    fails(&["export", &model, "--steps", "0", "--out", &at("none.ebt")], 2);
    let out = succeeds(&["inspect", &packed]);
    assert!(out.contains("packed model version") && out.contains("feed-forward") && out.contains("ışık"), "{out}");

    let message = fails(&["export", &packed, "--out", &at("x")], 1);
    assert!(message.contains("m.ebp is a packed model"), "{message}");
    fails(&["export", &model, "--packed", "int8", "--dtype", "bf16", "--out", &packed], 2);
    let mut damaged = std::fs::read(&packed).unwrap();
    damaged[99] ^= 1;
    std::fs::write(&packed, damaged).unwrap();
    assert!(fails(&["inspect", &packed], 1).contains("checksum"));
}

#[test]
fn eval_reports_bits_per_byte() {
    let folder = tempfile::tempdir().unwrap();
    let model = saved(folder.path(), 0);
    let file = folder.path().join("metin.txt");
    std::fs::write(&file, "Ankara'nın ilçeleri.\n\nÜç köy.\n").unwrap();
    let file = file.to_str().unwrap();
    let run = |more: &[&str]| -> Value {
        let arguments = [&["eval", "--model", &model, "--json", file], more].concat();
        serde_json::from_str(&succeeds(&arguments)).unwrap()
    };
    let json = run(&[]);
    let bytes = "Ankara'nın ilçeleri.".len() + "Üç köy.".len();
    assert_eq!(json["total"]["bytes"], bytes);
    assert_eq!(json["steps"], 3);
    assert!(json["bits_per_byte"].as_f64().unwrap() > 0.0);
    let longer = run(&["--think", "5", "--batch", "1", "--threads", "1"]);
    assert_eq!(longer["total"]["by_steps"].as_array().unwrap().len(), 5);
    let (a, b) = (json["loss"].as_f64().unwrap(), longer["total"]["by_steps"][2]["loss"].as_f64().unwrap());
    assert!((a - b).abs() < 1e-4 * a, "{a} {b}");
    assert!(succeeds(&["eval", "--model", &model, file]).contains("bits per byte"));

    assert!(fails(&["eval", "--model", &model, file, "--threads", "5000"], 2).contains("from 1 to 1024"));
    let sample: Value =
        serde_json::from_str(&succeeds(&["eval", "--model", &model, "--json", "--limit-bytes", "3000"])).unwrap();
    assert_eq!(sample["sources"].as_array().unwrap().len(), 17, "the held-out part of the sample text");
    assert!(fails(&["eval", "--model", &model, "/nowhere.txt"], 1).contains("/nowhere.txt"));
    assert!(fails(&["eval", "--model", "/nowhere.ebt", file], 1).contains("/nowhere.ebt"));
    let binary = folder.path().join("ikili.txt");
    std::fs::write(&binary, b"abc\xff\xfe").unwrap();
    assert!(fails(&["eval", "--model", &model, binary.to_str().unwrap()], 1).contains("UTF-8"));
}

#[test]
fn generate_streams_and_is_reproducible() {
    let folder = tempfile::tempdir().unwrap();
    let model = saved(folder.path(), 0);
    let arguments = ["generate", "--model", &model, "--prompt", "Işık", "--tokens", "20", "--seed", "3"];
    let one = succeeds(&arguments);
    assert!(one.starts_with("Işık") && one.ends_with('\n'));
    assert_eq!(one, succeeds(&arguments));
    let json: Value = serde_json::from_str(&succeeds(&[&arguments[..], &["--json", "--think", "2"]].concat())).unwrap();
    let tokens = json["tokens"].as_array().unwrap();
    assert!(tokens.len() <= 20 && tokens.iter().all(|t| t["energies"].as_array().unwrap().len() == 2));
    assert!(fails(&[&arguments[..], &["--top-p", "0"]].concat(), 2).contains("--top-p"));
    assert!(fails(&[&arguments[..], &["--temperature", "-1"]].concat(), 2).contains("--temperature"));
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let model = saved(folder.path(), 0);
    let mut child = Command::new(env!("CARGO_BIN_EXE_ebt"))
        .args(["generate", "--model", &model, "--prompt", "a", "--tokens", "4000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}
