//! A repository of the hub: what it tells about itself, the pages of its files, and their bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::server::{Reply, Request, Server};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const LATER_COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";

#[derive(Clone)]
pub struct Repository {
    kind: &'static str,
    name: &'static str,
    commit: &'static str,
    licence: Option<&'static str>,
    files: BTreeMap<String, Vec<u8>>,
    damaged: BTreeSet<String>,
}

impl Repository {
    /// An empty repository of `models` or `datasets`.
    pub fn new(kind: &'static str, name: &'static str, commit: &'static str) -> Self {
        Self { kind, name, commit, licence: None, files: BTreeMap::new(), damaged: BTreeSet::new() }
    }

    pub fn licence(self, licence: &'static str) -> Self {
        Self { licence: Some(licence), ..self }
    }

    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.to_owned(), bytes.into());
        self
    }

    /// Sends other bytes of a file than those that it announces.
    pub fn damaged(mut self, path: &str) -> Self {
        self.damaged.insert(path.to_owned());
        self
    }

    /// A server of it that lists `page` entries at a time.
    pub fn serve(self, page: usize) -> Server {
        Server::start(move |_, request| self.answer(request, page))
    }

    fn roots(&self) -> (String, String) {
        let prefix = if self.kind == "models" { "" } else { "/datasets" };
        (format!("/api/{}/{}/", self.kind, self.name), format!("{prefix}/{}/resolve/", self.name))
    }

    /// Whether a request is for this repository.
    pub fn owns(&self, request: &Request) -> bool {
        let (interface, files) = self.roots();
        request.path.starts_with(&interface) || request.path.starts_with(&files)
    }

    pub fn answer(&self, request: &Request, page: usize) -> Reply {
        let (interface, files) = self.roots();
        let missing = |code: &str| Reply::new(404).header("X-Error-Code", code);
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let known = |revision: &str| revision == "main" || revision == self.commit;
        if let Some(rest) = path.strip_prefix(&interface) {
            let (what, rest) = rest.split_once('/').unwrap();
            let (revision, folder) = rest.split_once('/').unwrap_or((rest, ""));
            return match (what, known(revision)) {
                (_, false) => missing("RevisionNotFound"),
                ("revision", _) => self.description(),
                _ => self.page(&interface, folder, query, page),
            };
        }
        let Some(rest) = path.strip_prefix(&files) else { return missing("RepoNotFound") };
        let (revision, file) = rest.split_once('/').unwrap();
        let file = file.replace("%20", " ");
        match (known(revision), self.files.get(&file)) {
            (false, _) => missing("RevisionNotFound"),
            (_, None) => missing("EntryNotFound"),
            (true, Some(bytes)) => self.bytes(request, &file, bytes),
        }
    }

    fn description(&self) -> Reply {
        let card = self.licence.map_or(serde_json::json!({}), |licence| serde_json::json!({ "license": licence }));
        let value = serde_json::json!({ "id": self.name, "sha": self.commit, "cardData": card, "gated": false });
        Reply::new(200).header("Content-Type", "application/json").body(value.to_string().into_bytes())
    }

    /// Files and folders below a folder, from the cursor on.
    fn page(&self, interface: &str, folder: &str, query: &str, page: usize) -> Reply {
        let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut entries = Vec::new();
        for (path, bytes) in self.files.iter().filter(|(path, _)| path.starts_with(&below)) {
            entries.push(serde_json::json!({ "type": "file", "oid": "0", "size": bytes.len(), "path": path }));
        }
        let folders: BTreeSet<&str> = self
            .files
            .keys()
            .filter(|path| path.starts_with(&below))
            .filter_map(|path| path.rsplit_once('/').map(|(f, _)| f))
            .collect();
        let inner = folders.into_iter().filter(|inner| *inner != folder);
        entries
            .extend(inner.map(|path| serde_json::json!({ "type": "directory", "oid": "0", "size": 0, "path": path })));
        if entries.is_empty() {
            return Reply::new(404).header("X-Error-Code", "EntryNotFound");
        }
        let from = query.split("cursor=").nth(1).map_or(0, |cursor| cursor.parse().unwrap());
        let to = entries.len().min(from + page);
        let reply = Reply::new(200).body(serde_json::to_vec(&entries[from..to]).unwrap());
        if to == entries.len() {
            return reply;
        }
        let slash = if folder.is_empty() { "" } else { "/" };
        let next = format!("{interface}tree/{}{slash}{folder}?recursive=true&cursor={to}", self.commit);
        reply.header("Link", format!("<{next}>; rel=\"next\""))
    }

    fn bytes(&self, request: &Request, file: &str, bytes: &[u8]) -> Reply {
        let (first, last) = request.range().unwrap_or((0, None));
        let size = bytes.len();
        let end = last.map_or(size, |last| (last + 1).min(size));
        if first >= end {
            return Reply::new(416).header("Content-Range", format!("bytes */{size}"));
        }
        let digest: String = hmac_sha256::Hash::hash(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut part = bytes[first..end].to_vec();
        if self.damaged.contains(file) {
            part.iter_mut().for_each(|byte| *byte ^= 1);
        }
        Reply::new(206)
            .header("Content-Range", format!("bytes {first}-{}/{size}", end - 1))
            .header("X-Repo-Commit", self.commit)
            .header("ETag", format!("\"{digest}\""))
            .body(part)
    }
}
