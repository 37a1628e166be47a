//! The program on a machine that refuses: no memory, no threads, no room, nobody who reads, a terminal that is gone. A
//! sentence and a status, and what was saved stays saved.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod support;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt as _;
#[cfg(target_os = "linux")]
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use ebt_model::Dtype;
#[cfg(target_os = "linux")]
use nix::sys::signal::{SigHandler, Signal};
use serde_json::Value;
use support::program::text;
use support::{configs, fixtures};

const PROGRAM: &str = env!("CARGO_BIN_EXE_host");

/// A folder with a small model, a text and what belongs to a short run.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        support::model(&configs()[0], false).save(&place.path("model.ebt"), Dtype::F32).unwrap();
        fs::write(place.path("metin.txt"), "Bir varmış bir yokmuş.\n\nEvvel zaman içinde.\n").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Words of a command, `@name` standing for a file of the folder.
    fn words(&self, command: &str) -> Vec<String> {
        let place = |word: &str| word.strip_prefix('@').map_or_else(|| word.to_owned(), |name| self.at(name));
        command.split_whitespace().map(place).collect()
    }

    fn host(&self, command: &str) -> Command {
        let mut host = Command::new(PROGRAM);
        host.args(self.words(command)).stdin(Stdio::null()).env("CUDA_VISIBLE_DEVICES", "");
        host
    }

    /// A command in a shell that first does `before`, such as setting a limit.
    fn shell(&self, before: &str, command: &str) -> Output {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{before}; exec \"$@\""), "sh", PROGRAM]);
        shell.args(self.words(command)).stdin(Stdio::null()).env("CUDA_VISIBLE_DEVICES", "").output().unwrap()
    }

    /// The words of a short run into `@out`.
    fn run(&self, out: &str, more: &str) -> String {
        format!(
            "train --out @{out} --data @metin.txt --validation @metin.txt --threads 1 --set model.dim=16 --set \
             model.heads=2 --set model.ffn=16 --set model.context=8 --set train.batch=2 --set train.checkpoint_every=1 {more}"
        )
    }
}

/// The sentence of a command that must fail with `status`.
fn refused(output: &Output, status: i32) -> String {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{message}");
    assert!(!message.contains("panicked") && !message.contains("RUST_BACKTRACE"), "{message}");
    message
}

/// Bits of permission of a file.
fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Commands that print, one of every kind.
const PRINTING: [&str; 15] = [
    "--help",
    "--version",
    "train --help",
    "plan",
    "plan --json",
    "inspect @model.ebt",
    "inspect @model.ebt --json",
    "eval --model @model.ebt @metin.txt --json",
    "generate --model @model.ebt --prompt Bir --tokens 3",
    "generate --model @model.ebt --prompt Bir --tokens 3 --json",
    "generate --model @model.ebt --prompt Bir --tokens 3 --certificate -",
    "export @model.ebt --out @m.safetensors",
    "tokenizer measure @metin.txt --runs 1 --json",
    "tokenizer train @metin.txt --out @t.json --vocab 300 --json",
    "bench train --vocab 64 --dim 16 --layers 1 --heads 2 --ffn 32 --context 8 --steps 1 --threads 1",
];

#[test]
#[cfg(target_os = "linux")]
fn standard_output_that_is_full_is_named() {
    let place = Place::new();
    let run = place.run("run", "--steps 1 --quiet");
    for command in PRINTING.into_iter().chain([&*run]) {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = place.host(command).stdout(full).output().unwrap();
        let message = refused(&output, 1);
        assert!(message.contains("standard output: No space left"), "{command}: {message}");
    }
    // what was to be saved is saved all the same
    assert!(place.path("run/model.ebt").is_file() && place.path("t.json").is_file());
}

