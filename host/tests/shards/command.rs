//! The commands as a user types them.

use ebt_model::Dtype;
use serde_json::Value;
use support::program::{self, succeeds};
use support::{configs, fixtures, model};

use super::*;

fn fails(arguments: &[&str]) -> String {
    program::fails(arguments, 1)
}

/// Training flags of a tiny model.
const TINY: [&str; 15] = [
    "--set",
    "model.dim=16",
    "--set",
    "model.heads=2",
    "--set",
    "model.ffn=16",
    "--set",
    "model.context=8",
    "--set",
    "train.batch=2",
    "--threads",
    "1",
    "--steps",
    "3",
    "--json",
];

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(&folder.path().join("prepared"), &tokenizer(), &DOCUMENTS, 2, 2);
        Self { folder }
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn train<'a>(&'a self, data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["train", "--data", data, "--out", out][..], &TINY, more].concat()
    }
}

#[test]
fn train_eval_and_resume_on_prepared_data() {
    let place = Place::new();
    let (data, out) = (place.at("prepared"), place.at("run"));
    let summary: Value = serde_json::from_str(&succeeds(&place.train(&data, &out, &[]))).unwrap();
    assert_eq!((summary["step"].as_u64(), summary["ending"].as_str()), (Some(3), Some("finished")));
    assert!((0.0..=1.0).contains(&summary["data_wait"].as_f64().unwrap()), "{summary}");
    let metrics = fs::read_to_string(Path::new(&out).join("metrics.jsonl")).unwrap();
    assert!(metrics.lines().filter(|line| line.contains("\"data_wait\":")).count() == 3, "{metrics}");
    let validation = tokenizer().encode_batch(&DOCUMENTS.map(|d| d.1)[5..]).unwrap().concat().len();
    assert_eq!(summary["validation"]["tokens"], validation);

    let on_shards: Value = serde_json::from_str(&succeeds(&["eval", "--model", &out, "--json", &data])).unwrap();
    assert_eq!(on_shards["total"]["tokens"], validation);
    assert_eq!(on_shards["sources"][0]["source"], "kaynak-1");
    let files = as_text(&place.folder.path().join("text"), &DOCUMENTS[5..]);
    let file = files[0].to_str().unwrap();
    let on_text: Value = serde_json::from_str(&succeeds(&["eval", "--model", &out, "--json", file])).unwrap();
    assert_eq!(on_shards["bits_per_byte"], on_text["bits_per_byte"]);

    // a moved folder is still the same data
    let moved = place.at("moved");
    fs::rename(&data, &moved).unwrap();
    let message = fails(&["train", "--resume", &out]);
    assert!(message.contains("prepared"), "{message}");
    let summary = succeeds(&["train", "--resume", &out, "--data", &moved, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&summary).unwrap()["step"], 3);
    prepare(Path::new(&data), &tokenizer(), &DOCUMENTS[1..], 2, 2);
    assert!(fails(&["train", "--resume", &out]).contains("training text"));
}

#[test]
fn wrong_data_are_refused_before_training() {
    let place = Place::new();
    let (data, out) = (place.at("prepared"), place.at("run"));
    let file = place.at("metin.txt");
    fs::write(&file, "Bir varmış bir yokmuş.").unwrap();
    let refused = |data: &str, more: &[&str], parts: &[&str]| {
        let message = fails(&place.train(data, &out, more));
        assert!(parts.iter().all(|part| message.contains(part)), "{parts:?}: {message}");
        assert!(!Path::new(&out).exists());
    };
    refused(&data, &["--data", &file], &["prepared", "metin.txt", "cannot be mixed"]);
    let other = fixtures("tokenizer.json");
    let own = format!("{:016x}", tokenizer().fingerprint());
    refused(&data, &["--tokenizer", other.to_str().unwrap()], &["prepared with the tokenizer", &own]);
    refused(&file, &["--validation", &data], &["prepared with the tokenizer", &own]);
    refused(&format!("{data}/train-00000.tokens"), &[], &["train-00000.tokens", "name the folder"]);
    refused(&format!("{data}/manifest.json"), &[], &["manifest.json", "name the folder"]);
    refused(&data, &["--set", "data.stride=99999999999"], &["data.stride"]);
    let experts = "model.moe = { n_routed = 2, hidden = 8 }";
    refused(&data, &["--set", "data.documents=padded", "--set", experts], &["data.documents", "aux_coeff"]);
    refused(&data, &["--set", "data.documents=torn"], &["data.documents=torn", "packed"]);
    refused(&data, &["--set", "model.context=4096"], &["too short", "prepared", "4097"]);

    let all_train = place.at("all-train");
    prepare(Path::new(&all_train), &tokenizer(), &DOCUMENTS, 2, 0);
    refused(&all_train, &[], &["all-train", "no validation documents", "--validation"]);
    fs::remove_file(Path::new(&data).join(MANIFEST_FILE)).unwrap();
    refused(&data, &[], &["no manifest.json", "ebt data prepare"]);

    // validation text of its own, raw or prepared
    let other = place.at("other");
    prepare(Path::new(&other), &tokenizer(), &DOCUMENTS[..4], 1, 1);
    for (i, validation) in [file.as_str(), other.as_str()].into_iter().enumerate() {
        let out = place.at(&format!("run-{i}"));
        succeeds(&place.train(&all_train, &out, &["--validation", validation, "--set", "data.documents=padded"]));
    }
}

