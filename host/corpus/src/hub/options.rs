//! What is asked of the hub, and what the environment says about it.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::name::{HubName, RepoKind};

/// A file of a repository, and how to get it.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// What the repository holds.
    pub kind: RepoKind,
    /// The repository, `owner/name`.
    pub repository: String,
    /// The file, a relative path with `/`; or what [`super::fetch_all`] reads as a glob.
    pub file: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// Address of the hub, without a slash at the end.
    pub endpoint: String,
    /// Folder of the cache; it need not exist.
    pub cache: PathBuf,
    /// Token to show to the hub, and to nobody else.
    pub token: Option<Token>,
    /// Take the file from the cache or not at all.
    pub offline: bool,
    /// How often a request that broke off is repeated. A download that got on in between begins to count anew.
    pub retries: u32,
    /// Time before the first repetition; it doubles with each.
    pub pause: Duration,
}

/// A secret and where it was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The token itself.
    pub secret: String,
    /// Variable or file that holds it.
    pub origin: String,
}

impl fmt::Debug for Token {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("origin", &self.origin).finish_non_exhaustive()
    }
}

const ENDPOINT: &str = "https://huggingface.co";
/// Repetitions unless asked otherwise.
const RETRIES: u32 = 4;

impl HubOptions {
    /// The files of a name, by the variables that `huggingface_hub` knows: `HF_ENDPOINT`, `HF_HUB_CACHE`,
    /// `HF_HOME`, `XDG_CACHE_HOME`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`.
    ///
    /// # Errors
    ///
    /// A cache whose place is unknown because there is no home folder; a variable that is not Unicode.
    pub fn from_env(name: HubName) -> Result<Self> {
        Self::from_variables(name, |name| env::var_os(name), env::home_dir())
    }

    fn from_variables(
        HubName { kind, repository, revision, path }: HubName,
        variable: impl Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
    ) -> Result<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| -> Result<Option<String>> {
            let value = set(name).map(|value| value.into_string());
            value.transpose().map_err(|_| anyhow::anyhow!("the variable {name} is not Unicode text"))
        };
        let own_cache = set("HF_HUB_CACHE").or_else(|| set("HUGGINGFACE_HUB_CACHE")).map(PathBuf::from);
        let base = set("HF_HOME").map(PathBuf::from).or_else(|| {
            let caches = set("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(home?.join(".cache")));
            Some(caches?.join("huggingface"))
        });
        let Some(cache) = own_cache.or_else(|| Some(base.as_ref()?.join("hub"))) else {
            bail!("there is no home folder to keep downloads in; set HF_HOME to a folder");
        };
        let cache = std::path::absolute(&cache).with_context(|| format!("cannot locate {}", cache.display()))?;
        let offline = text("HF_HUB_OFFLINE")?.is_some_and(|value| is_true(&value));
        let variable_token = text("HF_TOKEN")?.map(|secret| Token { secret, origin: String::from("HF_TOKEN") });
        Ok(Self {
            kind,
            repository,
            file: path,
            revision,
            endpoint: text("HF_ENDPOINT")?.unwrap_or_else(|| ENDPOINT.to_owned()),
            cache,
            token: variable_token.or_else(|| stored_token(set("HF_TOKEN_PATH").map(PathBuf::from), base)).map(trimmed),
            offline,
            retries: RETRIES,
            pause: Duration::from_millis(500),
        })
    }

    /// Checks everything that ends up in an address, a request header or a path.
    ///
    /// # Errors
    ///
    /// A part that cannot be right; the message names it.
    pub fn validate(&self) -> Result<()> {
        if !["http://", "https://"]
            .iter()
            .any(|scheme| self.endpoint.len() > scheme.len() && self.endpoint.starts_with(scheme))
            || self.endpoint.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#'))
        {
            bail!("the endpoint {:?} (--endpoint or HF_ENDPOINT) is no address such as {ENDPOINT}", self.endpoint);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '@' | '=');
        let step = |step: &str| step.is_empty() || step == "." || step == "..";
        let (what, of) = (self.kind.what(), &self.repository);
        let repository_is_plain = of.chars().all(plain) && of.split('/').count() == 2;
        let revision_is_plain = self.revision.chars().all(plain);
        let file_is_plain = !self.file.chars().any(|c| c.is_control() || matches!(c, '\\' | ':'));
        for (what, value, plain) in [
            (what, of, repository_is_plain),
            ("file", &self.file, file_is_plain),
            ("revision (--revision)", &self.revision, revision_is_plain),
        ] {
            if !plain || value.split('/').any(step) {
                bail!("{value:?} cannot be the name of a {what} of the hub");
            }
        }
        if let Some(token) = &self.token
            && !token.secret.chars().all(|c| c.is_ascii_graphic())
        {
            bail!("the token from {} holds a space or another character that no token has", token.origin);
        }
        Ok(())
    }

