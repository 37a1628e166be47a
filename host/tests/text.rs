//! Text has one door: whichever way it comes in, the same files are found, read alike and cleaned alike.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use support::fed::fed;
use support::fixtures;
use support::program::{fails, succeeds, text};

/// Two documents, in normal form.
const TEXT: &str =
    "Göğün altında şu güneşli çayır,\nığıl ığıl akan ırmağın öbür yakası.\n\nİşte köyün çeşmesi; \"gölgeli\" ağaç.\n";

/// The same text as macOS spells it.
fn decomposed(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    text.nfd().collect()
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::create_dir_all(PathBuf::from(self.at(name)).parent().unwrap()).unwrap();
        fs::write(self.at(name), bytes).unwrap();
        self.at(name)
    }

    /// [`TEXT`] in files of many kinds.
    fn spellings(&self) -> Vec<String> {
        let gzip = |bytes: &[u8]| {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(bytes).unwrap();
            packed.finish().unwrap()
        };
        let documents: Vec<&str> = TEXT.trim_end().split("\n\n").collect();
        let json = |text: &str| serde_json::json!({ "text": decomposed(text), "puan": 1 }).to_string() + "\n";
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let rows: String = documents.iter().map(|text| format!("7;{}\r\n", quoted(&decomposed(text)))).collect();
        vec![
            self.write("nfc.txt", TEXT),
            self.write("nfd.txt", decomposed(TEXT)),
            self.write("crlf.txt", TEXT.replace('\n', "\r\n")),
            self.write("mark.txt", format!("\u{feff}{}", TEXT.replace("\n\n", "\n\n\u{feff}"))),
            self.write("blank.md", format!("\n \n\n{}\n\t\n\n", TEXT.replace("\n\n", "\n\n \r\n\n"))),
            self.write("nfd.txt.gz", gzip(decomposed(TEXT).as_bytes())),
            self.write("named.txt", zstd::encode_all(TEXT.as_bytes(), 1).unwrap()),
            self.write("lines.jsonl", documents.iter().map(|text| json(text)).collect::<String>()),
            self.write("excel.csv", format!("\u{feff}sep=;\r\nid;text\r\n{rows}")),
        ]
    }
}

fn model() -> String {
    fixtures("sample-model.ebp").display().to_string()
}

fn evaluated(paths: &[&str]) -> Value {
    serde_json::from_str(&succeeds(&[&["eval", "--json", "--model", &model()], paths].concat())).unwrap()
}

#[test]
fn every_spelling_of_a_text_is_measured_alike() {
    let p = Place::new();
    let expected = evaluated(&[&p.write("text.txt", TEXT)])["total"].clone();
    assert_eq!(expected["bytes"], TEXT.len() - 3, "without the line ends between and behind documents");
    for path in p.spellings() {
        assert_eq!(evaluated(&[&path])["total"]["by_steps"], expected["by_steps"], "{path}");
    }
    #[cfg(unix)]
    {
        let arguments = ["eval", "--json", "--model", &model(), "/dev/stdin"];
        let output = fed(&arguments, decomposed(TEXT).as_bytes());
        let read: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(read["total"]["by_steps"], expected["by_steps"]);
    }
}

#[test]
fn every_spelling_of_a_text_gives_the_same_tokenizer_and_prepared_data() {
    let p = Place::new();
    let mut first: Option<(Vec<u8>, Vec<u8>)> = None;
    for (i, path) in p.spellings().iter().enumerate() {
        let (tokenizer, data) = (p.at(&format!("{i}.json")), p.at(&format!("data-{i}")));
        succeeds(&["tokenizer", "train", path, "--vocab", "280", "--out", &tokenizer]);
        succeeds(&["data", "prepare", path, "--validation", "0", "--out", &data]);
        let found = (fs::read(&tokenizer).unwrap(), fs::read(format!("{data}/train-00000.tokens")).unwrap());
        assert!(*first.get_or_insert_with(|| found.clone()) == found, "{path}");
    }
}

const TINY: [&str; 11] = [
    "--set=model.dim=16",
    "--set=model.heads=2",
    "--set=model.ffn=16",
    "--set=model.context=8",
    "--set=train.batch=2",
    "--steps=1",
    "--threads=1",
    "--backend=cpu",
    "--json",
    "--quiet",
    "--minutes=5",
];

