//! Damaged text: news, law, chat, poetry, text that needs nothing, signs of all kinds; through the program, Rust, C and JavaScript.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ebt::{Damage, DescentOptions, Restorer, SessionOptions};
use ebt_tests::program::{self, root};

use super::{c_program, run};

fn model() -> PathBuf {
    root().join("fixtures/restore-model.ebp")
}

/// Lines as they are typed.
const PARAGRAPHS: &str = include_str!("paragraphs.txt");

fn in_rust(typed: &str) -> String {
    let (file, options) =
        (std::fs::read(model()).unwrap(), SessionOptions { rows: 1, steps: 1, ..SessionOptions::default() });
    let mut memory = vec![0u64; Restorer::bytes_needed(&file, &options).unwrap().div_ceil(8)];
    let mut restorer = Restorer::new(&file, &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
    let mut scratch = vec![0; Restorer::bytes_to_settle(typed.len())];
    restorer.settle(typed, Damage::Ascii, &DescentOptions::default(), &mut scratch, &mut |_, _| ()).unwrap().to_owned()
}

/// What a program makes of the paragraphs.
fn said(mut command: Command) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // one that fails may end before it has read all: its status says so
    let _ = child.stdin.take().unwrap().write_all(PARAGRAPHS.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_door_restores_the_same() {
    let lines: Vec<(&str, String)> = PARAGRAPHS.split('\n').map(|line| (line, in_rust(line))).collect();
    let expected = lines.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n");
    assert_ne!(expected, PARAGRAPHS);
    // the built-in model is the same
    let mut restore = Command::new(program::host());
    restore.arg("restore");
    assert_eq!(said(restore), expected);
    if cfg!(unix) {
        let mut restore = Command::new(c_program("core/embed/tests/c/restore.c", "restore"));
        restore.arg(model());
        assert_eq!(said(restore), expected);
    }
    let Some(module) = std::env::var_os("EBT_WASM") else { return };
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("restored.json");
    std::fs::write(&file, serde_json::to_string(&lines).unwrap()).unwrap();
    let script = root().join("tests/tests/one_text/restore.mjs");
    let said = run(Command::new("node").arg(script).arg(module).arg(model()).arg(&file));
    assert_eq!(said.trim(), format!("{} lines say the same", lines.len()));
}

/// What is right already stays; addresses, code and other languages stay.
#[test]
fn what_needs_nothing_stays() {
    let lines: Vec<&str> = PARAGRAPHS.split('\n').collect();
    let right = "İçişleri Bakanlığı'nın çağrısı üzerine görüşmeler ertelendi.";
    assert!(in_rust(lines[4]).contains(right));
    assert!(in_rust(lines[2]).contains("https://ornek.com.tr/harita?q=sicak_gun olmazsa ali.cicek@posta.com'a"));
    assert!(in_rust(lines[5]).ends_with("config.json 3.14 E-5 100% #etiket C:\\Users\\isik\\dosya.txt"));
}
