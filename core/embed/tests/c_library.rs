//! The library as C programs use it: compiled with the C compiler, linked statically and dynamically, and watched by
//! valgrind where that is installed. With the compilers of Unix; the header itself knows no system.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod support;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use ebt::packed::Model;
use ebt::{DescentOptions, Generator, Options, Prior, Problem, SessionOptions, Settings, Solver};

const PROMPT: &str = "Türkiye'nin";
const TOKENS: usize = 12;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command; its standard output, or a panic with everything it said.
fn run(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (text, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{command:?}: {}\n{text}\n{errors}", out.status);
    text.into_owned()
}

/// Builds `libebt` of one kind and says where it lies.
fn library(kind: &str, file: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libebt");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let words = ["rustc", "--quiet", "--release", "--offline", "-p", "ebt", "--lib", "--crate-type", kind];
    run(Command::new(cargo).args(words).arg("--target-dir").arg(&target).current_dir(folder()));
    let path = target.join("release").join(file);
    assert!(path.exists(), "{} was built", path.display());
    path
}

fn compiler() -> Command {
    let mut cc = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".into()));
    cc.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-g"]);
    cc.arg("-I").arg(folder().join("include"));
    cc
}

/// The text that the same calls generate in Rust.
fn expected(model: &[u8]) -> String {
    let options = Options::default();
    let mut memory = vec![0; Generator::bytes_needed(model, &options).unwrap()];
    let mut generator = Generator::new(model, &options, &mut memory).unwrap();
    let mut settings = Settings::default();
    generator.prompt(PROMPT).unwrap();
    (settings.think.seed, settings.think.certify) = (7, true);
    let mut text = String::new();
    for _ in 0..TOKENS {
        match generator.next(&settings, &mut |_| ControlFlow::Continue(())).unwrap() {
            Some(token) => text.extend(token.text.pieces()),
            None => break,
        }
    }
    text
}

/// The answer that the same calls find in Rust, as the program prints it.
fn answered(model: &[u8]) -> String {
    let options = SessionOptions { rows: 3, ..SessionOptions::default() };
    let model = Model::read(model).unwrap();
    let (cells, all) = (model.config.context, (1 << model.config.vocab) - 1);
    let mut memory = vec![0; Solver::bytes_needed(&model.config, &options).unwrap()];
    let mut solver = Solver::new(model, &options, &mut memory).unwrap();
    let allowed: Vec<u32> = [2, 5].into_iter().chain(std::iter::repeat(all)).take(cells).collect();
    let think = DescentOptions { steps: 5, commits: 2, candidates: 3, ..DescentOptions::joint() };
    let problem = Problem { cells, allowed: &allowed, prior: Prior::default() };
    let solution = solver.solve(problem, &think, &mut |_| ControlFlow::Continue(())).unwrap();
    solution.answer().map(|token| format!("{token} ")).collect::<String>() + "\n"
}

#[test]
fn c_programs_generate_what_rust_generates() {
    let work = tempfile::tempdir().unwrap();
    let (model, bytes) = (work.path().join("model.packed"), support::model());
    std::fs::write(&model, &bytes).unwrap();
    let expected = expected(&bytes);
    let source = folder().join("tests/c/generate.c");

    let archive = library("staticlib", "libebt.a");
    let fixed = work.path().join("static");
    let build = |source: &Path, program: &Path| {
        let mut compiler = compiler();
        run(compiler.arg("-std=c11").arg(source).arg("-o").arg(program).arg(&archive).args([
            "-lm",
            "-lpthread",
            "-ldl",
        ]));
    };
    build(&source, &fixed);
    let (solves, joint) = (work.path().join("solve"), work.path().join("joint.packed"));
    std::fs::write(&joint, support::joint()).unwrap();
    build(&folder().join("tests/c/solve.c"), &solves);
    assert_eq!(run(Command::new(&solves).arg(&joint)), answered(&support::joint()));
    let restores = work.path().join("restore");
    build(&folder().join("tests/c/restore.c"), &restores);

    let shared = library("cdylib", if cfg!(target_os = "macos") { "libebt.dylib" } else { "libebt.so" });
    let (dynamic, place) = (work.path().join("dynamic"), shared.parent().unwrap());
    let rpath = format!("-Wl,-rpath,{}", place.display());
    run(compiler()
        .arg("-std=c17")
        .arg(&source)
        .arg("-o")
        .arg(&dynamic)
        .arg("-L")
        .arg(place)
        .args(["-lebt", "-lm", &rpath]));

    let valgrind = Command::new("valgrind").arg("--version").output().is_ok_and(|out| out.status.success());
    for program in [&fixed, &dynamic] {
        let arguments = [model.as_os_str(), PROMPT.as_ref(), "12".as_ref()];
        assert_eq!(run(Command::new(program).args(arguments)), format!("{expected}\n"));
        if valgrind {
            let mut watched = Command::new("valgrind");
            watched.args(["--quiet", "--leak-check=full", "--show-leak-kinds=all", "--error-exitcode=9"]);
            watched.arg("--errors-for-leak-kinds=all").arg(program).args([
                model.as_os_str(),
                PROMPT.as_ref(),
                "2".as_ref(),
            ]);
            run(&mut watched);
        }
    }
}

/// The header is also one of C++ and of the oldest C that has its types.
#[test]
fn the_header_compiles_alone() {
    let work = tempfile::tempdir().unwrap();
    for (name, standard) in [("alone.c", "-std=c99"), ("alone.c", "-std=c11"), ("alone.cpp", "-std=c++11")] {
        let file = work.path().join(name);
        std::fs::write(&file, "#include \"ebt.h\"\n#include \"ebt.h\"\n").unwrap();
        run(compiler().args([standard, "-fsyntax-only"]).arg(&file));
    }
}
