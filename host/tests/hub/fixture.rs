//! A data set, its hub and its storage host.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use super::server::{Reply, Request, Server};

pub const FILE: &str = "data/train-00000-of-00001.parquet";
pub const DATASET: &str = "selimfirat/bilkent-turkish-writings-dataset";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const LATER_COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// A Parquet file of documents in one column.
pub fn parquet_file(column: &str, documents: usize) -> Vec<u8> {
    let text = (0..documents).map(|i| format!("{i}. yazı: Işık ağır ağır söndü, çocuk ölçüyü şaşırdı. {}", i * 7919));
    let text: ArrayRef = Arc::new(StringArray::from_iter_values(text));
    let year: ArrayRef = Arc::new(Int64Array::from_iter_values((0..documents as i64).map(|i| 2014 + i % 11)));
    let batch = RecordBatch::try_from_iter([("year", year), (column, text)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

pub fn sha256(bytes: &[u8]) -> String {
    hmac_sha256::Hash::hash(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file on the hub.
#[derive(Clone)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub sha256: String,
    pub commit: &'static str,
}

impl Content {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { sha256: sha256(&bytes), bytes, commit: COMMIT }
    }

    /// The hub's answer: a description, and the address of the bytes.
    pub fn description(&self, location: &str) -> Reply {
        Reply::new(302)
            .header("Location", location)
            .header("X-Repo-Commit", self.commit)
            .header("X-Linked-Etag", format!("\"{}\"", self.sha256))
            .header("X-Linked-Size", self.bytes.len())
            .header("ETag", "\"redirect\"")
    }

    /// The storage's answer: the bytes asked for.
    pub fn part(&self, request: &Request) -> Reply {
        let (first, last) = request.range().unwrap_or((0, None));
        let size = self.bytes.len();
        let end = last.map_or(size, |last| (last + 1).min(size));
        if first >= end {
            return Reply::new(416).header("Content-Range", format!("bytes */{size}"));
        }
        Reply::new(206)
            .header("Content-Range", format!("bytes {first}-{}/{size}", end - 1))
            .header("Content-Type", "application/octet-stream")
            .body(self.bytes[first..end].to_vec())
    }
}

pub fn resolve_path(revision: &str) -> String {
    format!("/datasets/{DATASET}/resolve/{revision}/{FILE}")
}

/// A hub and its storage host.
pub struct Hub {
    pub hub: Server,
    pub storage: Server,
    pub home: tempfile::TempDir,
}

impl Hub {
    /// A hub whose storage answers the `n`-th request for bytes with `storage(n, request)`.
    pub fn with(content: &Content, storage: impl Fn(usize, &Request) -> Reply + Send + 'static) -> Self {
        let storage = Server::start(storage);
        let (content, location) = (content.clone(), storage.url("/blobs/1?Signature=gizli%2F"));
        let hub = Server::start(move |_, request| {
            let known = [resolve_path("main"), resolve_path(content.commit), resolve_path("refs%2Fpr%2F1")];
            if known.contains(&request.path) {
                content.description(&location)
            } else {
                Reply::new(404).header("X-Error-Code", "RevisionNotFound")
            }
        });
        Self { hub, storage, home: tempfile::tempdir().unwrap() }
    }

    pub fn serving(content: &Content) -> Self {
        let bytes = content.clone();
        Self::with(content, move |_, request| bytes.part(request))
    }

    /// A hub that answers all requests the same.
    pub fn answering(reply: impl Fn(&Request) -> Reply + Send + 'static) -> Self {
        let hub = Server::start(move |_, request| reply(request));
        Self { hub, storage: Server::start(|_, _| Reply::new(500)), home: tempfile::tempdir().unwrap() }
    }

    pub fn command(&self, more: &[&str]) -> Command {
        command(self.home.path(), &self.hub.url(""), more)
    }

    /// Runs the command with the licence accepted.
    pub fn run(&self, more: &[&str]) -> Output {
        self.command(&[&["--accept-licence"], more].concat()).output().unwrap()
    }

    /// Files of the cache, links as `PATH -> TARGET`.
    pub fn cached(&self) -> Vec<String> {
        let mut found = Vec::new();
        list(self.home.path(), self.home.path(), &mut found);
        found.sort();
        found
    }
}

fn list(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if let Ok(target) = fs::read_link(&path) {
            found.push(format!("{name} -> {}", target.display()));
        } else if path.is_dir() {
            list(root, &path, found);
        } else if path.extension().is_none_or(|extension| extension != "lock") {
            found.push(name);
        }
    }
}

pub fn command(home: &Path, endpoint: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ebt"));
    for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"] {
        command.env_remove(name);
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env("HF_HOME", home).env("HF_ENDPOINT", endpoint).stdin(Stdio::null());
    command.args(["data", "bilkent", "--download-only", "--retries", "0"]).args(more);
    command
}