#[test]
fn a_run_goes_on_with_the_same_text_wherever_and_however_it_is_spelled() {
    let p = Place::new();
    let (text, held_out, out) = (p.write("önce/a.txt", TEXT), p.write("b.txt", "Bir varmış."), p.at("run"));
    let train = ["train", "--data", &text, "--validation", &held_out, "--out", &out];
    succeeds(&[&train[..], &TINY].concat());
    fs::remove_dir_all(p.at("önce")).unwrap();
    let message = fails(&["train", "--resume", &out], 1);
    assert!(message.contains("a.txt") && message.contains("--data"), "{message}");
    for path in p.spellings() {
        succeeds(&["train", "--resume", &out, "--json", "--quiet", "--data", &path]);
    }
    fs::remove_file(&held_out).unwrap();
    let message = fails(&["train", "--resume", &out, "--data", &p.at("nfc.txt")], 1);
    assert!(message.contains("b.txt") && message.contains("--validation"), "{message}");
}

#[test]
fn prompts_are_cleaned_as_text_is() {
    let p = Place::new();
    let prompt = "Güneşli bir gün,\nağacın gölgesi\n\n";
    let run = |prompt: &str| -> Value {
        let mut all: Value =
            serde_json::from_str(&succeeds(&["generate", "--json", "--tokens", "6", "--prompt", prompt])).unwrap();
        all.as_object_mut().unwrap().remove("seconds");
        all
    };
    let expected = run(prompt);
    assert_eq!(expected["prompt"], prompt);
    for spelled in [decomposed(prompt), prompt.replace('\n', "\r\n"), format!("\u{feff}{prompt}")] {
        assert_eq!(run(&spelled), expected);
    }
    let draw = |name: &str, prompt: &str| {
        succeeds(&["plot", "--prompt", prompt, "--out", &p.at(name)]);
        fs::read(p.at(name)).unwrap()
    };
    assert!(draw("a.svg", prompt) == draw("b.svg", &decomposed(prompt)));
    let certificate = p.at("c.json");
    succeeds(&["generate", "--tokens", "2", "--prompt", &decomposed(prompt), "--certificate", &certificate]);
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(certificate).unwrap()).unwrap()["prompt"], prompt);
}

#[test]
fn a_tokenizer_by_itself_leaves_text_as_it_is() {
    let p = Place::new();
    let spelled = format!("\u{feff}{}", decomposed(TEXT).replace('\n', "\r\n"));
    let through = |command: &str, input: &[u8]| fed(&["tokenizer", command], input).stdout;
    assert_eq!(text(&through("decode", &through("encode", spelled.as_bytes()))), spelled);
    // what is measured is what is there: all but the mark and the line ends around documents
    let measure = |path: &str| -> Value {
        let all = succeeds(&["tokenizer", "measure", path, "--runs", "1", "--json"]);
        serde_json::from_str::<Value>(&all).unwrap()["tokenizers"][0]["total"].clone()
    };
    let (there, clean) = (measure(&p.write("a.txt", &spelled)), measure(&p.write("b.txt", TEXT)));
    assert_eq!(there["bytes"], decomposed(TEXT).len() - 3 + 1, "a carriage return inside of a document");
    assert_eq!((&there["documents"], &there["documents_not_restored"]), (&clean["documents"], &Value::from(0)));
    assert!(there["tokens"].as_u64() > clean["tokens"].as_u64());
}

#[test]
fn hidden_files_are_passed_over_on_every_way_in() {
    let (p, bare) = (Place::new(), Place::new());
    for place in [&p, &bare] {
        place.write("veri/a.txt", TEXT);
        place.write("veri/alt/b.jsonl", "{\"text\": \"Bir varmış, bir yokmuş.\"}\n");
    }
    for name in [
        ".gizli.txt",
        "._a.txt",
        ".ipynb_checkpoints/a.txt",
        ".git/HEAD.md",
        "alt/.c.jsonl",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
    ] {
        p.write(&format!("veri/{name}"), b"\xff\0bozuk");
    }
    p.write("veri/tokenizer.json", fs::read(fixtures("tokenizer.json")).unwrap());
    let held_out = p.write("b.txt", "Bir varmış.");
    let of = |place: &Place, folder: &str| {
        let (data, json, run) = (place.at(folder), place.at("t.json"), place.at("run"));
        let evaluated = evaluated(&[&data])["total"].clone();
        let measured = succeeds(&["tokenizer", "measure", &data, "--runs", "1", "--json"]);
        let measured = serde_json::from_str::<Value>(&measured).unwrap()["tokenizers"][0]["total"].clone();
        succeeds(&["tokenizer", "train", &data, "--vocab", "280", "--out", &json]);
        succeeds(&[&["train", "--data", &data, "--validation", &held_out, "--out", &run], &TINY[..]].concat());
        let first = fs::read_to_string(format!("{run}/metrics.jsonl")).unwrap();
        let losses: Vec<Value> =
            first.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["loss"].clone()).collect();
        (evaluated, measured, fs::read(json).unwrap(), losses)
    };
    let expected = of(&bare, "veri");
    assert!(of(&p, "veri") == expected);
    // named, they are read
    let message = fails(&["eval", "--model", &model(), &p.at("veri/.gizli.txt")], 1);
    assert!(message.contains(".gizli.txt"), "{message}");
}