#[test]
fn a_reader_that_goes_away_is_no_failure_and_files_are_written() {
    let place = Place::new();
    let long = "u".repeat(200);
    let long = place.run(&format!("{long}/{long}/{long}"), "--steps 1 --json --quiet");
    let certificate = "generate --model @model.ebt --prompt Bir --tokens 30 --certificate @c.json";
    for command in PRINTING.into_iter().chain([&*long, certificate]) {
        let output = place.host(command).stdout(closed_pipe()).output().unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{command}: {message}");
        assert!(!message.contains("error"), "{command}: {message}");
    }
    let certificate: Value = serde_json::from_slice(&fs::read(place.path("c.json")).unwrap()).unwrap();
    let whole = place.host("generate --model @model.ebt --prompt Bir --tokens 30 --json").output().unwrap();
    let whole: Value = serde_json::from_slice(&whole.stdout).unwrap();
    assert_eq!(certificate["text"], whole["text"]);
    // a status that says something stays what it is
    let case = fixtures("golden/small_context_one.safetensors");
    let strict = format!("parity {} --threads 1 --tolerance 0", case.display());
    assert_eq!(place.host(&strict).stdout(closed_pipe()).output().unwrap().status.code(), Some(1));
}

#[test]
fn files_have_the_permissions_that_the_umask_leaves_and_old_ones_keep_theirs() {
    let place = Place::new();
    let commands = [
        String::from("generate --model @model.ebt --prompt Bir --tokens 2 --certificate @new/c.json"),
        String::from("export @model.ebt --out @new/m.safetensors --tokenizer @new/t.json"),
        String::from("export @model.ebt --packed int8 --out @new/m.ebp"),
        String::from("plot --model @model.ebt --prompt Bir --out @new/p.svg"),
        String::from("tokenizer train @metin.txt --out @new/own.json --compact @new/own.ebt --vocab 300"),
        String::from("data prepare @metin.txt --out @new/data --validation 0.5 --threads 1"),
        place.run("new/run", "--steps 1"),
    ];
    for (umask, file) in [("077", 0o600), ("027", 0o640), ("002", 0o664)] {
        fs::create_dir(place.path("new")).unwrap();
        for command in &commands {
            let output = place.shell(&format!("umask {umask}"), command);
            assert_eq!(output.status.code(), Some(0), "{command}: {}", text(&output.stderr));
        }
        let (mut folders, mut files) = (vec![place.path("new")], 0);
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    assert_eq!(mode(&path), file, "umask {umask}: {}", path.display());
                    files += 1;
                }
            }
        }
        assert!(files > 12, "{files}");
        let certificate = place.path("new/c.json");
        fs::set_permissions(&certificate, fs::Permissions::from_mode(0o604)).unwrap();
        place.shell(&format!("umask {umask}"), &commands[0]);
        assert_eq!(mode(&certificate), 0o604);
        fs::remove_dir_all(place.path("new")).unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn more_memory_than_there_is_is_refused_before_it_is_taken() {
    let place = Place::new();
    fs::write(place.path("uzun.txt"), "Bir varmış bir yokmuş, evvel zaman içinde. ".repeat(300)).unwrap();
    // whatever this machine has, no command gets more than a gigabyte
    let limit = "ulimit -v 1000000";
    let batch = "train --out @run --data @uzun.txt --validation @uzun.txt --set train.batch=1000000";
    for (command, remedy) in [
        (batch, "`train.batch`"),
        (
            "train --out @run --data @uzun.txt --validation @uzun.txt --set objective.replay=100000000",
            "`objective.replay`",
        ),
        ("train --out @run --data @uzun.txt --validation @uzun.txt --preset xl --set train.batch=1", "`model.dim`"),
        ("plan --set train.batch=1000000 --set train.accumulate=30", "`train.batch`"),
        ("bench train --batch 4096 --threads 1", "--batch"),
        ("bench generate --vocab 1000000 --dim 4096", "--vocab"),
        ("bench generate --dim 64 --layers 1 --vocab 300 --ffn 64 --window 100000000", "window"),
        ("bench product --size 32768 --threads 1", "--size"),
        ("bench product --against matrixmultiply --size 4096 --threads 1", "--size"),
        ("generate --prompt Bir --candidates 1024 --think 4096 --step-size armijo", "candidates"),
        ("plot --prompt Bir --candidates 1024 --think 4096 --curvature 8 --out @p.svg", "candidates"),
        ("eval --model @sample.ebp --candidates 1024 --batch 4096 --threads 4 @metin.txt", "--batch"),
    ] {
        if command.contains("sample.ebp") {
            fs::copy(fixtures("sample-model.ebp"), place.path("sample.ebp")).unwrap();
        }
        // the sample model thinks in little
        let limit = if remedy == "candidates" { "ulimit -v 150000" } else { limit };
        let output = place.shell(limit, command);
        let message = refused(&output, 1);
        assert!(message.contains("of memory, and ") && message.contains("available here"), "{command}: {message}");
        assert!(message.contains(remedy), "{command}: {message}");
        assert!(output.stdout.is_empty(), "{command}");
    }
    assert!(!place.path("run").exists() && !place.path("p.svg").exists());
    // and the same without a limit: terabytes are nowhere
    let message = refused(&place.host(batch).output().unwrap(), 1);
    assert!(message.contains("TiB of memory") && message.contains("`train.batch`"), "{message}");
}

