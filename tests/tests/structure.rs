//! The shape of the house: which package may depend on which, how long a file may be, what core must not know.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let out = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Edges `(from, to)` between packages of the workspace, of every kind.
fn edges(metadata: &Value) -> Vec<(String, String)> {
    let packages = metadata["packages"].as_array().unwrap();
    let name = |p: &Value| p["name"].as_str().unwrap().to_owned();
    let ours: Vec<String> = packages.iter().map(name).collect();
    let mut all = Vec::new();
    for package in packages {
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = name(dependency);
            if ours.contains(&to) {
                all.push((name(package), to));
            }
        }
    }
    all
}

/// core and tokenizer know nobody; cuda and cpu know core; ebt, which is embedded, and data know core and tokenizer; then
/// each of corpus, train, interchange, device and host knows some of those before it, device and host optionally cuda;
/// tests know all; nobody knows tests.
#[test]
fn dependencies_point_one_way() {
    let metadata = metadata();
    let allowed = |from: &str, to: &str| match from {
        "ebt-host" => to != "ebt" && to != "ebt-tests",
        "ebt-device" => {
            ["ebt-core", "ebt-cpu", "ebt-cuda", "ebt-data", "ebt-interchange", "ebt-tokenizer", "ebt-train"]
                .contains(&to)
        }
        "ebt-interchange" => ["ebt-core", "ebt-data", "ebt-train"].contains(&to),
        "ebt" | "ebt-data" => ["ebt-core", "ebt-tokenizer"].contains(&to),
        "ebt-train" => ["ebt-core", "ebt-tokenizer", "ebt-data"].contains(&to),
        "ebt-corpus" => ["ebt-tokenizer", "ebt-data"].contains(&to),
        "ebt-cpu" | "ebt-cuda" => to == "ebt-core",
        "ebt-tests" => to != "ebt-tests",
        _ => false,
    };
    for (from, to) in edges(&metadata) {
        assert!(allowed(&from, &to), "{from} must not depend on {to}");
    }
    let packages = metadata["packages"].as_array().unwrap();
    for host in packages.iter().filter(|p| p["name"] == "ebt-host" || p["name"] == "ebt-device") {
        for d in host["dependencies"].as_array().unwrap().iter().filter(|d| d["name"] == "ebt-cuda") {
            assert_eq!(d["optional"], true, "cuda stays behind a feature");
        }
    }
    assert!(packages.iter().all(|p| p["name"] != "core"), "a package named core breaks `use core::...`");
}

fn files(folder: &Path, extensions: &[&str], out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                files(&path, extensions, out);
            }
        } else if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
            out.push(path);
        }
    }
}

/// No source file is longer than 600 lines.
#[test]
fn files_are_short() {
    let mut all = Vec::new();
    for package in ["core", "host", "cuda", "tokenizer", "tests"] {
        files(&root().join(package), &["rs", "cu", "cuh", "sh", "py"], &mut all);
    }
    assert!(all.len() > 30, "the sources are where they are looked for");
    for path in all {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines", path.display());
    }
}

/// core is `no_std`, has one place with unsafe code, and names no file, thread, clock or device.
#[test]
fn core_knows_no_machine() {
    let source = |p: &Path| std::fs::read_to_string(p).unwrap();
    let lib = source(&root().join("core/src/lib.rs"));
    assert!(lib.contains("#![no_std]") && lib.contains("#![deny(unsafe_code)]"));
    assert!(lib.contains("#[cfg(feature = \"std\")]\nextern crate std;"), "std is optional");
    let mut all = Vec::new();
    files(&root().join("core/src"), &["rs"], &mut all);
    for path in all {
        let text = source(&path);
        let excepted = path.ends_with("packed/kernel/mod.rs");
        let allows = text.contains("allow(unsafe_code") || text.contains("expect(unsafe_code");
        assert_eq!(allows, excepted, "{}: kernels alone are called by unsafe code", path.display());
        let text = text.split("#[cfg(test)]").next().unwrap();
        for word in ["std::fs", "std::thread", "std::time", "std::io", "println!", "rayon", "cudarc"] {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
}
