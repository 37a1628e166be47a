//! Files named by where they lie on the hub, against a hub on this machine.
#![allow(clippy::unwrap_used)]

#[path = "hub/repository.rs"]
mod repository;
#[allow(dead_code)]
#[path = "hub/server.rs"]
mod server;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use ebt_core::config::Config;
use ebt_corpus::hub::{self, HubOptions};
use ebt_data::progress::Silent;
use ebt_model::Dtype;
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use repository::{COMMIT, LATER_COMMIT, Repository};
use server::{Reply, Server};
use support::program::text;

/// The program, whose hub is `server` and whose cache is `home`.
fn ebt(home: &Path, server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ebt"));
    for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"] {
        command.env_remove(name);
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env("HF_HOME", home).env("HF_ENDPOINT", server.url("")).stdin(Stdio::null()).args(arguments);
    command
}

fn succeeded(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn failed(output: &Output) -> String {
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    told
}

fn documents(what: &str) -> Vec<u8> {
    (0..40)
        .map(|i| format!("{{\"text\": \"{what} {i}: Işık söndü, çocuk uyudu. {}\"}}\n", i * 7919))
        .collect::<String>()
        .into()
}

fn corpus() -> Repository {
    Repository::new("datasets", "biri/veri", COMMIT)
        .licence("cc-by-4.0")
        .file("README.md", "---\nlicense: cc-by-4.0\n---\n")
        .file(".gitattributes", "*.jsonl filter=lfs\n")
        .file("data/a b.jsonl", documents("ilk"))
        .file("data/c.jsonl", documents("ikinci"))
        .file("data/d.txt", "Düz metin.\n")
        .file("data/alt/e.jsonl", documents("üçüncü"))
        .file("data/f.bin", "ikili")
}

/// The data that were prepared: all tokens of both parts.
fn tokens(folder: &Path) -> Vec<u8> {
    let of = |part: &str| fs::read(folder.join(format!("{part}-00000.tokens"))).unwrap();
    [of("train"), of("validation")].concat()
}

fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

#[test]
fn a_glob_is_fetched_page_by_page_and_prepared_under_the_licence_of_the_card() {
    let server = corpus().serve(2);
    let folder = tempfile::tempdir().unwrap();
    let (home, out) = (folder.path().join("hf"), folder.path().join("veri"));
    let prepare = |glob: &str, more: &[&str]| {
        let name = format!("hf://datasets/biri/veri/{glob}");
        let arguments = [
            &["data", "prepare", &name, "--quiet", "--json", "--validation", "0.3", "--overwrite", "--out"],
            &[out.to_str().unwrap()][..],
            more,
        ];
        ebt(&home, &server, &arguments.concat())
    };
    succeeded(&prepare("data/*.jsonl", &[]).output().unwrap());
    let first = tokens(&out);
    let source = &manifest(&out)["sources"][0];
    assert_eq!((&source["name"], &source["licence"]), (&format!("veri@{COMMIT}").into(), &"cc-by-4.0".into()));
    let asked = |what: &str| server.requests().iter().filter(|request| request.path.contains(what)).count();
    assert_eq!(
        asked("/api/datasets/biri/veri/tree/0123456789abcdef0123456789abcdef01234567/data?"),
        3,
        "pages of six entries by two"
    );
    assert_eq!(
        (asked("a%20b.jsonl"), asked("c.jsonl"), asked("README"), asked("e.jsonl"), asked("d.txt")),
        (2, 2, 0, 0, 0)
    );

    // files that are there are not asked for again; the hub is asked for news, and for no listing that is known
    let before = server.requests().len();
    succeeded(&prepare("data/*.jsonl", &[]).output().unwrap());
    assert_eq!((tokens(&out), server.requests().len()), (first.clone(), before + 1));
    succeeded(&prepare("data/*.jsonl", &[]).env("HF_HUB_OFFLINE", "1").output().unwrap());
    assert_eq!((tokens(&out), server.requests().len()), (first.clone(), before + 1));

    // a folder is all of known formats below it; a licence that is given counts
    succeeded(&prepare("data", &["--licence", "özel"]).output().unwrap());
    assert_eq!(manifest(&out)["sources"][0]["licence"], "özel");
    assert!(tokens(&out).len() > first.len());
    assert_eq!((asked("e.jsonl"), asked("d.txt"), asked("f.bin")), (2, 2, 0));
    let all = manifest(&out);
    succeeded(&prepare("**/*.[jt]*", &[]).output().unwrap());
    assert_eq!(manifest(&out)["splits"], all["splits"], "the same files by another glob");
    // files of this machine stand beside those of the hub
    let own = folder.path().join("kendi.txt");
    fs::write(&own, "Kendi metnim.\n").unwrap();
    let name = "hf://datasets/biri/veri/data/c.jsonl";
    let mut mixed = ebt(
        &home,
        &server,
        &["data", "prepare", own.to_str().unwrap(), name, "--quiet", "--overwrite", "--out", out.to_str().unwrap()],
    );
    succeeded(&mixed.output().unwrap());
    let names: Vec<Value> = manifest(&out)["sources"].as_array().unwrap().iter().map(|s| s["name"].clone()).collect();
    assert_eq!(names, [Value::from("kendi"), Value::from(format!("veri@{COMMIT}"))]);
}

#[test]
fn what_cannot_be_had_is_said_in_a_sentence() {
    let server = corpus().serve(100);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("veri");
    let prepare = |name: &str, more: &[&str], server: &Server| {
        let arguments = [&["data", "prepare", name, "--quiet", "--out", out.to_str().unwrap()], more].concat();
        let told = failed(&ebt(folder.path(), server, &arguments).output().unwrap());
        assert!(!out.join("manifest.json").exists());
        told
    };
    for (name, more, parts) in [
        ("hf://datasets/biri/veri/data/*.csv", &[][..], &["data/*.csv", "means no file", "data/c.jsonl"][..]),
        ("hf://datasets/biri/veri/data/*.bin", &[], &["no format that is read"]),
        ("hf://datasets/biri/veri/data/[", &[], &["not a pattern"]),
        ("hf://datasets/biri/veri/data/**", &["--most-bytes", "1k"], &["4 files", "--most-bytes 1000"]),
        ("hf://datasets/biri/veri", &[], &["names no file", "hf://datasets/OWNER/NAME"]),
        ("hf://datasets/biri", &[], &["names no repository"]),
        ("hf://datasets/biri/ve ri/x", &[], &["\"biri/ve ri\"", "data set"]),
        ("hf://datasets/biri/veri/../x", &[], &["\"../x\"", "name of a file"]),
        ("hf://datasets/biri/veri@yok/data/*", &[], &["no revision yok"]),
        ("hf://datasets/biri/yok/data/*", &[], &["has no data set biri/yok"]),
    ] {
        let told = prepare(name, more, &server);
        assert!(parts.iter().all(|part| told.contains(part)), "{name}: {told}");
    }
    let offline = ["data", "prepare", "hf://datasets/biri/veri/data/*", "--out", out.to_str().unwrap()];
    let told = failed(&ebt(&folder.path().join("boş"), &server, &offline).env("HF_HUB_OFFLINE", "1").output().unwrap());
    assert!(told.contains("is not in the cache") && told.contains("HF_HUB_OFFLINE"), "{told}");

    for (status, code, part) in [(403, "GatedRepo", "on request only"), (401, "RepoNotFound", "without a token")] {
        let closed = Server::start(move |_, _| Reply::new(status).header("X-Error-Code", code));
        let told = prepare("hf://datasets/biri/veri/data/*", &[], &closed);
        assert!(told.contains(part) && told.contains("data set biri/veri"), "{told}");
        let generate = ["generate", "--model", "hf://biri/model/model.ebp", "--prompt", "a"];
        let told = failed(&ebt(folder.path(), &closed, &generate).output().unwrap());
        assert!(told.contains(part) && told.contains("model biri/model"), "{told}");
    }
    let page = Server::start(|_, _| Reply::new(200).header("Content-Type", "text/html").body(b"<html>".to_vec()));
    assert!(prepare("hf://datasets/biri/veri/data/*", &[], &page).contains("web page"));
    let other = Server::start(|_, _| Reply::new(200).body(b"{\"sha\": \"main\"}".to_vec()));
    assert!(prepare("hf://datasets/biri/veri/data/*", &[], &other).contains("does not answer like the hub"));
    let again = Server::start(|n, _| match n {
        0 => Reply::new(200).body(format!("{{\"sha\": \"{LATER_COMMIT}\"}}").into_bytes()),
        _ => Reply::new(200).body(b"{\"error\": 1}".to_vec()),
    });
    assert!(prepare("hf://datasets/biri/veri/data/*", &[], &again).contains("does not list files like the hub"));
}

#[test]
fn a_later_commit_is_fetched_whole_and_the_earlier_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (home, out) = (folder.path().join("hf"), folder.path().join("veri"));
    let prepare = |name: &str, server: &Server| {
        let fixed =
            ["data", "prepare", name, "--quiet", "--overwrite", "--validation", "0.3", "--out", out.to_str().unwrap()];
        ebt(&home, server, &fixed)
    };
    let name = "hf://datasets/biri/veri/data/c.jsonl";
    let first = corpus().serve(10);
    succeeded(&prepare(name, &first).output().unwrap());
    let old = tokens(&out);
    let later =
        Repository::new("datasets", "biri/veri", LATER_COMMIT).file("data/c.jsonl", documents("yeni")).serve(10);
    succeeded(&prepare(name, &later).output().unwrap());
    let new = tokens(&out);
    assert_ne!(old, new);
    assert_eq!(manifest(&out)["sources"][0]["name"], format!("veri@{LATER_COMMIT}"));
    drop(first);
    let at = format!("hf://datasets/biri/veri@{COMMIT}/data/c.jsonl");
    let asked = later.requests().len();
    succeeded(&prepare(&at, &later).output().unwrap());
    assert_eq!((tokens(&out), later.requests().len()), (old, asked), "a commit does not change, and is not asked for");
    // a hub that is not there
    let gone = later.url("");
    drop(later);
    let mut offline = Command::new(env!("CARGO_BIN_EXE_ebt"));
    offline.env("HF_HOME", &home).env("HF_ENDPOINT", gone).env_remove("HF_HUB_OFFLINE").stdin(Stdio::null());
    let arguments =
        ["data", "prepare", name, "--quiet", "--overwrite", "--validation", "0.3", "--out", out.to_str().unwrap()];
    let output = offline.args(arguments).output().unwrap();
    succeeded(&output);
    assert!(text(&output.stderr).contains("using what the cache holds of commit 89abcdef"), "{}", text(&output.stderr));
    assert_eq!(tokens(&out), new);
}

