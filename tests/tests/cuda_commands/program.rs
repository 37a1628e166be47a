//! The program `ebt` in a known environment.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub use ebt_tests::program::root;
use ebt_tests::{program, stand_in};
use serde_json::Value;

/// An empty folder that keeps what is written into it until the next run.
pub fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda_commands").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// `ebt` where no GPU can be used: the driver, if there is one, hides them.
pub fn without_gpu(arguments: &[&str]) -> Command {
    let mut command = Command::new(program::host());
    for variable in ["EBT_CUDA_LIBS", "EBT_CUDA_SYNC", "LD_LIBRARY_PATH"] {
        command.env_remove(variable);
    }
    command.args(arguments).stdin(Stdio::null()).current_dir(root());
    command.env("CUDA_VISIBLE_DEVICES", "").env("EBT_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// `ebt` on the stand-in.
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

/// A command as two ranks on two GPUs, as torchrun starts them; the line of the first one, and nothing of the other.
pub fn two_ranks(arguments: &[&str]) -> Value {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let start = |rank: &str| -> Child {
        let mut command = on_stand_in(arguments);
        command.env("EBT_STAND_IN_DEVICES", "2").envs([("RANK", rank), ("LOCAL_RANK", rank)]);
        command.envs([
            ("WORLD_SIZE", "2"),
            ("LOCAL_WORLD_SIZE", "2"),
            ("MASTER_ADDR", "127.0.0.1"),
            ("MASTER_PORT", &port),
        ]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let outputs = ["0", "1"].map(start).map(|child| child.wait_with_output().unwrap());
    for output in &outputs {
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(outputs[1].stdout.is_empty());
    serde_json::from_slice(&outputs[0].stdout).unwrap()
}
