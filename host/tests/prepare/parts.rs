//! Parts of a corpus, prepared apart and merged: the bytes of one go.

use super::*;
use ebt_corpus::merge::{Merge, merge};
use ebt_corpus::prepare::Part;

/// Words of which the first `changed` are others than in the text without changes.
fn text(seed: usize, changed: usize) -> String {
    let word = |i: usize| if i < changed { format!("b{seed}x{i}") } else { format!("s{seed}x{i}") };
    (0..150).map(word).collect::<Vec<_>>().join(" ")
}

/// Files of documents many of which are equal, or like one another in chains; some are empty or short.
fn some_files() -> impl Strategy<Value = Vec<Vec<String>>> {
    let document = prop_oneof![
        6 => (0usize..6, 0usize..5).prop_map(|(seed, step)| text(seed, 16 * step)),
        1 => Just(String::from(" \r\n")),
        1 => "[a-cş]{1,6}",
    ];
    proptest::collection::vec(proptest::collection::vec(document, 0..12), 4..8)
}

fn write_files(folder: &Path, files: &[Vec<String>]) -> Vec<PathBuf> {
    let write = |(i, documents): (usize, &Vec<String>)| {
        // two files of one source
        let path = folder.join(format!("veri{}.{}", i / 2, ["jsonl", "ndjson"][i % 2]));
        let lines: String = documents.iter().map(|document| json!({ "text": document }).to_string() + "\n").collect();
        fs::write(&path, lines + "{\"text\": null}\n").unwrap();
        path
    };
    files.iter().enumerate().map(write).collect()
}

fn prepared(inputs: &[PathBuf], out: &Path, content: &Content, part: Option<Part>) -> Summary {
    let job = Job {
        inputs: find(inputs, Formats::ByName).unwrap(),
        tokenizer: support::tokenizer(),
        out: out.to_path_buf(),
        content: content.clone(),
        licences: vec!["veri0=CC0".parse().unwrap(), "özel".parse().unwrap()],
        part,
        overwrite: false,
        threads: 2,
        chunk: 1000,
    };
    prepare(&job, &mut Silent).unwrap()
}

/// All files of a folder.
fn bytes(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(file).collect();
    all.sort();
    all
}

/// A summary without times and places.
fn counts(summary: &Summary) -> Value {
    let mut value = serde_json::to_value(summary).unwrap();
    let object = value.as_object_mut().unwrap();
    ["out", "survey_seconds", "encode_seconds"].iter().for_each(|key| drop(object.remove(*key)));
    value
}