#[test]
fn a_broken_transfer_goes_on_and_a_file_that_is_not_what_was_said_is_refused() {
    let content = documents("uzun");
    let home = tempfile::tempdir().unwrap();
    let options = |server: &Server, cache: &str, file: &str| HubOptions {
        kind: hub::RepoKind::Dataset,
        repository: "biri/veri".into(),
        file: file.into(),
        revision: "main".into(),
        endpoint: server.url(""),
        cache: home.path().join(cache),
        token: None,
        offline: false,
        retries: 3,
        pause: Duration::ZERO,
    };
    // the first listing and every file from its beginning break off in the middle; what came of a file is kept
    let repository = corpus().file("data/uzun.jsonl", content.clone());
    let broken = Server::start(move |n, request| {
        let reply = repository.answer(request, 10);
        let whole = reply.len();
        let is_whole_file = matches!(request.range(), Some((0, None)));
        if n == 1 || is_whole_file { reply.cut(whole / 2) } else { reply }
    });
    let fetched =
        hub::fetch_all(&options(&broken, "bir", "data/uzun.jsonl"), u64::MAX, |_| false, &mut Silent).unwrap();
    assert_eq!((fs::read(&fetched.files[0]).unwrap(), fetched.downloaded), (content.clone(), 1));
    assert_eq!((fetched.commit.as_str(), fetched.licence.as_deref()), (COMMIT, Some("cc-by-4.0")));

    let wrong = corpus().file("data/bozuk.jsonl", content).damaged("data/bozuk.jsonl").serve(10);
    let message =
        hub::fetch_all(&options(&wrong, "iki", "data/bozuk.jsonl"), u64::MAX, |_| true, &mut Silent).unwrap_err();
    assert!(format!("{message:#}").contains("SHA-256"), "{message:#}");
}

