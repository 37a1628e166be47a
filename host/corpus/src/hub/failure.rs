//! What may go wrong between here and the hub, in sentences, and what may help.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Error, anyhow};
use ebt_data::progress::{Progress, clock};

use super::answer::{Answer, host};
use super::options::HubOptions;

/// A failure and what may help.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong, in sentences for the user.
    pub error: Error,
    /// What may help.
    pub remedy: Remedy,
}

/// What may help against a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing that this program can do.
    None,
    /// To ask again, after this time at least; else a copy from the cache.
    Again(Duration),
    /// A copy from the cache.
    Cache,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, remedy: Remedy::None }
    }
}

impl Failure {
    /// A failure that may pass.
    pub fn passing(error: Error) -> Self {
        Self { error, remedy: Remedy::Again(Duration::ZERO) }
    }
}

/// Longest time that a server may make us wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Repeats `attempt` as long as that may help: [`HubOptions::retries`] times after the last time that `reached` (bytes
/// got so far) rose above all before. The attempt learns whether it is a repetition.
pub fn persist<T>(
    options: &HubOptions,
    progress: &mut dyn Progress,
    reached: impl Fn() -> u64,
    mut attempt: impl FnMut(bool, &mut dyn Progress) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (mut best, mut tried, mut again) = (reached(), 0, false);
    loop {
        let failure = match attempt(again, progress) {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let Remedy::Again(at_least) = failure.remedy else { return Err(failure) };
        let now = reached();
        if now > best {
            (best, tried) = (now, 0);
        }
        if tried >= options.retries {
            let hint = if now > 0 { " to go on where it broke off" } else { " later" };
            return Err(Failure { error: anyhow!("{:#}; run the command again{hint}", failure.error), ..failure });
        }
        let pause = options.pause.saturating_mul(1 << tried.min(10)).max(at_least).min(LONGEST_PAUSE);
        tried += 1;
        again = true;
        let wait =
            if pause < Duration::from_secs(1) { String::new() } else { format!(" in {}", clock(pause.as_secs_f64())) };
        progress.note(&format!("{:#}; trying again{wait} ({tried} of {})", failure.error, options.retries));
        thread::sleep(pause);
    }
}

/// No answer came from `host`.
///
/// The cause goes into the sentence and not into the chain of causes, where an `io::Error` would be taken for one of
/// our own output.
pub fn unreachable(host: &str, cause: &io::Error) -> Failure {
    use io::ErrorKind as Kind;
    let text = cause.to_string();
    let passing = matches!(
        cause.kind(),
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::UnexpectedEof | Kind::BrokenPipe | Kind::TimedOut
    ) || text.starts_with("timeout");
    let error = anyhow!("cannot reach {host} ({text}); check the network, HTTPS_PROXY and the endpoint");
    Failure { error, remedy: if passing { Remedy::Again(Duration::ZERO) } else { Remedy::Cache } }
}

/// An answer that is neither file nor redirect; `of_hub` when the hub itself gave it, and not a host that it redirects to.
pub fn refused(answer: &Answer, of_hub: bool, options: &HubOptions) -> Failure {
    let (host, status) = (host(&answer.url), answer.status);
    let said = said(answer);
    let passing = |error| {
        let seconds = answer.header("retry-after").and_then(|text| text.parse().ok()).unwrap_or(0);
        Failure { error, remedy: Remedy::Again(Duration::from_secs(seconds)) }
    };
    if matches!(status, 408 | 425 | 429 | 500..=599) {
        let why = if status == 429 { "too many requests" } else { "a failure over there" };
        return passing(anyhow!("{host} answers {status}{said}: {why}"));
    }
    if !of_hub {
        // its addresses are good for a while only; the next attempt asks the hub for a new one
        return passing(anyhow!("the storage host {host} refuses {} ({status}{said})", options.file));
    }
    let (what, repository) = (options.kind.what(), &options.repository);
    let error = match (status, answer.header("x-error-code").unwrap_or_default(), &options.token) {
        (401 | 403, "GatedRepo", _) => anyhow!(
            "access to the {what} {repository} is given on request only ({status}{said}): ask for it at \
             {}/{}{repository}, then set HF_TOKEN to a token of your account",
            options.endpoint,
            options.kind.prefix()
        ),
        (401 | 403, _, Some(token)) => anyhow!(
            "{host} does not accept the token from {} for the {what} {repository} ({status}{said}): set HF_TOKEN to a \
             valid token that may read it",
            token.origin
        ),
        (401 | 403, _, None) => anyhow!(
            "{host} does not show the {what} {repository} without a token ({status}{said}): it is private, gated or does \
             not exist; set HF_TOKEN to a token that may read it"
        ),
        (404 | 410, "RepoNotFound", _) => anyhow!("{host} has no {what} {repository} ({status}{said})"),
        (404 | 410, "RevisionNotFound", _) => {
            anyhow!(
                "the {what} {repository} has no revision {} ({status}{said}); see --revision, or what stands behind @ in the name",
                options.revision
            )
        }
        (404 | 410, "EntryNotFound", _) => anyhow!(
            "the {what} {repository} has no file {} in revision {} ({status}{said})",
            options.file,
            options.revision
        ),
        (404 | 410, ..) => anyhow!(
            "{host} does not have {} ({status}{said}): the {what}, the revision or the file is not there",
            options.name()
        ),
        _ => anyhow!("{host} answers {status}{said} to the request for {}", options.name()),
    };
    error.into()
}

/// What the hub says about its refusal, on one line.
fn said(answer: &Answer) -> String {
    let Some(message) = answer.header("x-error-message") else { return String::new() };
    let line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    format!(", \"{line}\"")
}

/// A web page came where the hub or a file was expected.
pub fn web_page(url: &str, options: &HubOptions) -> Error {
    anyhow!(
        "{} answers with a web page instead of {}: the login page of a network, a proxy, or a wrong endpoint",
        host(url),
        options.file
    )
}

/// Offline, and the file is not there.
pub fn not_cached(options: &HubOptions, folder: &Path) -> Error {
    anyhow!(
        "{} is not in the cache {}, and offline (--offline or HF_HUB_OFFLINE) nothing is downloaded; run the command \
         once with a network, or set HF_HOME to the folder that holds it",
        options.name(),
        folder.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::RepoKind;
    use ebt_data::progress::Silent;
    use std::cell::Cell;

    fn options(retries: u32) -> HubOptions {
        HubOptions {
            kind: RepoKind::Dataset,
            repository: "a/b".into(),
            file: "c".into(),
            revision: "main".into(),
            endpoint: "http://h".into(),
            cache: "cache".into(),
            token: None,
            offline: false,
            retries,
            pause: Duration::ZERO,
        }
    }

    #[test]
    fn attempts_end_unless_they_get_on() {
        let got = Cell::new(0);
        // three failures without progress after the last progress at the fifth attempt
        let mut attempts = 0;
        let result: Result<(), _> = persist(
            &options(2),
            &mut Silent,
            || got.get(),
            |again, _| {
                assert_eq!(again, attempts > 0);
                attempts += 1;
                got.set(attempts.min(5));
                Err(Failure::passing(anyhow!("koptu")))
            },
        );
        assert_eq!(result.unwrap_err().error.to_string(), "koptu; run the command again to go on where it broke off");
        assert_eq!(attempts, 7);

        attempts = 0;
        let result: Result<(), _> = persist(
            &options(9),
            &mut Silent,
            || 0,
            |_, _| {
                attempts += 1;
                Err(anyhow!("kapalı").into())
            },
        );
        assert_eq!((result.unwrap_err().remedy, attempts), (Remedy::None, 1));
    }

    #[test]
    fn a_network_error_is_never_taken_for_our_own_closed_pipe() {
        let failure = unreachable("hub.co", &io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(failure.error.chain().all(|cause| !cause.is::<io::Error>()));
        assert_eq!(failure.remedy, Remedy::Again(Duration::ZERO));
        let refused = unreachable("hub.co", &io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!(refused.remedy, Remedy::Cache);
    }
}
