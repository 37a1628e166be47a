//! The shape of the house: which package may depend on which, how long a file may be, what core must not know.
#![allow(clippy::unwrap_used)]

#[path = "structure/guide.rs"]
mod guide;
#[path = "structure/imports.rs"]
mod imports;
#[path = "structure/names.rs"]
mod names;
#[path = "structure/tokens.rs"]
mod tokens;

use std::path::{Path, PathBuf};
use std::process::Command;

use ebt_tests::program::root;
use serde_json::Value;

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
            // tests of a package may turn on its own features
            if ours.contains(&to) && to != name(package) {
                all.push((name(package), to));
            }
        }
    }
    all
}

/// Which packages of the workspace a package may use. Nobody uses the tests.
const MAY_USE: &[(&str, &[&str])] = &[
    ("ebt-fixtures", &[]),
    ("ebt-core", &[]),
    ("ebt-tokenizer", &["ebt-fixtures"]),
    ("ebt-cuda", &["ebt-core"]),
    ("ebt", &["ebt-core", "ebt-fixtures", "ebt-tokenizer"]),
    ("ebt-ranks", &[]),
    ("ebt-cpu", &["ebt-core", "ebt-ranks"]),
    ("ebt-data", &["ebt-core", "ebt-fixtures", "ebt-tokenizer"]),
    ("ebt-corpus", &["ebt-data", "ebt-tokenizer"]),
    ("ebt-model", &["ebt-core", "ebt-data", "ebt-tokenizer"]),
    ("ebt-train", &["ebt", "ebt-core", "ebt-data", "ebt-model", "ebt-ranks", "ebt-tokenizer"]),
    (
        "ebt-device",
        &["ebt-core", "ebt-cpu", "ebt-cuda", "ebt-data", "ebt-model", "ebt-ranks", "ebt-tokenizer", "ebt-train"],
    ),
    (
        "ebt-host",
        &[
            "ebt",
            "ebt-core",
            "ebt-corpus",
            "ebt-cpu",
            "ebt-cuda",
            "ebt-data",
            "ebt-device",
            "ebt-fixtures",
            "ebt-model",
            "ebt-ranks",
            "ebt-tokenizer",
            "ebt-train",
        ],
    ),
    ("ebt-tests", &["ebt", "ebt-core", "ebt-cpu", "ebt-cuda", "ebt-device", "ebt-host", "ebt-ranks"]),
];

#[test]
fn dependencies_point_one_way() {
    let metadata = metadata();
    for (from, to) in edges(&metadata) {
        let rule = MAY_USE.iter().find(|(package, _)| *package == from);
        assert!(rule.is_some_and(|(_, others)| others.contains(&to.as_str())), "{from} must not depend on {to}");
    }
    let packages = metadata["packages"].as_array().unwrap();
    for host in packages.iter().filter(|p| p["name"] == "ebt-host" || p["name"] == "ebt-device") {
        for d in host["dependencies"].as_array().unwrap().iter().filter(|d| d["name"] == "ebt-cuda") {
            assert_eq!(d["optional"], true, "cuda stays behind a feature");
        }
    }
    assert!(packages.iter().all(|p| p["name"] != "core"), "a package named core breaks `use core::...`");
}

/// What a newcomer waits for: the crates of the program as it is built without flags.
#[cfg(target_os = "linux")]
#[test]
fn a_first_build_compiles_fewer_than_150_crates() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let flags =
        ["-p", "ebt-host", "-e", "normal,build", "--prefix", "none", "--format", "{p}", "--offline", "--locked"];
    let tree = Command::new(cargo).arg("tree").args(flags).current_dir(root()).output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    let crates: std::collections::BTreeSet<_> = text
        .lines()
        .filter_map(|line| Some(line.split_whitespace().take(2).collect::<Vec<_>>()).filter(|l| l.len() == 2))
        .collect();
    assert!((50..150).contains(&crates.len()), "{} crates", crates.len());
}

/// Circles of files that there may be: those below these paths, and why.
const CIRCLES: &[(&[&str], &str)] = &[(
    &["core/src/compute", "core/src/dual.rs", "core/src/fused"],
    "default methods of the compute trait are fused operations, which are generic over the trait",
)];

