//! What is killed: commands in small.

use std::fs;
use std::path::Path;

use ebt_data::shard::Manifest;
use ebt_data::shard::manifest::Prepared;
use ebt_model::Dtype;
use serde_json::Value;

use super::files::{Files, is_work};
use super::support;

/// A command and what is promised of it.
pub trait Work {
    /// Its name in messages.
    fn name(&self) -> &str;

    /// Puts what it reads into an empty folder.
    fn begin(&self, at: &Path);

    /// What is typed in the folder to begin or to go on; none if everything is done.
    fn arguments(&self, at: &Path) -> Option<Vec<&'static str>>;

    /// Checks what lies in the folder after a kill, beyond that every file is whole.
    fn check_partial(&self, _at: &Path, _place: &str) {}

    /// Checks the folder at the end, beyond its bytes.
    fn check(&self, _at: &Path, _before: &Files, _expected: &Files) {}

    /// Those of all files at the end that are the same bytes whatever happened: all but what a killed command leaves behind
    /// beside its output, under a hidden name.
    fn compared(&self, files: &Files) -> Files {
        files.iter().filter(|(name, _)| !is_work(name)).map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
    }
}

fn write(at: &Path, name: &str, text: impl AsRef<[u8]>) {
    fs::write(at.join(name), text).unwrap();
}

/// Documents of a few words each, some of them equal.
fn text(documents: usize) -> String {
    let words = ["Ankara", "deniz", "köy", "ışık", "başkent", "İzmir", "çay", "güneş", "yol", "şehir", "ve", "bir"];
    let document =
        |i: usize| (0..3 + i % 9).map(|j| words[(i * 7 + j * j * 5 + i * j) % 12]).collect::<Vec<_>>().join(" ");
    (0..documents).map(|i| document(i % (documents - 3)) + "\n\n").collect()
}

/// `train` with all that it can write, and `train --resume`.
pub struct Train;

const CONFIG: &str = "\
[model]
dim = 8
layers = 1
heads = 2
ffn = 8
context = 8
landscapes = 2
[objective]
min_steps = 1
max_steps = 2
replay = 2
langevin = 0.1
[train]
batch = 2
steps = 7
validate_every = 2
checkpoint_every = 1
keep_checkpoints = 2
keep_best = true
validate_tokens = 40
threads = 1
[data]
train = [\"veri.txt\"]
validation = [\"olcme.txt\"]
tokenizer = \"tokenizer.json\"
";

impl Work for Train {
    fn name(&self) -> &str {
        "train"
    }

    fn begin(&self, at: &Path) {
        write(at, "run.toml", CONFIG);
        write(at, "veri.txt", text(60));
        write(at, "olcme.txt", text(12));
        fs::copy(support::fixtures("formats/data-1/tokenizer.json"), at.join("tokenizer.json")).unwrap();
    }

    fn arguments(&self, at: &Path) -> Option<Vec<&'static str>> {
        let saved = fs::read_dir(at.join("run/checkpoints"))
            .is_ok_and(|mut list| list.any(|entry| !is_work(entry.unwrap().file_name().to_str().unwrap())));
        Some(match saved {
            true => vec!["train", "--resume", "run", "--quiet"],
            false => vec!["train", "--config", "run.toml", "--out", "run", "--quiet"],
        })
    }

    fn check_partial(&self, at: &Path, place: &str) {
        let Ok(list) = fs::read_dir(at.join("run/checkpoints")) else { return };
        let names = list.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        for name in names.filter(|name| !is_work(name)) {
            let holds = |file: &str| at.join("run/checkpoints").join(&name).join(file).is_file();
            assert!(holds("state.ebs") && holds("model.ebt"), "{place}: {name} is not whole");
        }
    }

    fn check(&self, at: &Path, _: &Files, expected: &Files) {
        let metrics = fs::read(at.join("run/metrics.jsonl")).unwrap();
        assert_eq!(lines(&metrics), lines(&expected["run/metrics.jsonl"]));
    }

    /// Everything: the folder is the run's alone. Of the metrics, lines are compared.
    fn compared(&self, files: &Files) -> Files {
        files.iter().filter(|(name, _)| *name != "run/metrics.jsonl").map(|(n, b)| (n.clone(), b.clone())).collect()
    }
}

/// Lines of metrics without what a clock says.
fn lines(metrics: &[u8]) -> Vec<Value> {
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        let object = value.as_object_mut().unwrap();
        ["seconds", "data_wait"].into_iter().for_each(|clock| drop(object.remove(clock)));
        value
    };
    std::str::from_utf8(metrics).unwrap().lines().map(line).collect()
}

/// `data prepare` into a new folder.
pub struct Prepare;

const PREPARE: [&str; 13] = [
    "data",
    "prepare",
    "veri.txt",
    "--out",
    "data",
    "--tokenizer",
    "tokenizer.json",
    "--shard-tokens=120",
    "--validation=0.2",
    "--near-duplicates=0.9",
    "--threads=1",
    "--quiet",
    "--json",
];

fn begin_prepare(at: &Path) {
    write(at, "veri.txt", text(150));
    fs::copy(support::fixtures("formats/data-1/tokenizer.json"), at.join("tokenizer.json")).unwrap();
}

/// A folder with a manifest is whole, and has at its end all shards.
fn check_data(at: &Path) {
    let data = at.join("data");
    if Manifest::exists(&data) {
        let prepared = Prepared::open(&data).unwrap();
        for records in [&prepared.manifest.train, &prepared.manifest.validation] {
            assert!(!prepared.shards(records).unwrap().is_empty());
        }
    }
}

