//! What the hub says about a file: its commit, size and digest, and where its bytes lie.

use anyhow::anyhow;

use super::answer::{Answer, host};
use super::client::Client;
use super::failure::{self, Failure};
use super::options::{HubOptions, is_commit};

/// A file as the hub describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Commit that the revision stands for, 40 hexadecimal digits.
    pub commit: String,
    /// Name of the content: SHA-256 for files in large-file storage, Git's blob name for others.
    pub etag: String,
    /// Size in bytes, where the hub says it.
    pub size: Option<u64>,
    /// Address of the bytes; good for some minutes.
    pub location: String,
}

impl RemoteFile {
    /// The SHA-256 of the content in lower-case hexadecimal digits, where the hub says it.
    pub fn sha256(&self) -> Option<String> {
        let digest = self.etag.len() == 64 && self.etag.bytes().all(|b| b.is_ascii_hexdigit());
        digest.then(|| self.etag.to_ascii_lowercase())
    }
}

/// Asks the hub about a file.
///
/// # Errors
///
/// No answer, a refusal, an answer that is not the hub's.
pub fn resolve(client: &Client, options: &HubOptions) -> Result<RemoteFile, Failure> {
    let url = client.url(&options.file);
    // the hub redirects to its storage with a description; redirects without one are followed to it
    let described = |answer: &Answer| {
        let here = answer.target().is_ok_and(|target| client.is_endpoint(&target));
        let name = if here { answer.header("x-linked-etag") } else { etag_of(answer) };
        answer.header("x-repo-commit").is_some() && name.is_some()
    };
    let answer = client.get(&url, Some("bytes=0-0"), described)?;
    if !answer.is_redirect() && !matches!(answer.status, 200 | 206) {
        return Err(failure::refused(&answer, client.is_endpoint(&answer.url), options));
    }
    let (Some(commit), Some(etag)) = (answer.header("x-repo-commit"), etag_of(&answer)) else {
        if answer.is_web_page() {
            return Err(failure::web_page(&answer.url, options).into());
        }
        let host = host(&answer.url);
        return Err(
            anyhow!("{host} does not answer like the hub: no X-Repo-Commit or no ETag; check --endpoint").into()
        );
    };
    let etag = etag.trim_start_matches("W/").trim_matches('"');
    // both become names of files
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if !is_commit(commit) || etag.is_empty() || etag.len() > 128 || !etag.bytes().all(plain) {
        let host = host(&answer.url);
        return Err(anyhow!("{host} does not answer like the hub: commit {commit:?}, ETag {etag:?}").into());
    }
    let location = if answer.is_redirect() { answer.target()? } else { answer.url.clone() };
    Ok(RemoteFile { commit: commit.to_owned(), etag: etag.to_owned(), size: size_of(&answer), location })
}

/// The name of the content; that of what a redirect leads to goes first.
fn etag_of(answer: &Answer) -> Option<&str> {
    answer.header("x-linked-etag").or_else(|| answer.header("etag"))
}

/// The size of the whole file.
fn size_of(answer: &Answer) -> Option<u64> {
    let number = |name: &str| answer.header(name).and_then(|text| text.parse().ok());
    match answer.status {
        200 => number("x-linked-size").or_else(|| number("content-length")),
        206 => number("x-linked-size").or_else(|| content_range(answer).and_then(|range| range.total)),
        _ => number("x-linked-size"),
    }
}

/// The part of a file that an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// Offset of its first byte in the file, from 0.
    pub first: u64,
    /// Bytes of the whole file, where they are known.
    pub total: Option<u64>,
}

/// Reads `Content-Range: bytes FIRST-LAST/TOTAL`.
pub fn content_range(answer: &Answer) -> Option<ContentRange> {
    parse_content_range(answer.header("content-range")?)
}

fn parse_content_range(text: &str) -> Option<ContentRange> {
    let (range, total) = text.strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total: Option<u64> = if total.trim() == "*" { None } else { Some(total.trim().parse().ok()?) };
    (first <= last && total.is_none_or(|total| last < total)).then_some(ContentRange { first, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_or_refused() {
        let range = |first, total| Some(ContentRange { first, total });
        assert_eq!(parse_content_range("bytes 0-0/7"), range(0, Some(7)));
        assert_eq!(parse_content_range("bytes 3-6/7"), range(3, Some(7)));
        assert_eq!(parse_content_range("bytes 3-6/*"), range(3, None));
        for bad in ["bytes */7", "bytes 3-2/7", "bytes 3-7/7", "3-6/7", "bytes 3/7", "bytes a-b/c", "", "bytes -1-6/7"]
        {
            assert_eq!(parse_content_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_64_hexadecimal_digits_are_a_sha256() {
        let file =
            |etag: &str| RemoteFile { commit: String::new(), etag: etag.into(), size: None, location: String::new() };
        assert_eq!(file(&"AB".repeat(32)).sha256(), Some("ab".repeat(32)));
        assert_eq!(file(&"ab".repeat(20)).sha256(), None);
        assert_eq!(file(&"xy".repeat(32)).sha256(), None);
    }
}
