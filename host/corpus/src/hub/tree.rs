//! Which files a repository holds, at which commit, under which licence.

use std::io::Read;

use anyhow::{Context, anyhow};
use glob::{MatchOptions, Pattern};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{Answer, host};
use super::client::Client;
use super::failure::{self, Failure};
use super::options::{HubOptions, is_commit};

/// The files of a repository at a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The commit that the revision stands for.
    pub commit: String,
    /// The licence that the card of the repository names.
    pub licence: Option<String>,
    /// All files below the folder that was asked for, in the order of their paths.
    pub files: Vec<ListedFile>,
}

/// A file of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFile {
    /// Its path in the repository.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Bytes of the longest answer that is read.
const LONGEST_ANSWER: u64 = 64 << 20;
/// Files of the longest listing.
const MOST_FILES: usize = 1_000_000;

/// The commit of a revision, and the licence of its card.
///
/// # Errors
///
/// No answer, a refusal, an answer that is not the hub's.
pub fn describe(client: &Client, options: &HubOptions) -> Result<Listing, Failure> {
    let (value, answer) = json(client, options, &client.interface("revision", ""))?;
    let commit = value["sha"].as_str().unwrap_or_default();
    if !is_commit(commit) {
        return Err(
            anyhow!("{} does not answer like the hub: no commit (`sha`); check HF_ENDPOINT", host(&answer)).into()
        );
    }
    Ok(Listing { commit: commit.to_owned(), licence: licence(&value), files: Vec::new() })
}