/// The files of a folder as a repository.
fn uploaded(folder: &Path) -> Repository {
    let mut repository = Repository::new("models", "biri/model", COMMIT);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        repository = repository.file(path.file_name().unwrap().to_str().unwrap(), fs::read(&path).unwrap());
    }
    repository
}

#[test]
fn a_model_that_was_exported_for_the_hub_is_used_by_its_name_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // a run takes the size of its vocabulary from the tokenizer
    let config = Config { vocab: support::tokenizer().vocabulary_size(), ..support::configs()[0].clone() };
    support::model(&config, false).save(Path::new(&at("model.ebt")), Dtype::F32).unwrap();
    fs::write(at("sonuç.json"), r#"{"bits_per_byte": 1.25, "sources": [{"source": "haber"}]}"#).unwrap();
    let nowhere = Server::start(|_, _| Reply::new(500));
    let run = |arguments: &[&str]| succeeded(&ebt(folder.path(), &nowhere, arguments).output().unwrap());
    let told = run(&[
        "export",
        &at("model.ebt"),
        "--hub",
        &at("kart"),
        "--repository",
        "biri/model",
        "--licence",
        "cc-by-sa-4.0",
        "--dataset",
        "biri/veri",
        "--results",
        &at("sonuç.json"),
    ]);
    assert!(told.contains("hf upload biri/model ") && told.contains("hf://biri/model/model.ebp"), "{told}");
    let card = fs::read_to_string(at("kart/README.md")).unwrap();
    let (front, page) = card.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
    for line in [
        "language:\n  - \"tr\"",
        "license: \"cc-by-sa-4.0\"",
        "tags:\n  - \"energy-based-model\"",
        "datasets:\n  - \"biri/veri\"",
        "pipeline_tag: \"text-generation\"",
        "model-index:",
        "type: \"bits_per_byte\"",
        "value: 1.25",
        "name: \"haber\"",
    ] {
        assert!(front.contains(line), "{line}: {front}");
    }
    assert!(page.contains("hf://biri/model/model.ebp") && page.contains("ışık"), "{page}");
    let written: Value = serde_json::from_slice(&fs::read(at("kart/config.json")).unwrap()).unwrap();
    assert_eq!((&written["model_type"], &written["model"]["vocab"]), (&"ebt".into(), &config.vocab.into()));

    let server = uploaded(&folder.path().join("kart")).serve(10);
    let run = |arguments: &[&str]| succeeded(&ebt(folder.path(), &server, arguments).output().unwrap());
    let (ebp, weights) = ("hf://biri/model/model.ebp", "hf://biri/model@main/model.safetensors");
    let generate = |model: &str| run(&["generate", "--model", model, "--prompt", "Işık", "--tokens", "9"]);
    assert_eq!(generate(ebp), generate(&at("kart/model.ebp")));
    fs::write(at("metin.txt"), "Ankara'nın ilçeleri.\n").unwrap();
    let eval = |model: &str| -> Value {
        serde_json::from_str(&run(&["eval", "--model", model, "--backend", "cpu", "--json", &at("metin.txt")])).unwrap()
    };
    let (named, own) = (eval(weights), eval(&at("model.ebt")));
    assert_eq!((&named["loss"], &named["model"]), (&own["loss"], &weights.into()));
    assert!(run(&["inspect", weights]).contains("ışık"));
    run(&["export", weights, "--out", &at("yine.ebt")]);
    assert_eq!(fs::read(at("yine.ebt")).unwrap(), fs::read(at("model.ebt")).unwrap());
    run(&[
        "train",
        "--from",
        weights,
        "--data",
        &at("metin.txt"),
        "--validation",
        &at("metin.txt"),
        "--steps",
        "1",
        "--backend",
        "cpu",
        "--threads",
        "1",
        "--out",
        &at("koşu"),
    ]);
    let told = run(&["export", &at("koşu"), "--hub", &at("kart2")]);
    assert!(told.contains("hf upload OWNER/NAME"), "{told}");
    assert!(fs::read_to_string(at("kart2/README.md")).unwrap().contains("validation of the run"));

    let fails = |arguments: &[&str]| failed(&ebt(folder.path(), &server, arguments).output().unwrap());
    assert!(
        fails(&["generate", "--model", "hf://biri/model/yok.ebp", "--prompt", "a"]).contains("has no file yok.ebp")
    );
    assert!(fails(&["solve", "--model", "hf://biri/model"]).contains("names no file"));
    assert!(fails(&["restore", "--model", "hf://biri/model/config.json"]).contains("config.json"));
    assert!(
        fails(&["export", &at("model.ebt"), "--hub", &at("k3"), "--results", &at("kart/config.json")])
            .contains("holds no result")
    );
}

