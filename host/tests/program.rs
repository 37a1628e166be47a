//! The program under its two names, what a build lacks, and a binary away from its sources.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const NAMES: [(&str, &str); 2] = [("ebt", env!("CARGO_BIN_EXE_ebt")), ("host", env!("CARGO_BIN_EXE_host"))];

/// Runs a program without environment in `folder`.
fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    // Windows has no processes without these
    let kept = ["SystemRoot", "TEMP", "TMP"].map(|name| (name, std::env::var_os(name)));
    command.env_clear().envs(kept.into_iter().filter_map(|(name, value)| Some((name, value?))));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

/// What a command that succeeds printed.
fn succeeds(program: &Path, folder: &Path, arguments: &[&str]) -> String {
    let output = run(program, folder, arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {message}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a command that fails told.
fn fails(program: &Path, folder: &Path, arguments: &[&str]) -> String {
    let output = run(program, folder, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Every command that `text` shows at the beginning of a line, in quotes or after a bar, of those that the program has.
fn commands_shown<'a>(text: &'a str, subcommands: &[&str]) -> Vec<&'a str> {
    let words: Vec<&str> = text.split([' ', '`', '\n', '(', ')']).filter(|word| !word.is_empty()).collect();
    let pairs = words.windows(2).filter(|pair| ["ebt", "host"].contains(&pair[0]) && subcommands.contains(&pair[1]));
    pairs.map(|pair| pair[0]).collect()
}

#[test]
fn help_and_messages_name_the_program_as_it_was_called() {
    let folder = tempfile::tempdir().unwrap();
    let copied = folder.path().join(format!("türkçe{}", std::env::consts::EXE_SUFFIX));
    fs::copy(NAMES[0].1, &copied).unwrap();
    let subcommands = ["train", "tokenizer", "data", "eval", "generate", "plot", "import", "export", "plan", "doctor"];
    let mut helps = Vec::new();
    for (name, program) in NAMES {
        let program = Path::new(program);
        let version = succeeds(program, folder.path(), &["--version"]);
        assert!(version.starts_with(&format!("{name} ")) && version.contains("features: "), "{version}");
        let mut all = succeeds(program, folder.path(), &["--help"]);
        for command in subcommands {
            all += &succeeds(program, folder.path(), &[command, "--help"]);
        }
        let shown = commands_shown(&all, &subcommands);
        assert!(shown.len() > 30 && shown.iter().all(|shown| *shown == name), "{name}: {shown:?}");
        let message = fails(program, folder.path(), &["import", "x", "--out", "y"]);
        assert!(!message.contains(if name == "ebt" { "host" } else { "ebt" }), "{message}");
        // lines break elsewhere after a longer name
        let words =
            all.split_whitespace().map(|word| if word.trim_matches(['`', '(']) == name { "NAME" } else { word });
        helps.push(words.map(ToOwned::to_owned).collect::<Vec<_>>());
    }
    assert_eq!(helps[0], helps[1], "one program");
    let help = succeeds(&copied, folder.path(), &["train", "--help"]);
    assert!(help.contains("Usage: türkçe train") && help.contains("  türkçe train --resume"), "{help}");
}

#[test]
fn what_a_build_lacks_is_refused_with_the_command_that_brings_it() {
    let folder = tempfile::tempdir().unwrap();
    let ebt = Path::new(NAMES[0].1);
    for name in ["a.parquet", "a.arrow", "a.feather.zst"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    fs::write(folder.path().join("a.txt"), "bir").unwrap();
    let prepare = ["data", "prepare", "--out", "out"];
    let cases: [(&str, bool, Vec<&str>); 12] = [
        ("parquet", cfg!(feature = "parquet"), [&prepare[..], &["a.parquet"]].concat()),
        ("parquet", cfg!(feature = "parquet"), [&prepare[..], &["a.arrow"]].concat()),
        ("parquet", cfg!(feature = "parquet"), [&prepare[..], &["a.txt", "a.feather.zst"]].concat()),
        ("parquet", cfg!(feature = "parquet"), [&prepare[..], &["."]].concat()),
        ("language", cfg!(feature = "language"), [&prepare[..], &["a.txt", "--language", "tr"]].concat()),
        ("hub", cfg!(feature = "hub"), vec!["data", "bilkent", "--out", "out"]),
        ("png", cfg!(feature = "png"), vec!["plot", "--prompt", "a", "--out", "a.png"]),
        ("manual", cfg!(feature = "manual"), vec!["completions", "bash"]),
        ("manual", cfg!(feature = "manual"), vec!["man"]),
        ("parity", cfg!(feature = "parity"), vec!["parity", "a.txt"]),
        ("serve", cfg!(feature = "serve"), vec!["serve"]),
        ("cuda", cfg!(feature = "cuda"), vec!["eval", "--model", "x", "--backend", "cuda"]),
    ];
    let help = succeeds(ebt, folder.path(), &["--help"]);
    for (feature, built, arguments) in cases {
        assert!(help.contains(&format!("  {} ", arguments[0])), "{arguments:?} is in the help");
        if built {
            continue;
        }
        let message = fails(ebt, folder.path(), &arguments);
        let sentence = format!("needs the feature `{feature}`");
        let remedy = format!("cargo install --path host --features {feature}");
        assert!(message.contains(&sentence) && message.contains(&remedy), "{arguments:?}: {message}");
        assert!(!folder.path().join("out").exists(), "{arguments:?} made something");
    }
}

#[test]
fn a_binary_away_from_its_sources_generates_trains_and_plots() {
    let (folder, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ebt = bin.path().join(format!("ebt{}", std::env::consts::EXE_SUFFIX));
    fs::copy(NAMES[0].1, &ebt).unwrap();
    let run = |arguments: &[&str]| succeeds(&ebt, folder.path(), arguments);
    // no file of the sources could be found: their place is not known
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let fixtures = sources.join("fixtures").display().to_string();
    let bytes = fs::read(&ebt).unwrap();
    assert!(!bytes.windows(fixtures.len()).any(|window| window == fixtures.as_bytes()), "{fixtures} is in the program");

    let text = run(&["generate", "--prompt", "Türkiye'nin", "--tokens", "8", "--seed", "1"]);
    assert!(text.starts_with("Türkiye'nin") && text.trim_end().len() > "Türkiye'nin".len(), "{text}");
    let train = ["train", "--steps", "3", "--json", "--quiet", "--out"];
    let learned: serde_json::Value = serde_json::from_str(&run(&[&train[..], &["run"]].concat())).unwrap();
    assert_eq!(learned["step"], 3);
    // the run is known by itself, and from another folder
    let (place, run_folder) = (tempfile::tempdir().unwrap(), folder.path().join("run"));
    let resumed = ["train", "--resume", run_folder.to_str().unwrap(), "--json", "--quiet"];
    let summary: serde_json::Value = serde_json::from_str(&succeeds(&ebt, place.path(), &resumed)).unwrap();
    assert_eq!(summary["step"], 3);
    run(&["generate", "--model", "run", "--prompt", "a", "--tokens", "2"]);
    run(&["plot", "--prompt", "Ankara", "--out", "a.svg"]);
    run(&["plot", "--prompt", "Ankara", "--kind", "landscape", "--resolution", "8", "--out", "b.svg"]);
    run(&["tokenizer", "train", "--help"]);

    // the sample as files is the sample
    run(&["data", "sample", "--out", "turkish"]);
    for (path, texts) in [("train", ebt_fixtures::TRAIN), ("validation", ebt_fixtures::VALIDATION)] {
        for text in texts {
            let file = folder.path().join("turkish").join(path).join(format!("{}.txt", text.source));
            assert_eq!(fs::read_to_string(file).unwrap(), text.text);
        }
    }
    let again = fails(&ebt, folder.path(), &["data", "sample", "--out", "turkish"]);
    assert!(again.contains("turkish is not empty"), "{again}");
    let files = ["other", "--data", "turkish/train", "--validation", "turkish/validation"];
    let from_files: serde_json::Value = serde_json::from_str(&run(&[&train[..], &files].concat())).unwrap();
    assert!(learned["validation"].is_object() && learned["validation"] == from_files["validation"], "{from_files}");
}
