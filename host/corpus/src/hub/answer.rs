//! What a server sent, and the addresses that it names.

use std::collections::HashMap;
use std::io::Read;

use anyhow::anyhow;

/// What a server sent.
pub struct Answer {
    /// The address that answered.
    pub url: String,
    /// Status code of HTTP, that of a redirect or an error included.
    pub status: u16,
    /// By lower-case name, the first of each.
    pub headers: HashMap<String, String>,
    /// The body, not decoded; reading fails when the connection breaks before its announced end.
    pub body: Box<dyn Read>,
}

impl Answer {
    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether the server names another address.
    pub fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }

    /// The address that a redirect names.
    pub fn target(&self) -> anyhow::Result<String> {
        let location = self
            .header("location")
            .ok_or_else(|| anyhow!("{} redirects ({}) without saying where to", host(&self.url), self.status))?;
        self.absolute(location)
    }

    /// The address that `location`, read in this answer, means.
    pub fn absolute(&self, location: &str) -> anyhow::Result<String> {
        join(&self.url, location)
            .ok_or_else(|| anyhow!("{} leads to {location:?}, which is no web address", host(&self.url)))
    }

    /// Whether a web page came instead of a file.
    pub fn is_web_page(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"))
    }
}

/// The host and port of an address, for a message.
pub fn host(url: &str) -> &str {
    let origin = origin(url);
    origin.split_once("://").map_or(origin, |(_, host)| host)
}

/// Scheme, host and port of an address.
pub fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + "://".len());
    let end = url[start..].find(['/', '?', '#', '\\']).map_or(url.len(), |at| start + at);
    &url[..end]
}

/// The address that `location`, met at `base`, means (RFC 3986, section 5.2, without the removal of dots); `None` for
/// other schemes than HTTP.
fn join(base: &str, location: &str) -> Option<String> {
    let location = location.split('#').next().unwrap_or_default();
    let origin = origin(base);
    let path = base[origin.len()..].split(['?', '#']).next().unwrap_or_default();
    let scheme = origin.split("://").next()?;
    let lower = location.to_ascii_lowercase();
    let joined = if lower.starts_with("http://") || lower.starts_with("https://") {
        location.to_owned()
    } else if location.is_empty() || lower.split(['/', '?']).next().is_some_and(|first| first.contains(':')) {
        return None;
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{origin}{location}")
    } else if location.starts_with('?') {
        format!("{origin}{path}{location}")
    } else {
        let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
        format!("{origin}{folder}{location}")
    };
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_relative_to_their_base() {
        let base = "https://hub.co:8443/a/b?x=1/2";
        for (location, expected) in [
            ("http://cdn.org/f?k=v", "http://cdn.org/f?k=v"),
            ("HTTPS://cdn.org/f#g", "HTTPS://cdn.org/f"),
            ("//cdn.org/f", "https://cdn.org/f"),
            ("/c/d", "https://hub.co:8443/c/d"),
            ("c/d", "https://hub.co:8443/a/c/d"),
            ("?y=2", "https://hub.co:8443/a/b?y=2"),
            ("c?u=http://e.f", "https://hub.co:8443/a/c?u=http://e.f"),
        ] {
            assert_eq!(join(base, location).as_deref(), Some(expected), "{location}");
        }
        assert_eq!(join("http://h", "f").as_deref(), Some("http://h/f"));
        for foreign in ["ftp://a/b", "file:///etc/passwd", "javascript:x", "", "#teil"] {
            assert_eq!(join(base, foreign), None, "{foreign}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(origin("https://hub.co/a"), "https://hub.co");
        assert_eq!(origin("https://hub.co?a"), "https://hub.co");
        assert_eq!(origin("http://hub.co:80"), "http://hub.co:80");
        // not the hub, however much they look like it
        for other in ["https://hub.co@evil.org/a", "https://hub.co.evil.org/", "http://hub.co/", "https://hub.co:1/"] {
            assert_ne!(origin(other), "https://hub.co");
        }
        assert_eq!(host("https://hub.co:1/a"), "hub.co:1");
    }
}
