//! Which files are read: files, folders and globs, in a fixed order.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::format::Name;
use super::input::{Formats, InputFile};
use crate::shard::Manifest;
use crate::shard::manifest::TOKENIZER_FILE;

/// Name of the journal of an unfinished `data prepare` in the folder of its data: such a folder is no input.
pub const JOURNAL_FILE: &str = "prepare.journal";

/// What a name means: itself, or, where nothing is called so, what it matches as a glob, in name order. Folders that
/// exist as they are spelled mean themselves in a glob, whatever characters are in their names.
///
/// # Errors
///
/// A name that means nothing; the message names it.
pub fn expand(name: &Path) -> Result<Vec<PathBuf>> {
    let glob = name.to_str().filter(|text| !name.exists() && text.contains(['*', '?', '[']));
    let Some(text) = glob else {
        fs::metadata(name).with_context(|| format!("cannot read {}", name.display()))?;
        return Ok(vec![name.to_path_buf()]);
    };
    let (mut whole, mut pattern) = (PathBuf::new(), PathBuf::new());
    for part in name.components() {
        whole.push(part);
        let part = part.as_os_str().to_string_lossy();
        pattern.push(if whole.exists() { glob::Pattern::escape(&part) } else { part.into_owned() });
    }
    let hidden_apart = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
    let matches = glob::glob_with(&pattern.to_string_lossy(), hidden_apart)
        .with_context(|| format!("{text} is not a pattern of names"))?;
    let matches: Result<Vec<PathBuf>, _> = matches.collect();
    let matches = matches.with_context(|| format!("cannot read what {text} matches"))?;
    if matches.is_empty() {
        bail!("{text} matches no file");
    }
    Ok(matches)
}

/// All files meant by `names`, in the order of the names: a file itself, of a folder every file of a known format below
/// it, of a glob what it matches; folders and globs in name order. Of a file meant twice, be it by a link, the first
/// mention counts. What is hidden, prepared data and tokenizers are passed over in folders and by globs.
///
/// # Errors
///
/// A name that means no file, an unreadable folder, a file of unknown format; the message names it.
pub fn find(names: &[PathBuf], formats: Formats) -> Result<Vec<InputFile>> {
    let mut found = Found { formats, inputs: Vec::new(), met: 0, seen: HashSet::new() };
    for name in names {
        let before = found.met;
        for path in expand(name)? {
            found.add(&path, path == *name)?;
        }
        if found.met == before {
            let remedy = match formats {
                Formats::ByNameOrText => "name files of another kind one by one",
                _ => "--format says what its files are",
            };
            bail!("{} holds no file of a known format (.txt, .jsonl, .csv, ...); {remedy}", name.display());
        }
    }
    if found.inputs.is_empty() {
        bail!("no input: name files, folders or globs");
    }
    Ok(found.inputs)
}

struct Found {
    formats: Formats,
    inputs: Vec<InputFile>,
    /// Files and folders met, those seen before included.
    met: usize,
    /// Files and folders without links on their paths.
    seen: HashSet<PathBuf>,
}

impl Found {
    /// Adds what a path means, which is `named` itself or found by a glob.
    fn add(&mut self, path: &Path, named: bool) -> Result<()> {
        match (path.is_dir(), named) {
            (true, true) if Manifest::exists(path) => {
                bail!("{} is prepared data, and text is needed here", path.display())
            }
            (true, true) => self.below(path),
            (true, false) if is_own(path) => Ok(()),
            (true, false) => self.below(path),
            (false, false) if holds_no_text(path) => Ok(()),
            (false, _) => self.file(path),
        }
    }

    /// Whether a file or folder is met for the first time.
    fn is_new(&mut self, path: &Path) -> bool {
        self.seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()))
    }

    fn file(&mut self, path: &Path) -> Result<()> {
        let input = InputFile::new(path, self.formats)?;
        self.met += 1;
        if self.is_new(path) {
            self.inputs.push(input);
        }
        Ok(())
    }

    fn below(&mut self, folder: &Path) -> Result<()> {
        // a link may lead back to where it is
        if !self.is_new(folder) {
            self.met += 1;
            return Ok(());
        }
        let unreadable = || format!("cannot read the folder {}", folder.display());
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).with_context(unreadable)? {
            let entry = entry.with_context(unreadable)?;
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                entries.push(entry.path());
            }
        }
        entries.sort();
        for path in entries {
            let known = matches!(self.formats, Formats::All(_)) || Name::of(&path).format.is_some();
            if path.is_dir() || known {
                self.add(&path, false)?;
            }
        }
        Ok(())
    }
}

/// Whether a folder holds prepared data, finished or not.
fn is_own(folder: &Path) -> bool {
    folder.join(JOURNAL_FILE).exists() || Manifest::read(folder).is_ok()
}

