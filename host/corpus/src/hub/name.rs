//! Names of files on the hub: `hf://OWNER/NAME[@REVISION]/FILE` of a model, `hf://datasets/OWNER/NAME[@REVISION]/GLOB` of
//! a data set.

use std::str::FromStr;

use anyhow::{Result, anyhow};

/// What every name of the hub begins with.
pub const SCHEME: &str = "hf://";

/// What a repository of the hub holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepoKind {
    /// A model.
    Model,
    /// A data set.
    Dataset,
}

impl RepoKind {
    /// The kind in the words of a sentence.
    pub fn what(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Dataset => "data set",
        }
    }

    /// The kind in names of the cache and addresses of the interface.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
        }
    }

    /// What stands before the repository in the addresses of its files.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Model => "",
            Self::Dataset => "datasets/",
        }
    }
}

/// A name taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubName {
    /// What the repository holds.
    pub kind: RepoKind,
    /// The repository, `OWNER/NAME`.
    pub repository: String,
    /// Branch, tag or commit; `main` where the name has none.
    pub revision: String,
    /// The file, or what is meant by a glob.
    pub path: String,
}

impl FromStr for HubName {
    type Err = anyhow::Error;

    fn from_str(given: &str) -> Result<Self> {
        let wrong = |why: &str| {
            anyhow!(
                "{given}: {why}; a file of the hub is called hf://OWNER/NAME[@REVISION]/FILE, those of a data set \
                 hf://datasets/OWNER/NAME[@REVISION]/GLOB"
            )
        };
        let rest = given.strip_prefix(SCHEME).ok_or_else(|| wrong("does not begin with hf://"))?;
        let (kind, rest) = match rest.strip_prefix("datasets/") {
            Some(rest) => (RepoKind::Dataset, rest),
            None => (RepoKind::Model, rest.strip_prefix("models/").unwrap_or(rest)),
        };
        let mut steps = rest.split('/');
        let owner = steps.next().filter(|owner| !owner.is_empty()).ok_or_else(|| wrong("names no owner"))?;
        if owner == "spaces" {
            return Err(wrong("spaces hold no files to read"));
        }
        let name = steps.next().ok_or_else(|| wrong("names no repository behind the owner"))?;
        let (name, revision) = match name.split_once('@') {
            // such references are several steps long: refs/pr/1, refs/convert/parquet
            Some((name, "refs")) => {
                let more = [steps.next(), steps.next()].map(Option::unwrap_or_default);
                (name, format!("refs/{}/{}", more[0], more[1]))
            }
            Some((name, revision)) => (name, revision.replace("%2F", "/")),
            None => (name, String::from("main")),
        };
        for (part, what) in [(name, "the name of the repository is empty"), (&revision, "the revision is empty")] {
            if part.is_empty() {
                return Err(wrong(what));
            }
        }
        let path = steps.collect::<Vec<_>>().join("/");
        if path.is_empty() {
            return Err(wrong("names no file"));
        }
        Ok(Self { kind, repository: format!("{owner}/{name}"), revision, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart() {
        for (given, kind, repository, revision, path) in [
            ("hf://biri/model/model.ebp", RepoKind::Model, "biri/model", "main", "model.ebp"),
            ("hf://models/biri/m@v1.0/a/b.safetensors", RepoKind::Model, "biri/m", "v1.0", "a/b.safetensors"),
            ("hf://datasets/o/n/data/*.parquet", RepoKind::Dataset, "o/n", "main", "data/*.parquet"),
            ("hf://datasets/o/n@refs/pr/3/**", RepoKind::Dataset, "o/n", "refs/pr/3", "**"),
            ("hf://datasets/o/n@a%2Fb/x", RepoKind::Dataset, "o/n", "a/b", "x"),
        ] {
            let name = HubName { kind, repository: repository.into(), revision: revision.into(), path: path.into() };
            assert_eq!(given.parse::<HubName>().unwrap(), name, "{given}");
        }
    }

    #[test]
    fn what_is_no_name_says_what_is_missing() {
        for (given, part) in [
            ("http://a/b/c", "does not begin with hf://"),
            ("hf://", "names no owner"),
            ("hf://a", "names no repository"),
            ("hf://datasets/a/", "repository is empty"),
            ("hf://a/b", "names no file"),
            ("hf://a/b@/c", "revision is empty"),
            ("hf://a/b@main/", "names no file"),
            ("hf://spaces/a/b/c", "spaces"),
        ] {
            let message = given.parse::<HubName>().unwrap_err().to_string();
            assert!(message.contains(part) && message.contains("hf://datasets/OWNER/NAME"), "{given}: {message}");
        }
    }
}
