//! Requests to the hub and to the hosts it redirects to.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use anyhow::anyhow;
use ureq::Agent;

use super::answer::{Answer, host, origin};
use super::failure::{self, Failure};
use super::options::HubOptions;

/// Sends requests, by way of the proxy that the environment names. The token goes to addresses of the endpoint alone:
/// same scheme, host and port.
pub struct Client {
    agent: Agent,
    /// What is said with a request to the endpoint, if there is a token.
    authorization: Option<String>,
    endpoint: String,
    /// Where the files of the revision lie.
    files: String,
    /// Where the hub tells about the repository.
    repository: String,
    /// The revision as one step of an address.
    revision: String,
}

const MOST_REDIRECTS: usize = 10;
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// Longest silence of a server.
const HEAR_WITHIN: Duration = Duration::from_secs(60);

impl Client {
    /// A client for the endpoint of `options`.
    pub fn new(options: &HubOptions) -> Self {
        let config = Agent::config_builder()
            .user_agent(concat!("ebt/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_per_read(Some(HEAR_WITHIN))
            .timeout_per_write(Some(HEAR_WITHIN));
        let endpoint = options.endpoint.trim_end_matches('/').to_owned();
        // the revision is one step of the address
        let revision = options.revision.replace('/', "%2F");
        let (kind, repository) = (options.kind, &options.repository);
        let files = format!("{endpoint}/{}{repository}/resolve/{revision}", kind.prefix());
        let repository = format!("{endpoint}/api/{}/{repository}", kind.plural());
        let authorization = options.token.as_ref().map(|token| format!("Bearer {}", token.secret));
        Self { agent: config.build().into(), authorization, endpoint, files, repository, revision }
    }

    /// The hub's address of a file.
    pub fn url(&self, file: &str) -> String {
        format!("{}/{}", self.files, encoded(file))
    }

    /// The hub's address of what it tells, `tree` or `revision`, about a path of the repository.
    pub fn interface(&self, what: &str, path: &str) -> String {
        let slash = if path.is_empty() { "" } else { "/" };
        format!("{}/{what}/{}{slash}{}", self.repository, self.revision, encoded(path))
    }

    /// Asks `url` for a range of bytes, or for all. Redirects are followed, until `enough` is content with one.
    ///
    /// # Errors
    ///
    /// No answer, too many redirects, a redirect to nowhere. Any status is an answer.
    pub fn get(&self, url: &str, range: Option<&str>, enough: impl Fn(&Answer) -> bool) -> Result<Answer, Failure> {
        let mut url = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.get_once(&url, range).map_err(|error| failure::unreachable(host(&url), &error))?;
            if !answer.is_redirect() || enough(&answer) {
                return Ok(answer);
            }
            url = answer.target()?;
        }
        Err(anyhow!("{} redirects in a circle: more than {MOST_REDIRECTS} redirects", host(&url)).into())
    }

    /// One request, no redirect.
    fn get_once(&self, url: &str, range: Option<&str>) -> io::Result<Answer> {
        let mut request = self.agent.get(url).header("Accept-Encoding", "identity");
        if let Some(range) = range {
            request = request.header("Range", range);
        }
        if let Some(authorization) = self.authorization.as_ref().filter(|_| self.is_endpoint(url)) {
            request = request.header("Authorization", authorization);
        }
        let response = request.call().map_err(|error| error.into_io())?;
        let mut headers = HashMap::new();
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
            headers.entry(name.as_str().to_ascii_lowercase()).or_insert(value);
        }
        let (url, status) = (url.to_owned(), response.status().as_u16());
        let (_, body) = response.into_parts();
        Ok(Answer { url, status, headers, body: Box::new(body.into_reader()) })
    }

    /// Whether an address belongs to the hub itself.
    pub fn is_endpoint(&self, url: &str) -> bool {
        origin(url).eq_ignore_ascii_case(origin(&self.endpoint))
    }
}

/// A path with everything escaped that means something else in an address.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b'+' | b'@' | b'=' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_are_escaped_for_addresses() {
        assert_eq!(super::encoded("a b/ç?#%.txt"), "a%20b/%C3%A7%3F%23%25.txt");
        assert_eq!(super::encoded("data/train-00000-of-00001.parquet"), "data/train-00000-of-00001.parquet");
    }
}
