//! The program as a user runs it.

use std::process::{Command, Output, Stdio};

/// Runs a command that reads nothing.
pub fn host(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ebt")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs a command that must succeed; its standard output.
pub fn succeeds(arguments: &[&str]) -> String {
    let output = host(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs a command that must fail with `code`; its standard error.
pub fn fails(arguments: &[&str], code: i32) -> String {
    let output = host(arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}
