//! `ebt completions` and `ebt man`.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::process::Command;

use support::fed::feed;
use support::program::{fails, succeeds};

const COMMANDS: [&str; 16] = [
    "bench",
    "completions",
    "data",
    "doctor",
    "eval",
    "export",
    "generate",
    "import",
    "inspect",
    "man",
    "parity",
    "plan",
    "plot",
    "serve",
    "tokenizer",
    "train",
];

#[test]
fn every_shell_gets_a_script_that_knows_all_commands_and_flags() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = succeeds(&["completions", shell]);
        for word in COMMANDS.into_iter().chain(["near-duplicates", "step-size", "verify"]) {
            assert!(script.contains(word), "{shell}: {word}");
        }
        assert!(script.contains("ebt") && !script.contains("\u{1b}"), "{shell}");
    }
    // a shell that is there reads its own
    if Command::new("bash").arg("--version").output().is_ok() {
        let mut bash = Command::new("bash");
        bash.arg("-n");
        assert!(feed(bash, succeeds(&["completions", "bash"]).as_bytes()).status.success());
    }
    fails(&["completions", "tcsh"], 2);
    fails(&["completions"], 2);
}

#[test]
fn every_command_has_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a/man1");
    assert_eq!(succeeds(&["man", "--out", out.to_str().unwrap()]), "");
    let page = |name: &str| fs::read_to_string(out.join(format!("{name}.1"))).unwrap_or_else(|e| panic!("{name}: {e}"));
    for command in COMMANDS {
        let page = page(&format!("ebt-{command}"));
        assert!(page.contains(&format!(".TH ebt-{command} 1")) && page.contains(".SH SYNOPSIS"), "{page}");
    }
    assert!(page("ebt-data-prepare").contains("near") && page("ebt-data-prepare").contains("ebt data prepare"));
    assert!(page("ebt-data-merge").contains("byte for byte"));
    assert!(page("ebt-tokenizer-train").contains("vocab"));
    assert_eq!(succeeds(&["man"]), page("ebt"));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let message = fails(&["man", "--out", file.to_str().unwrap()], 1);
    assert!(message.contains(file.to_str().unwrap()), "{message}");
}
