//! One model, one seed, one text: the program `ebt`, Rust, C and JavaScript say the same, with the same certificates to the
//! bit, whatever the prompt, the seed, the sampling, the step sizes, the noise and the number of candidates; and restore
//! damaged text to the same bytes.
//!
//! C is tried where the compiler takes the options of Unix. JavaScript is tried where `EBT_WASM` names the WebAssembly module, which a compiler builds that not
//! every machine has (`tests/targets/run.sh` does it and sets `EBT_WASM`).
#![allow(clippy::unwrap_used)]

mod cases;
mod restoring;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use cases::{Case, Hex as _, cases};
use ebt::{Generator, Options, SessionOptions, Settings};
use ebt_tests::program::{self, root};
use serde_json::{Value, json};

fn model() -> PathBuf {
    root().join("fixtures/sample-model.ebp")
}

/// Standard output of a command that must succeed.
fn run(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Extents with everything that a case may ask for.
fn options() -> Options {
    let session =
        SessionOptions { block: 8, rows: 4, steps: 8, trials: true, curvature: true, ..SessionOptions::default() };
    Options { session, prompt: 256 }
}

/// Lines and the text of whole characters: C and JavaScript tell what is left of a character only where the model ends the
/// text.
fn whole(lines: String, text: &str) -> String {
    lines + text.trim_end_matches('\u{fffd}') + "\n"
}

/// A line a token: its id, and the bits of its probability and of its certificate; then the text.
fn in_rust(model: &[u8], case: &Case) -> String {
    let mut memory = vec![0u64; Generator::bytes_needed(model, &options()).unwrap().div_ceil(8)];
    let mut generator = Generator::new(model, &options(), bytemuck::cast_slice_mut(&mut memory)).unwrap();
    generator.prompt(&case.prompt).unwrap();
    let settings = Settings { think: case.think, sampling: case.sampling };
    let (mut lines, mut text) = (String::new(), String::new());
    for _ in 0..case.tokens {
        let Some(token) = generator.next(&settings, &mut |_| ControlFlow::Continue(())).unwrap() else { break };
        text.extend(token.text.pieces());
        let c = token.certificate;
        lines += &format!("{} {} {} {}", token.id, token.probability.hex(), c.candidate, c.steps);
        for list in [c.energies, c.energies_after, c.step_sizes, c.dissipations, c.alpha_lambda] {
            lines += &format!(" |{}", list.hex());
        }
        lines.push('\n');
    }
    whole(lines, &text)
}

/// The same of what `ebt generate --certificate -` prints.
fn in_the_program(case: &Case) -> String {
    let model = model();
    let mut command = Command::new(program::host());
    command.args(["generate", "--certificate", "-", "--model"]).arg(&model).args(case.flags());
    let file: Value = serde_json::from_str(&run(&mut command)).unwrap();
    let mut lines = String::new();
    for token in file["tokens"].as_array().unwrap() {
        let c = &token["certificate"];
        let probability = (token["probability"].as_f64().unwrap() as f32).hex();
        lines += &format!("{} {probability} {} {}", token["id"], c["candidate"], c["steps"]);
        for field in ["energies", "energies_after", "step_sizes", "dissipations", "alpha_lambda"] {
            let list: Vec<f32> = c[field].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
            lines += &format!(" |{}", list.hex());
        }
        lines.push('\n');
    }
    whole(lines, file["text"].as_str().unwrap())
}

/// Builds the C program `source` against the library of this source tree.
fn c_program(source: &str, name: &str) -> PathBuf {
    // tests run side by side, and the library is one
    static ONE: Mutex<()> = Mutex::new(());
    let _turn = ONE.lock().unwrap();
    // the folder in which ebt's own tests build the library, too
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libebt");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let words = ["rustc", "--quiet", "--release", "--offline", "-p", "ebt", "--lib", "--crate-type", "staticlib"];
    run(Command::new(cargo).args(words).arg("--target-dir").arg(&work).current_dir(root()));
    let program = work.join(name);
    let mut cc = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".into()));
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1"]);
    cc.arg("-I").arg(root().join("core/embed/include")).arg(root().join(source));
    run(cc.arg("-o").arg(&program).arg(work.join("release/libebt.a")).args(["-lm", "-lpthread", "-ldl"]));
    program
}

#[test]
fn every_door_says_the_same() {
    let bytes = std::fs::read(model()).unwrap();
    let program = cfg!(unix).then(|| c_program("tests/tests/one_text/program.c", "one_text"));
    let cases = cases();
    let expected: Vec<String> = cases.iter().map(|case| in_rust(&bytes, case)).collect();
    let tokens: usize = expected.iter().map(|text| text.lines().filter(|line| line.contains(" |")).count()).sum();
    assert!(tokens > 3 * cases.len(), "{tokens} tokens are too few to compare");
    for (case, expected) in cases.iter().zip(&expected) {
        assert_eq!(&in_the_program(case), expected, "ebt generate {:?}", case.flags());
        if let Some(program) = &program {
            let said = run(Command::new(program).arg(model()).args(case.words()));
            assert_eq!(&said, expected, "in C: {case:?}");
        }
    }
    let Some(module) = std::env::var_os("EBT_WASM") else { return };
    let all: Vec<Value> = cases
        .iter()
        .zip(&expected)
        .map(|(case, expected)| {
            json!({"prompt": case.prompt, "tokens": case.tokens, "settings": case.settings(), "expected": expected})
        })
        .collect();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("one_text.json");
    std::fs::write(&file, serde_json::to_string(&all).unwrap()).unwrap();
    let script = root().join("tests/tests/one_text/program.mjs");
    let said = run(Command::new("node").arg(script).arg(module).arg(model()).arg(&file));
    assert_eq!(said.trim(), format!("{} cases say the same", cases.len()));
}
