//! Interruptions.

use super::*;

const OPTIONS: [&str; 6] = ["--shard-tokens", "20k", "--validation", "0.05", "--threads", "2"];

fn arguments<'a>(input: &'a str, out: &'a str) -> Vec<&'a str> {
    [&[input, "--out", out, "--near-duplicates", "0.9"], &OPTIONS[..]].concat()
}

fn journal(out: &str) -> String {
    fs::read_to_string(Path::new(out).join("prepare.journal")).unwrap()
}

#[test]
fn killed_when_the_first_shard_appears_and_resumed_equals_uninterrupted() {
    let p = Place::new();
    let rows: Vec<_> = corpus(6000, 500).into_iter().map(Some).collect();
    let input = write::documents(p.0.path(), "jsonl", ".zst", &rows);
    let (input, out, whole) = (input.to_str().unwrap(), p.at("out"), p.at("whole"));
    command::succeeds(&arguments(input, &whole));
    let mut child = command::host(&arguments(input, &out)).stderr(Stdio::null()).spawn().unwrap();
    while !Path::new(&out).join("train-00000.tokens").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended without a shard");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!Manifest::exists(Path::new(&out)));
    // a kill may also fall between a shard and its line in the journal, or tear that line
    let journal = journal(&out);
    let torn = &journal[..journal.len() - journal.len().min(10)];
    fs::write(Path::new(&out).join("prepare.journal"), torn).unwrap();
    command::succeeds(&arguments(input, &out));
    assert!(shards(Path::new(&out)).len() > 10);
    assert!(shards(Path::new(&out)) == shards(Path::new(&whole)));
    let manifest = |out: &str| fs::read(Path::new(out).join("manifest.json")).unwrap();
    assert_eq!(manifest(&out), manifest(&whole));
}

/// A corpus whose third shard is much larger than the others, as one document is.
fn uneven(p: &Place) -> String {
    let mut documents = corpus(1000, 500);
    documents[600] = corpus(1, 900_000).remove(0);
    let rows: Vec<_> = documents.into_iter().map(Some).collect();
    write::documents(p.0.path(), "jsonl", "", &rows).to_str().unwrap().to_owned()
}

/// Runs the command where no file may grow beyond `blocks` of 512 bytes.
#[cfg(unix)]
fn limited(arguments: &[&str], blocks: u32) -> Output {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" data prepare \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_ebt")]).args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_full_disk_keeps_what_is_finished_and_the_same_command_goes_on() {
    use std::os::unix::fs::MetadataExt as _;
    let p = Place::new();
    let (input, out, whole) = (uneven(&p), p.at("out"), p.at("whole"));
    command::succeeds(&arguments(&input, &whole));
    let output = limited(&arguments(&input, &out), 600);
    let message = command::text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_has(&message, &["cannot write", ".tokens", "the same command goes on"]);
    let kept: Vec<PathBuf> = fs::read_dir(&out)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "tokens"))
        .collect();
    assert!(!kept.is_empty() && !Manifest::exists(Path::new(&out)));
    let inodes = || kept.iter().map(|path| fs::metadata(path).unwrap().ino()).collect::<Vec<_>>();
    let before = inodes();
    let (_, notes) = command::succeeds(&arguments(&input, &out));
    assert_has(&notes, &["going on"]);
    assert_eq!(inodes(), before, "finished shards were written again");
    assert!(shards(Path::new(&out)) == shards(Path::new(&whole)));
}

#[cfg(unix)]
#[test]
fn a_full_disk_in_the_first_pass_names_the_file() {
    let p = Place::new();
    let (input, out) = (uneven(&p), p.at("out"));
    let output = limited(&arguments(&input, &out), 40);
    assert_eq!(output.status.code(), Some(1));
    assert_has(&command::text(&output.stderr), &["cannot write", "prepare.work"]);
    command::succeeds(&arguments(&input, &out));
}

#[cfg(unix)]
#[test]
fn other_options_other_input_and_damaged_shards_are_not_gone_on_with() {
    let p = Place::new();
    let (input, out, whole) = (uneven(&p), p.at("out"), p.at("whole"));
    let interrupted = || {
        let _ = fs::remove_dir_all(&out);
        assert_eq!(limited(&arguments(&input, &out), 600).status.code(), Some(1));
    };
    command::succeeds(&arguments(&input, &whole));
    interrupted();
    fs::write(Path::new(&out).join("train-00000.tokens"), "x").unwrap();
    let (_, notes) = command::succeeds(&arguments(&input, &out));
    assert_has(&notes, &["train-00000.tokens is not as it was written"]);
    assert!(shards(Path::new(&out)) == shards(Path::new(&whole)));

    interrupted();
    let other = [arguments(&input, &out), vec!["--shortest", "600"]].concat();
    let (_, notes) = command::succeeds(&other);
    assert_has(&notes, &["starting over"]);
    assert_eq!(shards(Path::new(&out)).len(), 1);

    interrupted();
    let mut file = File::options().append(true).open(&input).unwrap();
    writeln!(file, "{}", json!({ "text": "bir belge daha" })).unwrap();
    drop(file);
    let (_, notes) = command::succeeds(&arguments(&input, &out));
    assert_has(&notes, &["starting over"]);
    assert!(documents(Path::new(&out)).concat().contains(&"bir belge daha".to_owned()));
}

#[test]
fn two_processes_do_not_work_in_one_folder() {
    let p = Place::new();
    let rows: Vec<_> = corpus(20_000, 500).into_iter().map(Some).collect();
    let input = write::documents(p.0.path(), "jsonl", "", &rows);
    let (input, out) = (input.to_str().unwrap(), p.at("out"));
    let mut child = command::host(&arguments(input, &out)).stderr(Stdio::null()).spawn().unwrap();
    while !Path::new(&out).join("prepare.work").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    assert_has(&command::fails(&arguments(input, &out)), &["another process", &out]);
    child.kill().unwrap();
    child.wait().unwrap();
}
