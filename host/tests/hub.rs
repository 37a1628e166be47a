//! `ebt data bilkent` against a hub on this machine.
#![allow(clippy::unwrap_used)]

#[path = "hub/fixture.rs"]
mod fixture;
#[path = "hub/server.rs"]
mod server;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use ebt_corpus::hub::{self, HubOptions, Token};
use ebt_data::progress::Silent;
use proptest::prelude::*;

use fixture::{COMMIT, Content, DATASET, FILE, Hub, LATER_COMMIT, command, parquet_file, sha256};
use server::{Reply, Request};

/// The path that a successful run printed, and what it told.
fn succeeded(output: &Output) -> (PathBuf, String) {
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    (PathBuf::from(printed.trim_end()), told)
}

/// The message of a failed run.
fn failed(output: &Output) -> String {
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    assert!(output.stdout.is_empty());
    told[told.find("error: ").unwrap()..].to_owned()
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[test]
fn the_set_is_downloaded_once_and_then_found_in_the_cache() {
    let content = Content::new(parquet_file("text", 9_119));
    let hub = Hub::serving(&content);
    let (path, told) = succeeded(&hub.run(&[]));
    assert_eq!(fs::read(&path).unwrap(), content.bytes);
    assert_says(&told, &["academic", "commercial", "9119 documents", COMMIT, "downloaded and verified"]);
    assert!(!told.contains("warning"), "{told}");
    let folder = format!("hub/datasets--{}", DATASET.replace('/', "--"));
    let blob = &content.sha256;
    let expected = [
        format!("{folder}/blobs/{blob}"),
        format!("{folder}/refs/main"),
        format!("{folder}/snapshots/{COMMIT}/{FILE} -> ../../../blobs/{blob}"),
    ];
    assert_eq!(hub.cached(), expected);
    assert_eq!(fs::read_to_string(hub.home.path().join(&expected[1])).unwrap(), COMMIT);
    assert_eq!(hub.storage.requests().len(), 1);

    let (again, told) = succeeded(&hub.run(&[]));
    assert_eq!(again, path);
    assert_says(&told, &["in the cache already"]);
    // the hub was asked for news, the storage for nothing
    assert_eq!((hub.hub.requests().len(), hub.storage.requests().len()), (2, 1));
    succeeded(&hub.run(&["--revision", COMMIT]));
    assert_eq!(hub.hub.requests().len(), 2, "a commit does not change, and was asked for all the same");

    assert_eq!(succeeded(&hub.run(&["--offline"])).0, path);
    let mut offline = hub.command(&["--accept-licence"]);
    assert_eq!(succeeded(&offline.env("HF_HUB_OFFLINE", "1").output().unwrap()).0, path);
    assert_eq!(hub.hub.requests().len(), 2);

    let Hub { hub, storage, home } = hub;
    let endpoint = hub.url("");
    drop((hub, storage));
    let (found, told) = succeeded(&command(home.path(), &endpoint, &["--accept-licence"]).output().unwrap());
    assert_eq!(found, path);
    assert_says(&told, &["cannot reach 127.0.0.1", "copy of commit 0123456789"]);
}

#[test]
fn the_set_is_prepared_under_its_licence_and_the_data_say_so() {
    let hub = Hub::serving(&Content::new(parquet_file("text", 300)));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bilkent");
    let mut prepare = command(hub.home.path(), &hub.hub.url(""), &["--accept-licence", "--quiet", "--json"]);
    // the same command as a user gives it: with a folder instead of `--download-only`
    let args: Vec<_> = prepare.get_args().filter(|arg| *arg != "--download-only").map(ToOwned::to_owned).collect();
    let mut whole = Command::new(prepare.get_program());
    whole.args(args).arg("--out").arg(&out).env("HF_HOME", hub.home.path()).env("HF_ENDPOINT", hub.hub.url(""));
    let output = whole.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    let source = &manifest["sources"][0];
    assert_eq!(source["name"], format!("bilkent-turkish-writings@{COMMIT}"));
    assert_says(source["licence"].as_str().unwrap(), &["academic", "non-commercial", "zenodo"]);
    let inspected = Command::new(env!("CARGO_BIN_EXE_ebt")).args(["data", "inspect", "--verify"]).arg(&out).output();
    assert_eq!(inspected.unwrap().status.code(), Some(0));
    // without a folder it is not known where the data should go
    assert_eq!(whole.args(["--download-only"]).output().unwrap().status.code(), Some(0));
    prepare = Command::new(env!("CARGO_BIN_EXE_ebt"));
    assert_eq!(prepare.args(["data", "bilkent", "--accept-licence"]).output().unwrap().status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn a_file_that_huggingface_hub_downloaded_is_found() {
    let content = Content::new(parquet_file("text", 40));
    let hub = Hub::serving(&content);
    // as huggingface_hub 2.4 has it after `hf_hub_download(..., revision="refs/pr/1")`
    let folder = hub.home.path().join(format!("hub/datasets--{}", DATASET.replace('/', "--")));
    let snapshot = folder.join("snapshots").join(COMMIT).join(FILE);
    for place in [&folder.join("blobs"), &folder.join("refs/refs/pr"), &snapshot.parent().unwrap().to_path_buf()] {
        fs::create_dir_all(place).unwrap();
    }
    fs::write(folder.join("blobs").join(&content.sha256), &content.bytes).unwrap();
    fs::write(folder.join("refs/refs/pr/1"), COMMIT).unwrap();
    std::os::unix::fs::symlink(format!("../../../blobs/{}", content.sha256), &snapshot).unwrap();
    assert!(snapshot.is_file());

    let (path, told) = succeeded(&hub.run(&["--revision", "refs/pr/1", "--offline"]));
    assert_eq!(path, snapshot);
    assert_says(&told, &["in the cache already", "warning: the set holds 40 documents"]);
    assert!(hub.hub.requests().is_empty());
    assert_eq!(succeeded(&hub.run(&["--revision", "refs/pr/1"])).0, snapshot);
    assert_eq!((hub.hub.requests().len(), hub.storage.requests().len()), (1, 0), "the hub is asked for news only");
}

#[test]
fn a_new_commit_on_the_hub_is_fetched_and_the_old_one_stays() {
    let (old, mut new) = (Content::new(parquet_file("text", 30)), Content::new(parquet_file("text", 31)));
    new.commit = LATER_COMMIT;
    let first = Hub::serving(&old);
    let (old_path, _) = succeeded(&first.run(&[]));
    let second = Hub::serving(&new);
    let run = |more: &[&str]| {
        succeeded(
            &command(first.home.path(), &second.hub.url(""), &[&["--accept-licence"], more].concat()).output().unwrap(),
        )
    };
    let (new_path, told) = run(&[]);
    assert_says(&told, &["31 documents", LATER_COMMIT]);
    assert_eq!((fs::read(&old_path).unwrap(), fs::read(&new_path).unwrap()), (old.bytes, new.bytes));
    assert_eq!(run(&["--offline"]).0, new_path);
    assert_eq!(run(&["--offline", "--revision", COMMIT]).0, old_path);
}

#[test]
fn the_licence_has_to_be_accepted_before_anything_is_asked() {
    let hub = Hub::serving(&Content::new(parquet_file("text", 10)));
    let output = hub.command(&[]).output().unwrap();
    assert_says(&failed(&output), &["--accept-licence"]);
    assert_says(&String::from_utf8_lossy(&output.stderr), &["non-commercial", "10.5281/zenodo.15498155"]);
    assert!(hub.hub.requests().is_empty() && hub.cached().is_empty());
    // an answer that does not come from a terminal is none
    let mut piped =
        hub.command(&[]).stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // it may have refused, and ended, before it could be written to
    let _ = piped.stdin.take().unwrap().write_all(b"yes\n");
    failed(&piped.wait_with_output().unwrap());
    assert!(hub.hub.requests().is_empty());
}

#[test]
fn the_token_goes_to_the_endpoint_alone() {
    let content = Content::new(parquet_file("text", 10));
    let secret = "hf_gizliAnahtar123";
    for from_file in [false, true] {
        let hub = Hub::serving(&content);
        let mut command = hub.command(&["--accept-licence"]);
        if from_file {
            fs::write(hub.home.path().join("token"), format!("{secret}\n")).unwrap();
        } else {
            command.env("HF_TOKEN", secret);
        }
        let (_, told) = succeeded(&command.output().unwrap());
        assert!(!told.contains(secret));
        for request in hub.hub.requests() {
            assert_eq!(request.header("authorization"), Some(format!("Bearer {secret}").as_str()));
        }
        let stored = hub.storage.requests();
        assert_eq!(stored.len(), 1);
        assert_eq!(stored[0].header("authorization"), None);
        assert!(stored.iter().all(|request| !request.text().contains(secret)));
    }
}

#[test]
fn a_broken_download_says_so_and_the_next_run_goes_on_from_there() {
    let content = Content::new(parquet_file("text", 3_000));
    let (bytes, half) = (content.clone(), content.bytes.len() / 2);
    let hub = Hub::with(&content, move |n, request| {
        let reply = bytes.part(request);
        if n == 0 { reply.cut(half) } else { reply }
    });
    assert_says(
        &failed(&hub.run(&[])),
        &["the connection to 127.0.0.1", "broke after", "run the command again to go on"],
    );
    let left = hub.cached();
    assert!(left.len() == 1 && left[0].ends_with(&format!("{}.part", content.sha256)), "{left:?}");
    assert_says(&failed(&hub.run(&["--offline"])), &["not in the cache"]);

    let (path, _) = succeeded(&hub.run(&[]));
    assert_eq!(fs::read(path).unwrap(), content.bytes);
    let ranges: Vec<_> = hub.storage.requests().iter().map(|request| request.range().unwrap().0).collect();
    assert_eq!(ranges, [0, half]);
}

#[test]
fn damaged_bytes_are_refused_and_removed() {
    let content = Content::new(parquet_file("text", 500));
    let mut damaged = content.clone();
    damaged.bytes[1000] ^= 1;
    let found = sha256(&damaged.bytes);
    let good = content.clone();
    let hub = Hub::with(&content, move |n, request| if n == 0 { &damaged } else { &good }.part(request));
    let message = failed(&hub.run(&[]));
    assert_says(&message, &[FILE, "SHA-256", &content.sha256, &found]);
    assert_eq!(hub.cached(), [""; 0]);
    let (path, _) = succeeded(&hub.run(&[]));
    assert_eq!(fs::read(path).unwrap(), content.bytes);
    assert_eq!(hub.storage.requests()[1].range(), Some((0, None)), "the second download did not start clean");
}

#[test]
fn a_blob_that_lost_its_end_is_downloaded_anew() {
    let content = Content::new(parquet_file("text", 500));
    let hub = Hub::serving(&content);
    let (path, _) = succeeded(&hub.run(&[]));
    let blob = fs::canonicalize(&path).unwrap();
    fs::File::options().write(true).open(&blob).unwrap().set_len(700).unwrap();
    assert_says(&failed(&hub.run(&["--offline"])), &["not a usable Parquet file", path.to_str().unwrap()]);
    let (again, told) = succeeded(&hub.run(&[]));
    assert_says(&told, &["downloaded and verified"]);
    assert_eq!((fs::read(again).unwrap(), fs::canonicalize(path).unwrap()), (content.bytes, blob));
}

#[test]
fn a_cached_file_that_rotted_is_named_and_can_be_had_anew() {
    let content = Content::new(parquet_file("text", 500));
    let hub = Hub::serving(&content);
    let blob = fs::canonicalize(succeeded(&hub.run(&[])).0).unwrap();
    let mut rotten = content.bytes.clone();
    let end = rotten.len() - 8;
    rotten[end..end + 4].fill(0xFF);
    fs::write(&blob, rotten).unwrap();
    let message = failed(&hub.run(&["--quiet"]));
    assert_says(&message, &["not a usable Parquet file", &format!("delete {}", blob.display())]);
    fs::remove_file(&blob).unwrap();
    assert_eq!(fs::read(succeeded(&hub.run(&["--quiet"])).0).unwrap(), content.bytes);
}

#[test]
fn refusals_say_what_to_do() {
    let refusal = |status: u16, code: &'static str, token: Option<&str>| {
        let hub = Hub::answering(move |_| {
            Reply::new(status).header("X-Error-Code", code).header("X-Error-Message", "Olmaz.")
        });
        let mut command = hub.command(&["--accept-licence", "--revision", "v9"]);
        if let Some(token) = token {
            command.env("HF_TOKEN", token);
        }
        let message = failed(&command.output().unwrap());
        assert_eq!(hub.cached(), [""; 0]);
        assert_says(&message, &[&status.to_string(), "Olmaz."]);
        message
    };
    assert_says(&refusal(401, "RepoNotFound", None), &[DATASET, "without a token", "does not exist", "HF_TOKEN"]);
    assert_says(&refusal(401, "", Some("hf_eski")), &[DATASET, "does not accept the token from HF_TOKEN"]);
    assert_says(&refusal(403, "GatedRepo", Some("hf_x")), &["on request only", "/datasets/selimfirat/"]);
    assert_says(&refusal(404, "RepoNotFound", None), &["has no data set", DATASET]);
    assert_says(&refusal(404, "RevisionNotFound", None), &["no revision v9", "--revision"]);
    assert_says(&refusal(404, "EntryNotFound", None), &["no file", FILE]);
    assert_says(&refusal(404, "", None), &[FILE, DATASET, "v9"]);
    assert_says(&refusal(429, "", None), &["too many requests"]);
    assert_says(&refusal(500, "", None), &["a failure over there", "later"]);
    assert_says(&refusal(418, "", None), &[FILE]);
}

#[test]
fn answers_that_are_not_the_hubs_are_refused() {
    let page =
        || Reply::new(200).header("Content-Type", "text/html; charset=utf-8").body(b"<html>Giris</html>".to_vec());
    let message = |hub: Hub| {
        let message = failed(&hub.run(&[]));
        assert_eq!(hub.cached(), [""; 0]);
        message
    };
    assert_says(&message(Hub::answering(move |_| page())), &["web page", "127.0.0.1"]);
    assert_says(&message(Hub::answering(|_| Reply::new(200).body(b"{}".to_vec()))), &["does not answer like the hub"]);
    let climb = |_: &Request| Reply::new(200).header("X-Repo-Commit", "../../../etc").header("ETag", "\"a\"");
    assert_says(&message(Hub::answering(climb)), &["commit", "../../../etc"]);
    let climb = |_: &Request| Reply::new(200).header("X-Repo-Commit", COMMIT).header("ETag", "\"../../x\"");
    assert_says(&message(Hub::answering(climb)), &["ETag", "../../x"]);
    let circle = |request: &Request| Reply::new(307).header("Location", &request.path);
    assert_says(&message(Hub::answering(circle)), &["redirects in a circle"]);
    assert_says(&message(Hub::answering(|_| Reply::new(302))), &["without saying where"]);
    let elsewhere = |_: &Request| Reply::new(302).header("Location", "file:///etc/passwd");
    assert_says(&message(Hub::answering(elsewhere)), &["no web address"]);

    // the hub is right and its storage is not
    let content = Content::new(parquet_file("text", 10));
    let stored = |hub: Hub| {
        let message = failed(&hub.run(&[]));
        assert!(hub.cached().iter().all(|name| name.ends_with(".part")), "{:?}", hub.cached());
        message
    };
    assert_says(&stored(Hub::with(&content, move |_, _| page())), &["web page", FILE]);
    assert_says(&stored(Hub::with(&content, |_, _| Reply::new(403))), &["storage host", "403"]);
    let short = content.clone();
    let short = move |_: usize, _: &Request| Reply::new(200).body(short.bytes[..100].to_vec());
    assert_says(&stored(Hub::with(&content, short)), &["announced", "sends 100"]);
    let shifted = |_: usize, _: &Request| Reply::new(206).header("Content-Range", "bytes 5-9/10").body(vec![0; 5]);
    assert_says(&stored(Hub::with(&content, shifted)), &["other bytes", "bytes 5-9/10"]);
    // bytes with a right digest that are not Parquet
    assert_says(&message(Hub::serving(&Content::new(vec![b'x'; 500]))), &["no Parquet file", "PAR1"]);
}

#[test]
fn a_file_without_the_text_column_is_named_with_its_columns() {
    let hub = Hub::serving(&Content::new(parquet_file("metin", 10)));
    assert_says(&failed(&hub.run(&[])), &["no column `text`", "year, metin", FILE]);
}

#[test]
fn renamed_data_sets_and_files_outside_large_storage_are_fetched() {
    let content = Content::new(parquet_file("text", 10));
    let bytes = content.clone();
    let hub = Hub::answering(move |request| {
        if request.path.starts_with("/datasets/") {
            return Reply::new(307).header("Location", "/api/renamed?a=b");
        }
        let name = "ab".repeat(20);
        bytes.part(request).header("X-Repo-Commit", COMMIT).header("ETag", format!("W/\"{name}\""))
    });
    // the flag goes before the variable
    let mut command =
        command(hub.home.path(), "http://127.0.0.1:1", &["--accept-licence", "--endpoint", &hub.hub.url("/")]);
    let (path, _) = succeeded(&command.env("HF_TOKEN", "hf_x").output().unwrap());
    assert_eq!(fs::read(path).unwrap(), content.bytes);
    assert!(hub.hub.requests().iter().all(|request| request.header("authorization").is_some()));
}

#[test]
fn without_network_or_cache_the_message_says_what_is_missing() {
    let hub = Hub::serving(&Content::new(parquet_file("text", 10)));
    let message = failed(&hub.run(&["--offline"]));
    assert_says(&message, &[FILE, DATASET, "main", "--offline", hub.home.path().to_str().unwrap()]);
    assert!(hub.hub.requests().is_empty());
    let Hub { hub, home, .. } = hub;
    let endpoint = hub.url("");
    drop(hub);
    let gone = command(home.path(), &endpoint, &["--accept-licence"]).output().unwrap();
    assert_says(&failed(&gone), &["cannot reach 127.0.0.1", "network"]);
    let wrong = command(home.path(), "huggingface.co", &["--accept-licence"]).output().unwrap();
    assert_says(&failed(&wrong), &["huggingface.co", "--endpoint"]);
    let flag =
        command(home.path(), "http://127.0.0.1:1", &["--accept-licence", "--revision", "../x"]).output().unwrap();
    assert_says(&failed(&flag), &["../x", "--revision"]);
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let hub = Hub::serving(&Content::new(parquet_file("text", 10)));
    let blocked = hub.home.path().join("hub");
    fs::write(&blocked, "bir dosya").unwrap();
    assert_says(&failed(&hub.run(&[])), &[blocked.to_str().unwrap(), "HF_HOME"]);
    assert!(hub.storage.requests().is_empty());
}

#[test]
fn two_processes_download_once() {
    let content = Content::new(parquet_file("text", 10));
    let hub = Hub::serving(&content);
    let blobs = hub.home.path().join(format!("hub/datasets--{}/blobs", DATASET.replace('/', "--")));
    fs::create_dir_all(&blobs).unwrap();
    // this test is the first process
    let lock = fs::File::create(blobs.join(format!("{}.lock", content.sha256))).unwrap();
    lock.lock().unwrap();
    let mut second = hub.command(&["--accept-licence"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let told = BufReader::new(second.stderr.take().unwrap());
    // reads up to that line and closes the pipe: that nobody listens any more is no reason to fail
    assert!(told.lines().any(|line| line.unwrap().contains("another process is downloading")));
    fs::write(blobs.join(&content.sha256), &content.bytes).unwrap();
    drop(lock);
    let (path, _) = succeeded(&second.wait_with_output().unwrap());
    assert_eq!(fs::read(path).unwrap(), content.bytes);
    assert!(hub.storage.requests().is_empty());
}

/// A limit on the size of files stands for a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_keeps_what_came_for_the_next_run() {
    let content = Content::new(parquet_file("text", 9_119));
    let hub = Hub::serving(&content);
    assert!(content.bytes.len() > 200 * 1024);
    let run = hub.command(&["--accept-licence"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""]).arg(run.get_program()).args(run.get_args());
    for (name, value) in run.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let message = failed(&limited.stdin(Stdio::null()).output().unwrap());
    assert_says(&message, &["no room", ".part", "HF_HOME"]);
    let kept = hub.cached();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let kept = fs::metadata(hub.home.path().join(&kept[0])).unwrap().len();
    assert!(kept > 0);
    let (path, _) = succeeded(&hub.run(&[]));
    assert_eq!(fs::read(path).unwrap(), content.bytes);
    assert_eq!(hub.storage.requests().last().unwrap().range(), Some((kept as usize, None)));
}

/// What a server may do with a request for bytes.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// Closes the connection after this share of the answer.
    Cut(f64),
    /// Ignores the range and closes the connection after this share of the file.
    CutWhole(f64),
    Status(u16),
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        (0.0..1.0).prop_map(Mishap::Cut),
        (0.0..1.0).prop_map(Mishap::CutWhole),
        prop::sample::select(vec![403, 408, 416, 429, 500, 502, 503, 504]).prop_map(Mishap::Status),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens on the way, and whatever an earlier attempt left: enough repetitions give the file.
    #[test]
    fn every_series_of_mishaps_ends_with_the_file(
        mishaps in prop::collection::vec(mishap(), 0..6),
        left in 0.0..1.3f64,
        knows_ranges: bool,
    ) {
        let content = Content::new(parquet_file("text", 200));
        let (bytes, count) = (content.clone(), mishaps.len());
        let share = |part: f64, of: usize| (part * of as f64) as usize;
        let hub = Hub::with(&content, move |n, request| {
            let whole = Reply::new(200).body(bytes.bytes.clone());
            let reply = if knows_ranges { bytes.part(request) } else { whole.clone() };
            match mishaps.get(n) {
                None => reply,
                Some(&Mishap::Cut(part)) => { let at = share(part, reply.len()); reply.cut(at) }
                Some(&Mishap::CutWhole(part)) => { let at = share(part, whole.len()); whole.cut(at) }
                Some(&Mishap::Status(status)) => Reply::new(status),
            }
        });
        let options = HubOptions {
            kind: hub::RepoKind::Dataset,
            repository: DATASET.into(),
            file: FILE.into(),
            revision: "main".into(),
            endpoint: hub.hub.url(""),
            cache: hub.home.path().join("hub"),
            token: Some(Token { secret: "hf_x".into(), origin: "HF_TOKEN".into() }),
            offline: false,
            retries: count as u32,
            pause: Duration::ZERO,
        };
        let blobs = options.cache.join(format!("datasets--{}/blobs", DATASET.replace('/', "--")));
        fs::create_dir_all(&blobs).unwrap();
        let size = content.bytes.len();
        let mut part = content.bytes.clone();
        part.resize(share(left, size), 0);
        fs::write(blobs.join(format!("{}.part", content.sha256)), part).unwrap();
        let fetched = hub::fetch(&options, &mut Silent).unwrap();
        prop_assert!(fetched.downloaded);
        prop_assert_eq!(&fetched.commit, COMMIT);
        prop_assert_eq!(fs::read(&fetched.path).unwrap(), content.bytes);
        let asked = hub.storage.requests();
        prop_assert!(asked.iter().all(|request| request.header("authorization").is_none()));
    }
}
