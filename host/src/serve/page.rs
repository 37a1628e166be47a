//! The page at `/`: that of this program, which asks the server for completions and shows how their tokens were found; or the
//! files of a folder, for example the page that computes in the browser (`core/embed/page`, which needs a module of WebAssembly
//! that no program holds).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::refusal::Refusal;

/// Bytes of a folder that is served.
const MOST: u64 = 256 << 20;

/// What the page of the program may do: nothing but show itself and ask this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What a page of a folder may do beside what it says itself.
const POLICY_OF_FOLDERS: &str = "frame-ancestors 'none'";

/// Files by their address.
#[derive(Clone, Debug)]
pub struct Page {
    files: BTreeMap<String, Bytes>,
    policy: &'static str,
}

impl Page {
    /// The page of the program.
    pub fn built_in() -> Self {
        let files: [(&str, &'static str); 3] = [
            ("/", include_str!("page/index.html")),
            ("/page.css", include_str!("page/page.css")),
            ("/page.js", include_str!("page/page.js")),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), Bytes::from_static(text.as_bytes())));
        Self { files: files.into(), policy: POLICY }
    }

    /// The files of a folder, not of those in it; they are read now and kept.
    ///
    /// # Errors
    ///
    /// A folder without `index.html`, with too much in it, or with files that cannot be read.
    pub fn folder(folder: &Path) -> Result<Self> {
        let name = || folder.display().to_string();
        let (mut files, mut bytes) = (BTreeMap::new(), 0);
        for entry in fs::read_dir(folder).with_context(name)? {
            let path = entry.with_context(name)?.path();
            let Some(file) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let about = fs::metadata(&path).with_context(|| path.display().to_string())?;
            if !about.is_file() || file.starts_with('.') {
                continue;
            }
            bytes += about.len();
            if bytes > MOST {
                bail!("--page {}: a page of more than {} MiB is not served", name(), MOST >> 20);
            }
            let content = Bytes::from(fs::read(&path).with_context(|| path.display().to_string())?);
            if file == "index.html" {
                files.insert(String::from("/"), content.clone());
            }
            files.insert(format!("/{file}"), content);
        }
        if !files.contains_key("/") {
            bail!("--page {}: there is no index.html in it", name());
        }
        Ok(Self { files, policy: POLICY_OF_FOLDERS })
    }

    /// Whether there is a file at an address.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The file at an address.
    pub fn file(&self, path: &str) -> Response {
        let Some(content) = self.files.get(path) else {
            return Refusal::of(StatusCode::NOT_FOUND, "there is nothing at this address").into_response();
        };
        let kind = match path.rsplit_once('.').map_or("html", |(_, extension)| extension) {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "json" => "application/json",
            "wasm" => "application/wasm",
            "svg" => "image/svg+xml",
            _ => "application/octet-stream",
        };
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, self.policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        (headers, content.clone()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_served_flat_and_needs_an_index() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.wasm"), "x").unwrap();
        assert!(Page::folder(folder.path()).unwrap_err().to_string().contains("no index.html"));
        fs::write(folder.path().join("index.html"), "y").unwrap();
        fs::write(folder.path().join(".secret"), "z").unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(folder.path().join("deep/b.js"), "z").unwrap();
        let page = Page::folder(folder.path()).unwrap();
        let found =
            ["/", "/index.html", "/a.wasm", "/.secret", "/deep/b.js", "/../a.wasm", "/b.js"].map(|path| page.has(path));
        assert_eq!(found, [true, true, true, false, false, false, false]);
        assert_eq!(page.file("/a.wasm").headers()[header::CONTENT_TYPE], "application/wasm");
        assert_eq!(page.file("/deep/b.js").status(), StatusCode::NOT_FOUND);
    }
}