/// A Parquet file of these columns.
fn parquet(columns: &[(&str, &[&str])], labels: &[i64]) -> Vec<u8> {
    let mut all: Vec<(&str, ArrayRef)> = Vec::new();
    for (name, values) in columns {
        all.push((name, Arc::new(StringArray::from(values.to_vec()))));
    }
    all.push(("label", Arc::new(Int64Array::from(labels.to_vec()))));
    let batch = RecordBatch::try_from_iter(all).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn test_sets_of_others_are_read_by_the_columns_that_they_have() {
    let sets = [
        Repository::new("datasets", "juletxara/turblimp", COMMIT)
            .file("README.md", "kart")
            .file("binding/train-00000-of-00001.parquet", parquet(&[("sentence_good", &["Ev güzel."]), ("sentence_bad", &["Ev güzeller."])], &[0]))
            .file("passives/train-00000-of-00001.parquet", parquet(&[("sentence_good", &["Su içildi.", "Yol yapıldı."]), ("sentence_bad", &["Su içti.", "Yol yaptı."])], &[0, 0])),
        Repository::new("datasets", "facebook/belebele", COMMIT).file(
            "data/tur_Latn.jsonl",
            r#"{"link": "x", "question_number": 1, "flores_passage": "Ankara başkenttir.", "question": "Başkent neresidir?", "mc_answer1": "Bursa", "mc_answer2": "Ankara", "mc_answer3": "Konya", "mc_answer4": "İzmir", "correct_answer_num": "2", "dialect": "tur_Latn", "ds": "2023-05-03"}"#,
        ),
        Repository::new("datasets", "cambridgeltl/xcopa", COMMIT).file(
            "tr/test-00000-of-00001.parquet",
            parquet(&[("premise", &["Yağmur yağdı.", "Bardak düştü."]), ("choice1", &["Islandık.", "Kırıldı."]), ("choice2", &["Güldük.", "Işık yandı."]), ("question", &["effect", "effect"])], &[0, 0]),
        ),
        Repository::new("datasets", "facebook/xnli", COMMIT).file(
            "tr/test-00000-of-00001.parquet",
            parquet(&[("premise", &["Çocuk uyuyor.", "Kedi koşuyor."]), ("hypothesis", &["Çocuk uyanık.", "Bir hayvan koşuyor."])], &[2, 0]),
        ),
    ];
    let server = Server::start(move |_, request| {
        let found = sets.iter().find(|set| set.owns(request));
        found.map_or_else(|| Reply::new(404).header("X-Error-Code", "RepoNotFound"), |set| set.answer(request, 10))
    });
    let folder = tempfile::tempdir().unwrap();
    let model: PathBuf = folder.path().join("model.ebt");
    support::model(&support::configs()[0], false).save(&model, Dtype::F32).unwrap();
    let judged = |task: &str, more: &[&str]| -> Value {
        let arguments = [&["eval", "--model", model.to_str().unwrap(), "--task", task, "--json"], more].concat();
        serde_json::from_str(&succeeded(&ebt(folder.path(), &server, &arguments).output().unwrap())).unwrap()
    };
    for (task, items, phenomena, answers) in [
        ("turblimp", 3, &["binding", "passives"][..], 2),
        ("belebele", 1, &["belebele"], 4),
        ("xcopa", 2, &["effect"], 2),
        ("xnli", 2, &["contradiction", "entailment"], 3),
    ] {
        for by in ["likelihood", "energy", "drop"] {
            let found = judged(task, &["--by", by]);
            assert_eq!((&found["of"], &found["by"], &found["items"]), (&items.into(), &by.into(), &task.into()));
            let names: Vec<&str> =
                found["phenomena"].as_array().unwrap().iter().map(|p| p["phenomenon"].as_str().unwrap()).collect();
            assert_eq!(names, phenomena);
            assert_eq!(found["accuracy_by_byte"].is_number(), answers > 2 || task == "xcopa", "{task}");
        }
    }
    let refused =
        ebt(folder.path(), &server, &["eval", "--model", model.to_str().unwrap(), "--task", "mmlu"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("belebele"));
}