/// Prepares files in one go and in `of` parts, which are merged; both must be the same. The documents.
fn same(files: &[Vec<String>], of: usize, content: &Content) -> [Vec<String>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("in")).unwrap();
    let inputs = write_files(&at("in"), files);
    let whole = prepared(&inputs, &at("whole"), content, None);
    let parts: Vec<PathBuf> = (1..=of).rev().map(|number| at(&format!("part{number}"))).collect();
    for (number, part) in (1..=of).rev().zip(&parts) {
        prepared(&inputs, part, content, Part::new(number, of));
    }
    let job = Merge { parts, out: at("merged"), overwrite: false, threads: 2, chunk: 700 };
    let merged = merge(&job, &mut Silent).unwrap();
    assert_eq!(counts(&merged), counts(&whole));
    assert!(bytes(&at("merged")) == bytes(&at("whole")), "{of} parts");
    documents(&at("merged"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_together_are_the_bytes_of_one_go(
        files in some_files(),
        of in 1usize..5,
        near in proptest::option::of(0.3f64..1.0),
        shortest in 0usize..5,
        share in prop_oneof![Just(0.0), 0.05f64..0.6],
    ) {
        let mut files = files;
        files[0].push(text(0, 0));
        let content = Content { near_duplicates: near, shortest, ..content(300, share) };
        same(&files, of, &content);
    }
}

#[test]
fn a_document_of_a_later_part_is_dropped_only_for_one_that_stays() {
    // each is like its neighbours, but the third is not like the first: it stays where the second does not
    let chain = [text(0, 0), text(0, 30), text(0, 62)];
    let content = Content { near_duplicates: Some(0.5), ..content(1 << 20, 0.0) };
    for files in [
        vec![vec![chain[0].clone()], chain[1..].to_vec()],
        vec![chain[..2].to_vec(), vec![chain[2].clone()]],
        chain.iter().map(|document| vec![document.clone()]).collect(),
    ] {
        let kept = same(&files, files.len(), &content);
        assert_eq!(kept[0], [chain[0].clone(), chain[2].clone()]);
    }
}

/// A corpus of several files in a folder, prepared as parts by the command.
struct Parts {
    place: Place,
    input: String,
}

const OPTIONS: [&str; 7] = ["--shard-tokens", "20k", "--validation", "0.05", "--near-duplicates", "0.9", "--quiet"];

impl Parts {
    fn new(documents: usize) -> Self {
        let place = Place::new();
        let input = place.at("in");
        fs::create_dir(&input).unwrap();
        for (i, documents) in corpus(documents, 500).chunks(documents.div_ceil(4)).enumerate() {
            // every file begins with the document that the first one begins with
            let documents = corpus(1, 500).into_iter().chain(documents.iter().cloned());
            let lines: String = documents.map(|text| json!({ "text": text }).to_string() + "\n").collect();
            fs::write(Path::new(&input).join(format!("{i}.jsonl")), lines).unwrap();
        }
        Self { place, input }
    }

    fn prepare(&self, name: &str, more: &[&str]) -> String {
        let out = self.place.at(name);
        command::succeeds(&[&[self.input.as_str(), "--out", &out], &OPTIONS[..], more].concat());
        out
    }
}

fn merged(arguments: &[&str], code: i32) -> String {
    let output = command::ebt(&[&["data", "merge"], arguments].concat()).output().unwrap();
    let message = command::text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}

#[test]
fn killed_when_the_first_shard_appears_and_merged_again_equals_one_go() {
    let corpus = Parts::new(6000);
    let whole = corpus.prepare("whole", &[]);
    let [a, b] = ["1/2", "2/2"].map(|part| corpus.prepare(&format!("part{}", &part[..1]), &["--part", part]));
    let out = corpus.place.at("out");
    let arguments = ["data", "merge", &a, &b, "--out", &out, "--threads", "1"];
    let mut child = command::ebt(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !Path::new(&out).join("train-00000.tokens").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended without a shard");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!Manifest::exists(Path::new(&out)));
    let notes = merged(&arguments[2..], 0);
    assert_has(&notes, &["going on with the interrupted run"]);
    assert!(bytes(Path::new(&out)) == bytes(Path::new(&whole)));
    assert_has(&merged(&[&b, &a, "--out", &out], 1), &[&out, "--overwrite"]);
    // globs, and another order
    let glob = corpus.place.at("part?");
    merged(&[&glob, "--out", &out, "--overwrite", "--quiet"], 0);
    assert!(bytes(Path::new(&out)) == bytes(Path::new(&whole)));
}

#[test]
fn what_does_not_belong_together_is_named() {
    let corpus = Parts::new(40);
    let part = |name: &str, part: &str, more: &[&str]| corpus.prepare(name, &[&["--part", part], more].concat());
    let (a, b) = (part("a", "1/2", &[]), part("b", "2/2", &[]));
    let out = corpus.place.at("out");
    let refused = |folders: &[&str], parts: &[&str]| {
        assert_has(&merged(&[folders, &["--out", &out]].concat(), 1), parts);
        assert!(!Path::new(&out).exists(), "{folders:?}");
    };
    refused(&[&a], &["part 2 of 2 is missing"]);
    refused(&[&part("c", "2/4", &[])], &["parts 1, 3, 4 of 4 are missing"]);
    refused(&[&a, &b, &a], &[&a, "are both part 1"]);
    refused(&[&a, &part("d", "2/3", &[])], &[&a, "part 1 of 2", "part 2 of 3"]);
    refused(&[&a, &part("e", "2/2", &["--shortest", "9"])], &["/e ", "--shortest", "with 9"]);
    refused(&[&a, &part("f", "2/2", &["--licence", "2=CC0"])], &["--licence of 2", "none in", "CC0 in", "/f"]);
    refused(&[&a, &part("g", "2/2", &["--tokenizer", "full"])], &["/g", "tokenizer"]);
    let whole = corpus.prepare("whole", &[]);
    refused(&[&a, &whole], &[&whole, "is no part", "--part I/N"]);
    refused(&[&a, &corpus.input], &[&corpus.input, "no finished part", "manifest.json"]);
    refused(&[&a, &corpus.place.at("nowhere")], &["nowhere"]);
    assert_has(&merged(&[&a, &b, "--out", &a], 1), &["--out", &a, "folder of a part"]);
    assert_has(&merged(&[&a, &b, "--out", &b, "--overwrite"], 1), &["--out", &b, "folder of a part"]);
    // the input of one machine is not that of the other
    let file = Path::new(&corpus.input).join("3.jsonl");
    let lines = fs::read(&file).unwrap();
    fs::write(&file, [&lines[..], b"{\"text\": \"bir belge daha\"}\n"].concat()).unwrap();
    refused(&[&a, &part("h", "2/2", &[])], &["file 4 of the input", "3.jsonl", "JSON lines", "/h"]);
    fs::write(file.with_file_name("4.jsonl"), &lines).unwrap();
    fs::write(&file, &lines).unwrap();
    refused(&[&a, &part("i", "2/2", &[])], &["4 files", "/i 5"]);
    // other programs and damage
    let manifest = Path::new(&b).join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("ebt-host ", "ebt-host 9")).unwrap();
    refused(&[&a, &b], &[&b, "was made by ebt-host 9"]);
    fs::write(&manifest, text.replace("\"number\": 2", "\"number\": 3")).unwrap();
    refused(&[&a, &b], &[&b, "is damaged"]);
    fs::write(&manifest, &text).unwrap();
    let shard = Path::new(&b).join("train-00000.tokens");
    let mut bytes = fs::read(&shard).unwrap();
    bytes[200] ^= 1;
    fs::write(&shard, &bytes).unwrap();
    refused(&[&a, &b], &["train-00000.tokens"]);
    fs::remove_file(&shard).unwrap();
    refused(&[&a, &b], &["train-00000.tokens"]);
}

#[test]
fn a_part_is_whole_files_and_no_data_to_train_on() {
    let corpus = Parts::new(40);
    let (out, input) = (corpus.place.at("out"), corpus.input.as_str());
    let message = command::fails(&[input, "--out", &out, "--part", "1/5"]);
    assert_has(&message, &["--part 1/5", "4 files", "whole files"]);
    for wrong in ["2", "0/2", "3/2", "1/0", "-1/2", "x/y", "1/10001"] {
        let message = command::output(&[input, "--out", &out, "--part", wrong], 2);
        assert_has(&command::text(&message.stderr), &["--part"]);
    }
    assert!(!Path::new(&out).exists());
    merged(&["--out", &out], 2);
    merged(&[&out], 2);
    let (_, notes) = command::succeeds(&[input, "--out", &out, "--part", "2/2"]);
    assert_has(&notes, &["part 2/2: files 3 to 4 of 4"]);
    let refused = command::ebt(&["train", "--data", &out, "--out", &corpus.place.at("run")]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert_has(&command::text(&refused.stderr), &[&out, "part 2 of 2", "data merge"]);
    let inspected = command::ebt(&["data", "inspect", &out, "--verify"]).output().unwrap();
    assert_has(&command::text(&inspected.stdout), &["part 2 of 2", "everything was read: whole"]);
}