#[test]
#[cfg(target_os = "linux")]
fn threads_that_cannot_be_had_are_a_sentence() {
    let place = Place::new();
    let data = "data prepare @metin.txt --out @data --validation 0.5";
    assert_eq!(place.host(data).output().unwrap().status.code(), Some(0));
    let case = fixtures("golden/small_context_one.safetensors");
    let case = case.display();
    for command in [
        String::from("eval --model @model.ebt @metin.txt --threads 1024"),
        String::from("eval --model @model.ebt --candidates 2 @metin.txt --threads 1024"),
        format!("parity {case} --threads 1024"),
        format!("parity {case} --dtype f32 --threads 1024"),
        String::from("tokenizer encode --threads 1024"),
        String::from("tokenizer decode --threads 1024"),
        String::from("tokenizer train @metin.txt --out @t.json --threads 1024"),
        String::from("data prepare @metin.txt --out @more --threads 1024"),
        String::from("data inspect @data --verify --threads 1024"),
        String::from("bench train --vocab 64 --dim 16 --layers 1 --heads 2 --ffn 32 --context 8 --threads 1024"),
        String::from("bench product --size 16 --threads 1024"),
        String::from("bench product --against matrixmultiply --size 8 --threads 1024"),
        String::from("train --out @run --data @metin.txt --validation @metin.txt --threads 1024"),
        String::from("train --out @run --data @metin.txt --validation @metin.txt --set train.threads=1024"),
    ] {
        // each thread has a stack of two megabytes
        let message = refused(&place.shell("ulimit -v 1000000", &command), 1);
        assert!(message.contains("cannot start 1024 threads"), "{command}: {message}");
    }
    assert!(!place.path("run").exists() && !place.path("t.json").exists() && !place.path("more").exists());
    let message = refused(
        &place.host(&place.run("run", "--set train.threads=2000").replace("--threads 1 ", "")).output().unwrap(),
        1,
    );
    assert!(message.contains("`train.threads`: must be between 1 and 1024, got 2000"), "{message}");
    assert!(!message.contains("--threads 2000"), "{message}");
    for command in [
        "eval --model @model.ebt @metin.txt --threads",
        "tokenizer encode --threads",
        "data prepare @metin.txt --out @x --threads",
    ] {
        for number in ["0", "1025", "100000000", "-1"] {
            let message = refused(&place.host(&format!("{command} {number}")).output().unwrap(), 2);
            assert!(message.contains("--threads") && message.contains("from 1 to 1024"), "{message}");
        }
    }
}

/// Threads of a process.
#[cfg(target_os = "linux")]
fn threads_of(child: &Child) -> usize {
    fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count()
}

