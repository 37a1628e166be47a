//! The program `host` in a known environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

use ebt_tests::stand_in;
use serde_json::Value;

/// Root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// An empty folder that keeps what is written into it until the next run.
pub fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda_commands").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// `host` where no GPU can be used: the driver, if there is one, hides them.
pub fn without_gpu(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for variable in ["EBT_CUDA_LIBS", "EBT_CUDA_SYNC", "LD_LIBRARY_PATH"] {
        command.env_remove(variable);
    }
    command.args(arguments).stdin(Stdio::null()).current_dir(root());
    command.env("CUDA_VISIBLE_DEVICES", "").env("EBT_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// `host` on the stand-in.
pub fn on_stand_in(arguments: &[&str]) -> Command {
    let mut command = without_gpu(arguments);
    command.env_remove("CUDA_VISIBLE_DEVICES").env("EBT_CUDA_LIBS", stand_in::library_directory());
    command
}

/// Runs a command that must end with `status` and without a panic: standard output and error.
pub fn ends_with(status: i32, command: &mut Command) -> (String, String) {
    let Output { status: found, stdout, stderr } = command.output().unwrap();
    let [out, err] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(found.code(), Some(status), "{command:?}: {out}{err}");
    assert!(!err.contains("panicked"), "{command:?}: {err}");
    (out, err)
}

/// Runs a command that must succeed and print nothing but JSON.
pub fn json(command: &mut Command) -> Value {
    let (out, _) = ends_with(0, command);
    serde_json::from_str(&out).unwrap()
}

/// Runs a command that must succeed and print one line of JSON.
pub fn json_line(command: &mut Command) -> Value {
    let (out, _) = ends_with(0, command);
    assert_eq!(out.lines().count(), 1, "{out}");
    serde_json::from_str(&out).unwrap()
}

/// Runs a command that must fail: one error, as sentences.
pub fn refused(command: &mut Command) -> String {
    let (_, err) = ends_with(1, command);
    assert_eq!(err.matches("error: ").count(), 1, "{command:?}: {err}");
    err
}

/// The binary of this build. Cargo builds it before the tests of a whole workspace; for those of this package alone it may
/// be missing or older than its sources, and is built.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let own = std::env::current_exe().unwrap();
        let profile = own.ancestors().nth(2).unwrap();
        let binary = profile.join(format!("host{}", std::env::consts::EXE_SUFFIX));
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
    command.args(["build", "--workspace", "--bin", "host", "--locked", "--profile", name]).current_dir(root());
    let output = command.env("CARGO_TARGET_DIR", profile.parent().unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn newest_source() -> SystemTime {
    let root = root();
    let mut waiting: Vec<_> =
        ["core", "cuda", "tokenizer", "host"].map(|package| root.join(package).join("src")).into();
    let nested = ["corpus", "cpu", "data", "device", "interchange", "train"];
    waiting.extend(nested.map(|package| root.join("host").join(package).join("src")));
    waiting.extend([root.join("cuda/kernels"), root.join("Cargo.lock")]);
    let mut newest = SystemTime::UNIX_EPOCH;
    while let Some(path) = waiting.pop() {
        match fs::read_dir(&path) {
            Ok(entries) => waiting.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) => newest = newest.max(fs::metadata(&path).unwrap().modified().unwrap()),
        }
    }
    newest
}
