//! The program `ebt` of this build.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// Root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The binary of this build. Cargo builds it before the tests of a whole workspace; for those of this package alone it may
/// be missing or older than its sources, and is built.
pub fn host() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let own = std::env::current_exe().unwrap();
        let profile = own.ancestors().nth(2).unwrap();
        let binary = profile.join(format!("ebt{}", std::env::consts::EXE_SUFFIX));
        let built = fs::metadata(&binary).and_then(|file| file.modified());
        if built.map_or(true, |built| built < newest_source()) {
            build(profile);
        }
        binary
    })
}

fn build(profile: &Path) {
    let name = match profile.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        name => name,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // the whole workspace, so that dependencies have the features they were built with
    command
        .args(["build", "--workspace", "--bin", "ebt", "--features", "full", "--locked", "--profile", name])
        .current_dir(root());
    let output = command.env("CARGO_TARGET_DIR", profile.parent().unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn newest_source() -> SystemTime {
    let root = root();
    let mut waiting: Vec<_> = ["core", "cuda", "tokenizer", "host"].map(|package| root.join(package)).into();
    waiting.push(root.join("Cargo.lock"));
    let mut newest = SystemTime::UNIX_EPOCH;
    while let Some(path) = waiting.pop() {
        if path.ends_with("tests") {
            continue;
        }
        match fs::read_dir(&path) {
            Ok(entries) => waiting.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) => newest = newest.max(fs::metadata(&path).unwrap().modified().unwrap()),
        }
    }
    newest
}