/// Whether a file is a tokenizer, or one that Windows puts everywhere.
fn holds_no_text(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    ["Thumbs.db", "desktop.ini", TOKENIZER_FILE].iter().any(|other| name.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Format;

    fn names(inputs: &[InputFile]) -> Vec<&str> {
        inputs.iter().map(|i| i.source.as_str()).collect()
    }

    /// A folder with these files, each of which holds an x.
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        folder
    }

    #[test]
    fn folders_and_globs_give_their_files_in_name_order_and_once() {
        let folder = folder(&["b.txt", "a.csv.gz", "alt/c.jsonl", "alt/görsel.png", "tokenizer.json"]);
        let at = |name: &str| folder.path().join(name);
        let root = folder.path().to_path_buf();
        for (data, mark) in [("veri", "manifest.json"), ("yarım", JOURNAL_FILE)] {
            fs::create_dir(at(data)).unwrap();
            fs::write(at(data).join("x.jsonl"), "{}").unwrap();
            fs::write(at(data).join(mark), serde_json::to_vec(&Manifest { format: 1, ..Manifest::default() }).unwrap())
                .unwrap();
        }
        let find = |names: &[PathBuf]| find(names, Formats::ByName);
        assert_eq!(names(&find(std::slice::from_ref(&root)).unwrap()), ["a", "c", "b"]);
        assert_eq!(names(&find(&[at("b.txt"), root.clone(), root.clone(), at("*.txt")]).unwrap()), ["b", "a", "c"]);
        assert_eq!(names(&find(&[at("?.*")]).unwrap()), ["a", "b"]);
        assert_eq!(names(&super::find(&[at("al*")], Formats::All(Format::Text)).unwrap()), ["c", "görsel.png"]);
        for (name, part) in [
            ("yok*.txt", "matches no file"),
            ("yok.txt", "yok.txt"),
            ("alt/görsel.png", "--format"),
            ("veri", "prepared data"),
        ] {
            let message = format!("{:#}", find(&[at(name)]).unwrap_err());
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(super::find(&[at("alt/görsel.png")], Formats::ByNameOrText).unwrap()[0].format, Format::Text);
    }

    #[test]
    fn hidden_files_are_read_only_where_they_are_named() {
        let folder = folder(&[
            "a.txt",
            ".gizli.txt",
            "._a.txt",
            ".DS_Store",
            "Thumbs.db",
            ".ipynb_checkpoints/b.txt",
            ".git/c.txt",
            "alt/.d.txt",
        ]);
        let at = |name: &str| folder.path().join(name);
        for name in ["", "*", "**/*.txt"] {
            let all = find(&[at(name)], Formats::ByNameOrText).unwrap();
            assert_eq!(names(&all), ["a"], "{name}");
        }
        assert_eq!(names(&find(&[at("")], Formats::All(Format::Text)).unwrap()), ["a"]);
        assert_eq!(names(&find(&[at(".git"), at(".gizli.txt")], Formats::ByName).unwrap()), ["c", ".gizli"]);
        assert_eq!(names(&find(&[at(".ipynb_checkpoints/*.txt")], Formats::ByName).unwrap()), ["b"]);
    }

    #[test]
    fn folders_that_are_named_like_globs_mean_themselves() {
        // Windows has no stars in names
        let inner = if cfg!(windows) { "[b]" } else { "[b]*" };
        let folder = folder(&["[a]/x.txt", "a/y.txt", &format!("[a]/{inner}/z.txt")]);
        let of = |name: &str| {
            let inputs = find(&[folder.path().join(name)], Formats::ByName).unwrap();
            inputs.iter().map(|input| input.source.clone()).collect::<Vec<_>>().concat()
        };
        for (name, expected) in
            [("[a]", "zx"), ("[a]/*.txt", "x"), ("[a]/[b]*/?.txt", "z"), ("[ab]/*.txt", "y"), ("*/*.txt", "xy")]
        {
            let name = &name.replace("[b]*", inner);
            assert_eq!(of(name), expected, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_once() {
        use std::os::unix::fs::symlink;
        let folder = folder(&["a/b/x.txt", "dış/y.txt"]);
        let at = |name: &str| folder.path().join(name);
        symlink(at("a"), at("a/b/döngü")).unwrap();
        symlink("../a", at("a/yine")).unwrap();
        symlink(at("dış"), at("a/dış")).unwrap();
        symlink(at("a/b/x.txt"), at("a/başka.txt")).unwrap();
        assert_eq!(names(&find(&[at("a")], Formats::ByName).unwrap()), ["x", "y"]);
        symlink(at("kendi.txt"), at("kendi.txt")).unwrap();
        assert!(find(&[at("kendi.txt")], Formats::ByName).unwrap_err().to_string().contains("kendi.txt"));
    }
}