/// The files of the commit `options` name, below the folder that their path begins with, page by page.
///
/// # Errors
///
/// As [`describe`].
pub fn files(client: &Client, options: &HubOptions) -> Result<Vec<ListedFile>, Failure> {
    let mut url = client.interface("tree", folder(&options.file)) + "?recursive=true&expand=false";
    let mut files = Vec::new();
    loop {
        let answer = ask(client, options, &url)?;
        let next = answer.header("link").and_then(next_page).map(str::to_owned);
        let next = next.map(|link| answer.absolute(&link)).transpose()?;
        let (value, at) = body(answer)?;
        let page: Vec<Entry> = serde_json::from_value(value)
            .with_context(|| format!("{} does not list files like the hub; check HF_ENDPOINT", host(&at)))?;
        let found = page.into_iter().filter(|entry| entry.kind == "file");
        files.extend(found.map(|entry| ListedFile { path: entry.path, size: entry.size }));
        if files.len() > MOST_FILES {
            return Err(anyhow!("{} has more than {MOST_FILES} files there", options.name()).into());
        }
        match next {
            Some(next) if next != url => url = next,
            Some(_) => return Err(anyhow!("{} lists files in a circle", host(&url)).into()),
            None => break,
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// One line of a page.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
}

fn ask(client: &Client, options: &HubOptions, url: &str) -> Result<Answer, Failure> {
    let answer = client.get(url, None, |_| false)?;
    if answer.is_web_page() && answer.status == 200 {
        return Err(failure::web_page(&answer.url, options).into());
    }
    match answer.status {
        200 => Ok(answer),
        _ => Err(failure::refused(&answer, client.is_endpoint(&answer.url), options)),
    }
}

fn json(client: &Client, options: &HubOptions, url: &str) -> Result<(Value, String), Failure> {
    body(ask(client, options, url)?)
}

/// The body of an answer as JSON, and the address that it came from.
fn body(answer: Answer) -> Result<(Value, String), Failure> {
    let mut bytes = Vec::new();
    let read = answer.body.take(LONGEST_ANSWER).read_to_end(&mut bytes);
    let broken = |why: String| Failure::passing(anyhow!("the answer of {} broke off ({why})", host(&answer.url)));
    read.map_err(|error| broken(error.to_string()))?;
    let value = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
    Ok((value, answer.url))
}

/// The address behind `rel="next"` in a `Link` header (RFC 8288).
fn next_page(link: &str) -> Option<&str> {
    let mut rest = link;
    while let Some((_, from)) = rest.split_once('<') {
        let (address, after) = from.split_once('>')?;
        let own = after.split('<').next().unwrap_or_default();
        if own.split([';', ',']).any(|part| matches!(part.trim(), "rel=\"next\"" | "rel=next")) {
            return Some(address);
        }
        rest = after;
    }
    None
}

/// The licence in what the hub says about a repository: that of the card, with the name that stands for `other`; else
/// that of its tags.
fn licence(value: &Value) -> Option<String> {
    let card = &value["cardData"];
    let named = |key: &str| match &card[key] {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Array(all) => {
            let all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
            Some(all.join(", ")).filter(|text| !text.is_empty())
        }
        _ => None,
    };
    let of_tags = || {
        let tags = value["tags"].as_array()?;
        tags.iter().filter_map(Value::as_str).find_map(|tag| tag.strip_prefix("license:")).map(str::to_owned)
    };
    match named("license") {
        Some(other) if other == "other" => Some(named("license_name").unwrap_or(other)),
        Some(licence) => Some(licence),
        None => of_tags(),
    }
}

/// The steps of a path before the first that is a pattern, and before its last.
pub(super) fn folder(path: &str) -> &str {
    let pattern = path.find(['*', '?', '[']).unwrap_or(path.len());
    path[..pattern].rfind('/').map_or("", |slash| &path[..slash])
}

/// The files that `path` means: the one called so, else those below the folder called so, else those that match it as a
/// glob, whose `*` stays in a folder and whose `**` does not. What is hidden is meant by its own name alone.
///
/// # Errors
///
/// What is neither a name nor a pattern, and what means nothing; the message names some of what there is.
pub fn matching<'l>(listing: &'l Listing, options: &HubOptions) -> anyhow::Result<Vec<&'l ListedFile>> {
    let path = &options.file;
    if let Some(file) = listing.files.iter().find(|file| file.path == *path) {
        return Ok(vec![file]);
    }
    let pattern = Pattern::new(path).with_context(|| format!("{path} is not a pattern of names"))?;
    let how = MatchOptions { require_literal_separator: true, require_literal_leading_dot: true, ..Default::default() };
    let below = format!("{}/", path.trim_end_matches('/'));
    let hidden = |rest: &str| rest.split('/').any(|step| step.starts_with('.'));
    let meant = |file: &&ListedFile| match file.path.strip_prefix(&below) {
        Some(rest) => !hidden(rest),
        None => pattern.matches_with(&file.path, how),
    };
    let found: Vec<&ListedFile> = listing.files.iter().filter(meant).collect();
    if found.is_empty() {
        let some: Vec<&str> = listing.files.iter().take(10).map(|file| file.path.as_str()).collect();
        let there = match (some.len(), listing.files.len()) {
            (0, _) => String::from("nothing"),
            (few, all) => format!("{}{}", some.join(", "), if all > few { ", ..." } else { "" }),
        };
        return Err(anyhow!("{} means no file; there is {there}", options.name()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_next_page_is_found_among_other_links() {
        let link = "<https://h/a?c=1>; rel=\"prev\", <https://h/b?c=2>; rel=\"next\"; x=1";
        assert_eq!(next_page(link), Some("https://h/b?c=2"));
        for none in ["", "<https://h/a>; rel=\"prev\"", "<https://h/a", "rel=\"next\""] {
            assert_eq!(next_page(none), None, "{none}");
        }
    }

    #[test]
    fn a_licence_is_that_of_the_card_else_of_the_tags() {
        for (value, expected) in [
            (json!({"cardData": {"license": "cc-by-4.0"}, "tags": ["license:mit"]}), Some("cc-by-4.0")),
            (json!({"cardData": {"license": ["mit", "cc0-1.0"]}}), Some("mit, cc0-1.0")),
            (json!({"cardData": {"license": "other", "license_name": "akademik"}}), Some("akademik")),
            (json!({"cardData": {}, "tags": ["a", "license:mit"]}), Some("mit")),
            (json!({"cardData": null}), None),
        ] {
            assert_eq!(licence(&value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn the_folder_of_a_pattern_is_what_stands_before_it() {
        for (path, expected) in
            [("a/b/*.parquet", "a/b"), ("*", ""), ("a/b", "a"), ("a/b*/c/d", "a"), ("data/**/x", "data"), ("x", "")]
        {
            assert_eq!(folder(path), expected, "{path}");
        }
    }
}