    /// Whether the revision is a full commit, which never changes.
    pub fn revision_is_commit(&self) -> bool {
        is_commit(&self.revision)
    }

    /// The file for a message.
    pub fn name(&self) -> String {
        format!("{} of the {} {}, revision {}", self.file, self.kind.what(), self.repository, self.revision)
    }
}

/// Whether `text` is a full Git commit: 40 lower-case hexadecimal digits.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
}

/// The spellings of yes of `huggingface_hub`.
fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// The token of `huggingface-cli login`: in the given file, else beside the cache.
fn stored_token(file: Option<PathBuf>, base: Option<PathBuf>) -> Option<Token> {
    let file = file.or_else(|| Some(base?.join("token")))?;
    let secret = std::fs::read_to_string(&file).ok().filter(|text| !text.trim().is_empty())?;
    Some(Token { secret, origin: file.display().to_string() })
}

fn trimmed(token: Token) -> Token {
    Token { secret: token.secret.trim().to_owned(), ..token }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)], home: Option<&str>) -> Result<HubOptions> {
        let value = |name: &str| variables.iter().find(|v| v.0 == name).map(|v| OsString::from(v.1));
        let name = "hf://datasets/biri/veri/a/b.parquet".parse().unwrap();
        HubOptions::from_variables(name, value, home.map(PathBuf::from))
    }

    #[test]
    fn the_cache_lies_where_huggingface_hub_has_it() {
        let all = [("XDG_CACHE_HOME", "/xdg"), ("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/hub"), ("HF_ENDPOINT", "")];
        let place = |first: usize| with(&all[..first], Some("/ev")).unwrap().cache;
        let expected = ["/ev/.cache/huggingface/hub", "/xdg/huggingface/hub", "/hf/hub", "/hub", "/hub"];
        for (first, path) in expected.iter().enumerate() {
            assert_eq!(place(first), PathBuf::from(path));
        }
        assert_eq!(with(&all, None).unwrap().endpoint, ENDPOINT);
        assert!(with(&[], None).unwrap_err().to_string().contains("HF_HOME"));
    }

    #[test]
    fn the_variable_goes_before_the_files_and_debug_hides_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        let path = folder.path().join("gizli");
        assert_eq!(with(&[("HF_HOME", home)], None).unwrap().token, None);
        std::fs::write(folder.path().join("token"), "hf_dosya\n").unwrap();
        std::fs::write(&path, "hf_yol\n").unwrap();
        let all = [("HF_HOME", home), ("HF_TOKEN_PATH", path.to_str().unwrap()), ("HF_TOKEN", " hf_ortam ")];
        for (last, secret) in ["hf_dosya", "hf_yol", "hf_ortam"].iter().enumerate() {
            let options = with(&all[..=last], None).unwrap();
            assert_eq!(options.token.as_ref().unwrap().secret, *secret);
            assert!(!format!("{options:?}").contains("hf_"), "{options:?}");
            options.validate().unwrap();
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        let good = with(&[("HF_HOME", "/hf"), ("HF_HUB_OFFLINE", "yes")], None).unwrap();
        assert!(good.offline && !with(&[("HF_HOME", "/hf"), ("HF_HUB_OFFLINE", "0")], None).unwrap().offline);
        let refused = |change: &dyn Fn(&mut HubOptions)| {
            let mut options = good.clone();
            change(&mut options);
            options.validate().unwrap_err().to_string()
        };
        for bad in ["..", "a/../b", "/etc", "a b", "a?b", "", "a\\b", "a%2Fb"] {
            assert!(refused(&|o| o.revision = bad.into()).contains("--revision"), "{bad}");
        }
        for bad in ["huggingface.co", "ftp://a", "https://", "https://a b", "http://a?b"] {
            assert!(refused(&|o| o.endpoint = bad.into()).contains("--endpoint"), "{bad}");
        }
        let token = |secret: &str| Some(Token { secret: secret.into(), origin: "HF_TOKEN".into() });
        assert!(refused(&|o| o.token = token("hf_a\r\nX: y")).contains("HF_TOKEN"));
        let mut options = good.clone();
        options.revision = "refs/pr/12".into();
        options.validate().unwrap();
        assert!(!options.revision_is_commit());
        options.revision = "0123456789abcdef0123456789abcdef01234567".into();
        assert!(options.revision_is_commit());
    }
}