#[test]
#[cfg(target_os = "linux")]
fn no_more_threads_work_than_are_asked_for() {
    let place = Place::new();
    for asked in [1, 3] {
        let mut host = place.host(&format!("tokenizer encode --threads {asked}"));
        let mut child = host.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all("Bir varmış.\n".as_bytes()).unwrap();
        // its answer is there, so it waits for more
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        // one of them reads standard input
        assert_eq!(threads_of(&child), asked + 1);
        drop(child.stdin.take());
        child.wait_with_output().unwrap();
    }
    // the others end by themselves: no look at any of them finds more
    for command in [
        "eval --model @model.ebt --think 40 @metin.txt --threads 1",
        "eval --model @model.ebt --candidates 40 @metin.txt --threads 1",
        "tokenizer train @metin.txt --out @t.json --vocab 300 --kind bpe --threads 1",
        "plot --model @model.ebt --prompt Bir --think 40 --out @p.svg",
        "generate --model @model.ebt --prompt Bir --tokens 40",
    ] {
        let mut child = place.host(command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while child.try_wait().unwrap().is_none() {
            let folder = fs::read_dir(format!("/proc/{}/task", child.id()));
            let count = folder.map_or(0, Iterator::count);
            assert!(count <= 1, "{command}: {count} threads");
        }
        assert!(child.wait().unwrap().success(), "{command}");
    }
}

#[test]
fn a_disk_without_room_is_named_and_what_was_saved_stays() {
    let place = Place::new();
    fs::create_dir(place.path("full")).unwrap();
    // no file may become longer than a block
    for (command, file) in [
        ("generate --model @model.ebt --prompt Bir --tokens 40 --certificate @full/c.json", "c.json"),
        ("export @model.ebt --out @full/m.safetensors", "m.safetensors"),
        ("export @model.ebt --packed f32 --out @full/m.ebp", "m.ebp"),
        ("plot --model @model.ebt --prompt Bir --out @full/p.png", "p.png"),
        ("tokenizer train @metin.txt --out @full/t.json --vocab 300", "t.json"),
        ("data prepare @metin.txt --out @full/data --threads 1", "full/data"),
    ] {
        let message = refused(&place.shell("ulimit -f 1", command), 1);
        assert!(message.contains("cannot write") && message.contains(file), "{command}: {message}");
    }
    assert_eq!(fs::read_dir(place.path("full")).unwrap().count(), 0);

    let done = place.host(&place.run("run", "--steps 2")).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let first = place.host(&place.run("other", "--steps 100000 --minutes 0.01")).output().unwrap();
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let before = fs::read(place.path("other/model.ebt")).unwrap();
    let resumed = "train --resume @other --minutes 1";
    let message = refused(&place.shell("ulimit -f 1", resumed), 1);
    assert!(message.contains("cannot write") && message.contains("other"), "{message}");
    assert_eq!(fs::read(place.path("other/model.ebt")).unwrap(), before);
    let again = place.host("train --resume @other --minutes 0.01").output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
}

#[test]
fn a_run_needs_no_terminal_and_no_streams() {
    let place = Place::new();
    let run = place.run("run", "--steps 2");
    assert_eq!(place.shell("exec >&- 2>&-", &run).status.code(), Some(0));
    assert!(place.path("run/model.ebt").is_file());
    if cfg!(target_os = "linux") {
        let output = place.shell("exec 2> /dev/full", &place.run("full", "--steps 2"));
        assert_eq!(output.status.code(), Some(0));
        let output = place.shell(
            "exec 2> /dev/full",
            "bench train --vocab 64 --dim 16 --layers 1 --heads 2 --ffn 32 --context 8 --profile --threads 1",
        );
        assert_eq!(output.status.code(), Some(0));
    }
    let mut host = place.host(&place.run("gone", "--steps 2"));
    assert_eq!(host.stderr(closed_pipe()).output().unwrap().status.code(), Some(0));
}

/// What a command shows on a terminal of this kind.
fn on_terminal(place: &Place, kind: &str, command: &str) -> String {
    let line = place.words(command).join(" ");
    let mut script = Command::new("script");
    script.args(["-qec", &format!("stty cols 200 2> /dev/null; exec {PROGRAM} {line}"), "/dev/null"]);
    let output = script.env("TERM", kind).env("CUDA_VISIBLE_DEVICES", "").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    text(&output.stdout)
}

#[test]
fn a_dumb_terminal_gets_lines_and_another_a_bar() {
    let place = Place::new();
    let dumb = on_terminal(&place, "dumb", &place.run("dumb", "--steps 2"));
    assert!(dumb.contains("step 1/2") && !dumb.contains('\u{1b}'), "{dumb:?}");
    let other = on_terminal(&place, "xterm", &place.run("other", "--steps 2"));
    assert!(other.contains("2/2 steps") && other.contains('\u{1b}'), "{other:?}");
}

/// Waits until a run has saved its first checkpoint.
fn first_checkpoint(child: &mut Child, out: &Path) {
    while !out.join("model.ebt").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
}

fn signal(name: &str, child: &Child) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// A run that goes on until it is stopped.
fn endless(place: &Place, out: &str) -> Child {
    let mut host = place.host(&place.run(out, "--steps 100000000"));
    // these tests may themselves run under `nohup`
    // SAFETY: between fork and exec the child makes one system call, which touches no memory.
    #[cfg(target_os = "linux")]
    unsafe {
        host.pre_exec(|| nix::sys::signal::signal(Signal::SIGHUP, SigHandler::SigDfl).map(drop).map_err(Into::into));
    }
    let mut child = host.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    first_checkpoint(&mut child, &place.path(out));
    child
}

#[test]
fn two_processes_do_not_train_in_one_folder() {
    let place = Place::new();
    let mut first = endless(&place, "run");
    for second in [place.run("run", ""), String::from("train --resume @run"), String::from("train --resume --out @run")]
    {
        let message = refused(&place.host(&second).output().unwrap(), 1);
        if second.contains("--resume") {
            let holder = format!("another process is training in {}: process {} on ", place.at("run"), first.id());
            assert!(message.contains(&holder) && message.contains(" UTC"), "{message}");
        }
    }
    assert!(first.try_wait().unwrap().is_none(), "the first goes on");
    // a process that is killed holds nothing
    first.kill().unwrap();
    first.wait().unwrap();
    let again = place.host("train --resume @run --minutes 0.01").output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert!(!place.path("run/.lock").exists());
}

#[test]
fn a_lost_terminal_and_a_request_to_end_save_the_run_however_often_they_are_sent() {
    let place = Place::new();
    for name in ["-HUP", "-TERM"] {
        let child = endless(&place, name);
        (0..3).for_each(|_| signal(name, &child));
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("train --resume"), "{}", text(&output.stdout));
    }
    // a program that is to outlive its terminal does
    if cfg!(target_os = "linux") {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "trap '' HUP; exec \"$@\"", "sh", PROGRAM])
            .args(place.words(&place.run("on", "--steps 100000000")));
        shell.env("CUDA_VISIBLE_DEVICES", "").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        first_checkpoint(&mut child, &place.path("on"));
        signal("-HUP", &child);
        let steps = || fs::read_to_string(place.path("on/metrics.jsonl")).unwrap().lines().count();
        let before = steps();
        while steps() < before + 20 {
            assert!(child.try_wait().unwrap().is_none());
        }
        signal("-INT", &child);
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}

