//! Which files are read: files, folders and globs, in a fixed order.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use ebt_data::shard::Manifest;
use serde::{Deserialize, Serialize};

use super::format::{Compression, Format, Name};

/// Name of the journal of an unfinished `prepare` in the folder of its data: such a folder is no input.
pub const JOURNAL_FILE: &str = "prepare.journal";

/// One file to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Where it is.
    pub path: PathBuf,
    /// Its name without folder and extensions: the name of the source its documents belong to.
    pub source: String,
    /// What it holds.
    pub format: Format,
    /// How it is packed.
    pub compression: Compression,
    /// Bytes on disk.
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub modified: u128,
}

impl Input {
    /// Describes an ordinary file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is of no known format, or of one that this build does not read; the message names it.
    pub fn new(path: &Path, format: Option<Format>) -> Result<Self> {
        let path = std::path::absolute(path).with_context(|| format!("cannot read {}", path.display()))?;
        if path.to_str().is_none() {
            bail!("{} has a name that is not UTF-8 text; rename it", path.display());
        }
        let name = Name::of(&path);
        let Some(format) = format.or(name.format) else {
            bail!(
                "{}: the extension says no format (.txt .text .md .jsonl .ndjson .json .csv .tsv .parquet .arrow .ipc \
                 .feather, also with .gz .gzip .zst after it); give --format",
                path.display()
            );
        };
        if !format.is_read() {
            return Err(format.lacks(&path));
        }
        let (size, modified) = state(&path)?;
        Ok(Self { path, source: name.stem, format, compression: name.compression, size, modified })
    }

    /// Fails when the file is no longer the one that was described.
    ///
    /// # Errors
    ///
    /// Another size or time of change; the message names the file.
    pub fn check_unchanged(&self) -> Result<()> {
        if state(&self.path)? != (self.size, self.modified) {
            bail!("{} was changed while it was being read; run the command again", self.path.display());
        }
        Ok(())
    }
}

/// Size and time of change of an ordinary file.
fn state(path: &Path) -> Result<(u64, u128)> {
    let unreadable = || format!("cannot read {}", path.display());
    let metadata = fs::metadata(path).with_context(unreadable)?;
    if !metadata.is_file() {
        bail!("{} is not an ordinary file; the input is read twice", path.display());
    }
    let modified = metadata.modified().with_context(unreadable)?;
    Ok((metadata.len(), modified.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos())))
}

/// All files meant by `names`, in the order of the names: a file itself, of a folder every file of a known format below
/// it, of a glob what it matches; folders and globs in name order. Of a file meant twice the first mention counts.
/// `format` overrides what names say; folders then give every file. In folders, hidden files and
/// folders of prepared data are passed over.
///
/// # Errors
///
/// A name that means no file, an unreadable folder, a file of unknown format; the message names it.
pub fn find(names: &[PathBuf], format: Option<Format>) -> Result<Vec<Input>> {
    let mut found = Found { format, inputs: Vec::new(), seen: HashSet::new() };
    for name in names {
        let before = found.met();
        match (name.exists(), name.to_str().filter(|text| text.contains(['*', '?', '[']))) {
            (false, Some(pattern)) => {
                let hidden_apart = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
                let matches = glob::glob_with(pattern, hidden_apart)
                    .with_context(|| format!("{pattern} is not a pattern of names"))?;
                for path in matches {
                    let path = path.with_context(|| format!("cannot read what {pattern} matches"))?;
                    found.add(&path)?;
                }
                if found.met() == before {
                    bail!("{pattern} matches no file");
                }
            }
            _ => found.add(name)?,
        }
    }
    if found.inputs.is_empty() {
        bail!("no input: name files, folders or globs");
    }
    Ok(found.inputs)
}

/// Deepest folder that is searched: a guard against loops of links.
const DEEPEST: usize = 32;

struct Found {
    format: Option<Format>,
    inputs: Vec<Input>,
    seen: HashSet<PathBuf>,
}

impl Found {
    fn met(&self) -> usize {
        self.seen.len()
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let kind = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if !kind.is_dir() {
            return self.file(path);
        }
        let before = self.met();
        self.below(path, 0)?;
        if self.met() == before {
            bail!("{} holds no file of a known format; --format says what its files are", path.display());
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<()> {
        let input = Input::new(path, self.format)?;
        if self.seen.insert(input.path.clone()) {
            self.inputs.push(input);
        }
        Ok(())
    }

    fn below(&mut self, folder: &Path, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            bail!("{} lies more than {DEEPEST} folders deep", folder.display());
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
            if path.is_dir() {
                if !path.join(JOURNAL_FILE).exists() && Manifest::read(&path).is_err() {
                    self.below(&path, depth + 1)?;
                }
            } else if self.format.is_some() || Name::of(&path).format.is_some() {
                self.file(&path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inputs: &[Input]) -> Vec<&str> {
        inputs.iter().map(|i| i.source.as_str()).collect()
    }

    #[test]
    fn folders_and_globs_give_their_files_in_name_order_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("alt")).unwrap();
        for name in ["b.txt", "a.csv.gz", "alt/c.jsonl", "alt/görsel.png", ".gizli.txt"] {
            fs::write(at(name), "x").unwrap();
        }
        let root = folder.path().to_path_buf();
        for (data, mark) in [("veri", "manifest.json"), ("yarım", "prepare.journal")] {
            fs::create_dir(at(data)).unwrap();
            fs::write(at(data).join("tokenizer.json"), "{}").unwrap();
            fs::write(at(data).join(mark), serde_json::to_vec(&Manifest { format: 1, ..Manifest::default() }).unwrap())
                .unwrap();
        }
        assert_eq!(names(&find(std::slice::from_ref(&root), None).unwrap()), ["a", "c", "b"]);
        assert_eq!(names(&find(&[at("b.txt"), root.clone()], None).unwrap()), ["b", "a", "c"]);
        assert_eq!(names(&find(&[at("*.*")], None).unwrap()), ["a", "b"]);
        assert_eq!(names(&find(&[at("al*")], Some(Format::Text)).unwrap()), ["c", "görsel.png"]);
        for (name, part) in [("yok*.txt", "matches no file"), ("yok.txt", "yok.txt"), ("alt/görsel.png", "--format")] {
            let message = format!("{:#}", find(&[at(name)], None).unwrap_err());
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_changed_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "bir").unwrap();
        let input = Input::new(&path, None).unwrap();
        input.check_unchanged().unwrap();
        fs::write(&path, "bir iki").unwrap();
        assert!(input.check_unchanged().unwrap_err().to_string().contains("a.txt was changed"));
    }
}