#[test]
fn folders_globs_and_links_mean_the_same_everywhere() {
    let p = Place::new();
    let expected = evaluated(&[&p.write("[a]/x.txt", TEXT)])["total"].clone();
    p.write("a/başka.txt", "başka bir metin");
    let mut names = vec!["[a]", "[a]/*.txt", "[a]/?.t[xy]t", "*/x.*"];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("..", p.at("[a]/döngü")).unwrap();
        fs::create_dir(p.at("bağ")).unwrap();
        std::os::unix::fs::symlink("../[a]/x.txt", p.at("bağ/y.txt")).unwrap();
        names.extend(["bağ", "bağ/y.txt"]);
        names.retain(|name| *name != "[a]");
        // a loop of links ends, and what it leads to is read once
        let all = evaluated(&[&p.at("[a]")]);
        assert_eq!(all["sources"].as_array().unwrap().len(), 2, "{all}");
    }
    for name in names {
        assert_eq!(evaluated(&[&p.at(name)])["total"], expected, "{name}");
    }
    let message = fails(&["eval", "--model", &model(), &p.at("[a]/*.md")], 1);
    assert!(message.contains("[a]/*.md matches no file"), "{message}");
    // a file that is named twice is read once
    assert_eq!(evaluated(&[&p.at("[a]/x.txt"), &p.at("[a]/*.txt")])["total"], expected);
}

#[test]
fn formats_that_are_not_read_directly_say_what_to_do() {
    let p = Place::new();
    let table = p.write("a.parquet", "PAR1");
    for arguments in [&["eval", "--model", &model(), &table][..], &["train", "--data", &table, "--out", &p.at("run")]] {
        let message = fails(arguments, 1);
        assert!(message.contains("a.parquet") && message.contains("ebt data prepare"), "{message}");
    }
    let message = fails(&["eval", "--model", &model(), &p.write("b.jsonl", "{\"metin\": \"bir\"}")], 1);
    assert!(message.contains("line 1 of") && message.contains("metin") && message.contains("--column"), "{message}");
    fs::create_dir(p.at("boş")).unwrap();
    let message = fails(&["eval", "--model", &model(), &p.at("boş")], 1);
    assert!(message.contains("boş holds no file of a known format"), "{message}");
    assert!(!PathBuf::from(p.at("run")).exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_not_utf8_is_shown_and_nothing_is_begun() {
    use std::os::unix::ffi::OsStringExt as _;
    let p = Place::new();
    let bad = p.0.path().join(std::ffi::OsString::from_vec(b"t\xfcrk\xe7e.txt".to_vec()));
    fs::write(&bad, TEXT).unwrap();
    let good = p.write("iyi.txt", TEXT);
    for flag in ["--data", "--validation", "--tokenizer", "--out"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_host"));
        command.args(["train", "--data", &good, "--validation", &good, "--out", &p.at("run")]).args(TINY);
        if flag == "--out" {
            command = Command::new(env!("CARGO_BIN_EXE_host"));
            command.args(["train", "--data", &good, "--validation", &good]).args(TINY);
        }
        let path = if flag == "--out" { bad.with_extension("run") } else { bad.clone() };
        let output = command.arg(flag).arg(&path).output().unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{flag}: {message}");
        assert!(message.contains("t\u{fffd}rk\u{fffd}e") && message.contains("UTF-8"), "{flag}: {message}");
        assert!(!PathBuf::from(p.at("run")).exists() && !bad.with_extension("run").exists(), "{flag}");
    }
    // where nothing is written down, it is read
    let output =
        Command::new(env!("CARGO_BIN_EXE_host")).args(["eval", "--model", &model()]).arg(&bad).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn errors_are_told_of_models_that_training_left() {
    let p = Place::new();
    let (text, out) = (p.write("text.txt", TEXT), p.at("run"));
    // energies of tokens learn on a landscape of their own
    let own = ["--set", "objective.nce=0.5", "--set", "model.landscapes=3"];
    succeeds(&[&["train", "--data", &text, "--validation", &text, "--out", &out], &TINY[..], &own[..]].concat());
    let shown = succeeds(&["eval", "--model", &out, "--confidence", &text]);
    for part in
        ["wrong among the surest", "probability", "entropy", "energy", "drop", "vertex", "on the last landscape"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let message = fails(&["eval", "--model", &model(), "--confidence", &text], 1);
    assert!(message.contains("--confidence") && message.contains("not packed"), "{message}");
}