impl Work for Prepare {
    fn name(&self) -> &str {
        "data prepare"
    }

    fn begin(&self, at: &Path) {
        begin_prepare(at);
    }

    fn arguments(&self, at: &Path) -> Option<Vec<&'static str>> {
        let data = at.join("data");
        let done = Manifest::exists(&data) && !data.join("prepare.journal").exists();
        (!done).then(|| PREPARE.to_vec())
    }

    fn check_partial(&self, at: &Path, _: &str) {
        check_data(at);
    }

    fn check(&self, at: &Path, _: &Files, expected: &Files) {
        check_data(at);
        assert!(expected.len() > 8, "{:?}", expected.keys());
    }

    /// Everything: the folder is the command's alone.
    fn compared(&self, files: &Files) -> Files {
        files.clone()
    }
}

/// `data prepare --overwrite` where there are data of other options.
pub struct Replace;

impl Work for Replace {
    fn name(&self) -> &str {
        "data prepare --overwrite"
    }

    fn begin(&self, at: &Path) {
        begin_prepare(at);
        let earlier: Vec<&str> =
            PREPARE.iter().map(|&flag| if flag == "--shard-tokens=120" { "--shard-tokens=90" } else { flag }).collect();
        super::succeeds(at, &earlier);
    }

    fn arguments(&self, at: &Path) -> Option<Vec<&'static str>> {
        let text = fs::read_to_string(at.join("data/manifest.json")).unwrap_or_default();
        let done = text.contains("\"shard_tokens\": 120") && !at.join("data/prepare.journal").exists();
        (!done).then(|| [&PREPARE[..], &["--overwrite"]].concat())
    }

    fn check_partial(&self, at: &Path, _: &str) {
        check_data(at);
    }

    fn compared(&self, files: &Files) -> Files {
        files.clone()
    }
}

/// `data merge` of two parts.
pub struct Merge;

impl Work for Merge {
    fn name(&self) -> &str {
        "data merge"
    }

    fn begin(&self, at: &Path) {
        begin_prepare(at);
        write(at, "veri2.txt", text(90));
        for part in ["1", "2"] {
            let (place, part) = (format!("part{part}"), format!("--part={part}/2"));
            let arguments = PREPARE.iter().map(|&argument| if argument == "data" { &place } else { argument });
            let arguments: Vec<&str> =
                ["data"].into_iter().chain(arguments.skip(1)).chain(["veri2.txt", &part]).collect();
            super::succeeds(at, &arguments);
        }
    }

    fn arguments(&self, at: &Path) -> Option<Vec<&'static str>> {
        let data = at.join("data");
        let done = Manifest::exists(&data) && !data.join("prepare.journal").exists();
        let arguments = ["data", "merge", "part1", "part2", "--out", "data", "--threads=1", "--quiet", "--json"];
        (!done).then(|| arguments.to_vec())
    }

    fn check_partial(&self, at: &Path, _: &str) {
        check_data(at);
    }

    fn check(&self, at: &Path, _: &Files, _: &Files) {
        check_data(at);
    }

    fn compared(&self, files: &Files) -> Files {
        files.clone()
    }
}

/// `tokenizer train` over the files of an earlier tokenizer.
pub struct TokenizerTrain;

impl Work for TokenizerTrain {
    fn name(&self) -> &str {
        "tokenizer train"
    }

    fn begin(&self, at: &Path) {
        write(at, "veri.txt", text(80));
        fs::copy(support::fixtures("formats/data-1/tokenizer.json"), at.join("t.json")).unwrap();
        fs::copy(support::fixtures("formats/tokenizer-1.bin"), at.join("t.bin")).unwrap();
    }

    fn arguments(&self, _: &Path) -> Option<Vec<&'static str>> {
        Some(vec!["tokenizer", "train", "veri.txt", "--vocab", "290", "--out", "t.json", "--compact", "t.bin"])
    }

    fn check(&self, _: &Path, before: &Files, expected: &Files) {
        assert!(["t.json", "t.bin"].iter().all(|name| before[*name] != expected[*name]));
    }
}

/// `export`, as a model file with its tokenizer beside it, or packed.
pub struct Export {
    pub packed: bool,
}

impl Work for Export {
    fn name(&self) -> &str {
        if self.packed { "export --packed" } else { "export" }
    }

    fn begin(&self, at: &Path) {
        fs::copy(support::fixtures("formats/model-3.ebt"), at.join("model.ebt")).unwrap();
    }

    fn arguments(&self, _: &Path) -> Option<Vec<&'static str>> {
        Some(match self.packed {
            true => vec!["export", "model.ebt", "--packed", "int8", "--out", "model.ebp"],
            false => {
                vec!["export", "model.ebt", "--dtype", "bf16", "--out", "half.safetensors", "--tokenizer", "t.json"]
            }
        })
    }
}

/// `import` of a file in its own place.
pub struct Import;

impl Work for Import {
    fn name(&self) -> &str {
        "import"
    }

    fn begin(&self, at: &Path) {
        let mut model = support::model(&support::configs()[1], false);
        (model.tokenizer, model.fingerprint) = (None, None);
        model.save(&at.join("model.safetensors"), Dtype::F32).unwrap();
        write(at, "t.json", support::tokenizer().to_json());
    }

    fn arguments(&self, _: &Path) -> Option<Vec<&'static str>> {
        Some(vec!["import", "model.safetensors", "--tokenizer", "t.json", "--out", "model.safetensors"])
    }

    fn check(&self, _: &Path, before: &Files, expected: &Files) {
        assert!(before["model.safetensors"] != expected["model.safetensors"]);
    }
}