#[test]
fn a_run_that_saved_nothing_gives_its_folder_back() {
    let place = Place::new();
    let diverging = place.run("run", "--steps 3 --set schedule.rate=1e30 --set schedule.warmup=0");
    let message = refused(&place.host(&diverging).output().unwrap(), 1);
    assert!(message.contains("diverged"), "{message}");
    // the only steps that were good, if any, were not saved
    let _ = fs::remove_dir_all(place.path("run/checkpoints"));
    let _ = fs::remove_file(place.path("run/model.ebt"));
    let message = refused(&place.host("train --resume @run").output().unwrap(), 1);
    assert!(message.contains("had saved anything") && message.contains("train --out"), "{message}");
    let output = place.host(&place.run("run", "--steps 2")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let metrics = fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    let steps: Vec<Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(steps.iter().filter(|line| line["loss"].is_number()).count(), 2, "{metrics}");
    assert!(refused(&place.host(&place.run("run", "--steps 2")).output().unwrap(), 1).contains("holds a run already"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_name_that_is_no_text_is_refused_before_anything_is_made() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    let odd = place.0.path().join(OsStr::from_bytes(b"k\xff"));
    for flag in ["--out", "--data", "--validation", "--tokenizer", "--resume"] {
        let mut host = Command::new(PROGRAM);
        let output = host.arg("train").arg(flag).arg(&odd).stdin(Stdio::null()).output().unwrap();
        let message = refused(&output, 1);
        assert!(message.contains("k\u{fffd} has a name that is not UTF-8 text"), "{flag}: {message}");
    }
    let mut host = Command::new(PROGRAM);
    let output = host.args(["data", "prepare", &place.at("metin.txt"), "--out"]).arg(&odd).output().unwrap();
    assert!(refused(&output, 1).contains("not UTF-8 text"));
    assert!(!odd.exists());
}