/// Inside a crate, what a file uses never leads back to it.
#[test]
fn imports_run_in_no_circle() {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let metadata = metadata();
    let targets = metadata["packages"].as_array().unwrap().iter().flat_map(|p| p["targets"].as_array().unwrap());
    let crates = targets.filter(|t| t["kind"].as_array().unwrap().iter().any(|kind| kind == "lib" || kind == "bin"));
    let mut met = vec![false; CIRCLES.len()];
    let mut count = 0;
    for root_file in crates.map(|target| PathBuf::from(target["src_path"].as_str().unwrap())) {
        let mut graph = imports::graph(&root_file, &read);
        count += graph.len();
        for ((parts, _), met) in CIRCLES.iter().zip(&mut met) {
            let inside = |path: &PathBuf| parts.iter().any(|part| path.starts_with(root().join(part)));
            *met |= imports::circle(&graph, &inside).is_some();
            for (_, used) in graph.iter_mut().filter(|(file, _)| inside(file)) {
                used.retain(|file| !inside(file));
            }
        }
        if let Some(circle) = imports::circle(&graph, &|_| true) {
            let names: Vec<_> = circle.iter().map(|p| p.strip_prefix(root()).unwrap().display().to_string()).collect();
            panic!("imports run in a circle: {}", names.join(" -> "));
        }
    }
    assert!(count > 300, "the sources are where they are looked for");
    let stale: Vec<_> = CIRCLES.iter().zip(met).filter(|(_, met)| !met).collect();
    assert!(stale.is_empty(), "no longer circles, so no longer to be excused: {stale:?}");
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

/// Files that the how-to pages tell the reader to make.
const INVENTED: [&str; 6] = [
    "core/src/fused/f.rs",
    "cuda/kernels/f.cu",
    "cuda/src/op/f.rs",
    "host/cpu/src/kernel/f.rs",
    "host/src/commands/weigh.rs",
    "tests/tests/on_X.rs",
];

/// Every file that a page of the guide names is there, and every test that is said to hold two texts equal.
#[test]
fn the_guide_names_what_is_there() {
    let (mut pages, mut sources) = (Vec::new(), Vec::new());
    files(&root().join("core/guide"), &["md"], &mut pages);
    for package in ["core", "host", "tests"] {
        files(&root().join(package), &["rs"], &mut sources);
    }
    assert!(pages.len() > 5, "the guide is where it is looked for");
    let sources: String = sources.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let mut tests = 0;
    for path in pages {
        let page = std::fs::read_to_string(&path).unwrap();
        let missing = guide::missing_paths(&root(), &page, &INVENTED);
        assert!(missing.is_empty(), "{} names {missing:?}", path.display());
        for test in guide::tests_named(&page) {
            tests += 1;
            let there = sources.contains(&format!("fn {test}(")) || sources.contains(&format!("fn {test}<"));
            assert!(there, "{}: there is no test {test}", path.display());
        }
    }
    assert!(tests > 10, "the tables are read");
    let lost = guide::missing_paths(
        &root(),
        "| x | y: `core/src` |\n|---|---|\n| `no.rs` | `lib.rs`, `fused/*.rs`, `no/*.rs` |",
        &[],
    );
    assert_eq!(lost, ["no.rs", "no/*.rs"], "what is not there is found");
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

/// core is `no_std`, has no unsafe code, and names no file, thread, clock or device.
#[test]
fn core_knows_no_machine() {
    let source = |p: &Path| std::fs::read_to_string(p).unwrap();
    let lib = source(&root().join("core/src/lib.rs"));
    assert!(lib.contains("#![no_std]") && lib.contains("#![forbid(unsafe_code)]"));
    assert!(!lib.contains("extern crate std"), "core needs no std");
    let (mut all, mut inference) = (Vec::new(), Vec::new());
    files(&root().join("core/src"), &["rs"], &mut all);
    for room in ["engine", "packed"] {
        files(&root().join("core/embed/src").join(room), &["rs"], &mut inference);
    }
    for path in &inference {
        let text = source(path);
        let excepted = path.ends_with("packed/kernel/mod.rs") || path.ends_with("packed/kernel/prefetch.rs");
        let allows = text.contains("allow(unsafe_code") || text.contains("expect(unsafe_code");
        assert_eq!(allows, excepted, "{}: kernels alone are called by unsafe code", path.display());
    }
    for path in all.iter().chain(&inference) {
        let text = source(path);
        let text = text.split("#[cfg(test)]").next().unwrap();
        for word in ["std::fs", "std::thread", "std::time", "std::io", "println!", "rayon", "cudarc"] {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
}