#[test]
fn eval_wants_the_tokenizer_of_the_model() {
    let place = Place::new();
    let path = place.folder.path().join("model.ebt");
    let mut other = model(&configs()[0], false);
    other.save(&path, Dtype::F32).unwrap();
    let (data, path) = (place.at("prepared"), path.to_str().unwrap());
    let json: Value = serde_json::from_str(&succeeds(&["eval", "--model", path, "--json", &data])).unwrap();
    assert_eq!(json["total"]["bytes"], DOCUMENTS[5].1.len() + DOCUMENTS[6].1.len());
    let options = ebt_tokenizer::TrainOptions { vocabulary_size: 270, ..Default::default() };
    other.tokenizer = Some(Tokenizer::train([String::from("başka bir metin")].into_iter(), options).unwrap());
    other.save(Path::new(path), Dtype::F32).unwrap();
    let message = fails(&["eval", "--model", path, &data]);
    assert!(message.contains("prepared with the tokenizer"), "{message}");
}

#[test]
fn inspect_tells_what_is_there_and_what_is_broken() {
    let place = Place::new();
    let data = place.at("prepared");
    let out = succeeds(&["data", "inspect", &data]);
    for part in ["kaynak-0", "CC0", "not stated", "train-00002.tokens", "validation-00000.tokens", "dropped"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let json: Value =
        serde_json::from_str(&succeeds(&["data", "inspect", &data, "--json", "--verify", "--threads", "2"])).unwrap();
    let bytes: usize = DOCUMENTS.iter().map(|d| d.1.len()).sum();
    let tokens: usize = tokenizer().encode_batch(&DOCUMENTS.map(|d| d.1)).unwrap().concat().len();
    let sum = |field: &str| (0..2).map(|i| json["sources"][i][field].as_u64().unwrap() as usize).sum::<usize>();
    assert_eq!((sum("text_bytes"), sum("text_tokens"), sum("documents")), (bytes, tokens, DOCUMENTS.len()));
    assert_eq!((json["train"]["documents"].as_u64(), json["verified"].as_bool()), (Some(5), Some(true)));

    for (i, (_, text)) in DOCUMENTS[..5].iter().enumerate() {
        assert_eq!(succeeds(&["data", "inspect", &data, "--show", &i.to_string()]), format!("{text}\n"));
    }
    let shown = succeeds(&["data", "inspect", &data, "--show", "1", "--split", "validation"]);
    assert_eq!(shown, format!("{}\n", DOCUMENTS[6].1));
    assert!(fails(&["data", "inspect", &data, "--show", "5"]).contains("holds 5 train documents"));

    // one token of a text becomes another: only reading everything finds it
    let path = Path::new(&data).join("train-00001.tokens");
    let mut bytes = fs::read(&path).unwrap();
    bytes[66] ^= 1;
    fs::write(&path, &bytes).unwrap();
    succeeds(&["data", "inspect", &data]);
    let message = fails(&["data", "inspect", &data, "--verify"]);
    assert!(message.contains("train-00001.tokens is damaged"), "{message}");
    fs::write(&path, &bytes[..100]).unwrap();
    assert!(fails(&["data", "inspect", &data]).contains("100 bytes, but the manifest says"));
    assert!(fails(&["data", "inspect", &place.at("yok")]).contains("manifest.json"));
    assert!(succeeds(&["data", "inspect", "--help"]).contains("--verify"));
}

#[test]
fn a_manifest_that_misstates_its_sources_is_found() {
    let place = Place::new();
    let folder = place.folder.path().join("prepared");
    let mut manifest = Manifest::read(&folder).unwrap();
    manifest.sources[1].documents += 1;
    manifest.write(&folder).unwrap();
    let data = place.at("prepared");
    assert!(fails(&["data", "inspect", &data, "--verify"]).contains("kaynak-1"));
}
