//! The folder that data is prepared in: whether it may be used, and what in it is ours.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt_data::file;
use ebt_data::lock::{FolderLock, LOCK_FILE};
use ebt_data::shard::Manifest;
use ebt_data::shard::manifest::{MANIFEST_FILE, TOKENIZER_FILE};
use ebt_data::shard::writer::UNFINISHED;
use ebt_data::text::find::JOURNAL_FILE;

use super::journal::{Journal, Plan};

/// Name of the folder for everything that is needed on the way only.
const WORK_FOLDER: &str = "prepare.work";

/// A folder that data is being prepared in, held against other processes.
#[derive(Debug)]
pub struct Folder {
    /// The folder of the data.
    pub out: PathBuf,
    /// Folder for files that are removed at the end.
    pub work: PathBuf,
    /// What was done before.
    pub journal: Journal,
    /// Whether the folder of the data was made here.
    created: bool,
    lock: FolderLock,
}

impl Folder {
    /// Takes possession of a folder: a new one, an empty one, one with interrupted work under the same plan, which goes
    /// on, or under another, which is begun anew. Finished data is replaced if `overwrite`. `note` receives what is not
    /// obvious.
    ///
    /// # Errors
    ///
    /// A folder that holds anything else, another process at work in it; what the file system refuses.
    pub fn open(out: &Path, plan: &Plan, overwrite: bool, note: &mut dyn FnMut(&str)) -> Result<Self> {
        let failed = || format!("cannot create the folder {}", out.display());
        let created = !out.exists();
        fs::create_dir_all(out).with_context(failed)?;
        let lock = FolderLock::take(out, "preparing data in")?;
        let begun = out.join(JOURNAL_FILE).exists();
        if !begun {
            refuse_finished(out, overwrite)?;
            refuse_others(out)?;
        }
        // with a journal the folder is one of work to go on with, whatever is removed from it
        let (mut journal, same) = Journal::open(out, plan)?;
        // a manifest beside the survey of the same plan belongs to it
        let replaced = Manifest::exists(out) && !(same && journal.survey.is_some());
        if replaced {
            refuse_finished(out, overwrite)?;
        }
        if !same {
            note("inputs or options are not those of the interrupted run: starting over");
            journal.restart(plan)?;
        } else if begun && journal.survey.is_some() {
            note("going on with the interrupted run");
        }
        if replaced {
            // without it the rest is no data
            file::remove(&out.join(MANIFEST_FILE))?;
        }
        let folder = Self { out: out.to_path_buf(), work: out.join(WORK_FOLDER), journal, created, lock };
        folder.tidy()?;
        fs::create_dir_all(&folder.work)
            .with_context(|| format!("cannot create the folder {}", folder.work.display()))?;
        Ok(folder)
    }

    /// File that says which documents are dropped.
    pub fn dropped(&self) -> PathBuf {
        self.work.join("dropped")
    }

    /// Removes what a killed process left: unfinished files, shards that the journal does not know, and before the survey
    /// also the tokenizer of earlier data.
    fn tidy(&self) -> Result<()> {
        let Journal { train, validation, survey, .. } = &self.journal;
        let known = |name: &str| train.iter().chain(validation).any(|f| f.shard.file == name);
        for name in names(&self.out)? {
            if (is_shard(&name) && !known(&name)) || is_temporary(&name) {
                file::remove(&self.out.join(name))?;
            }
        }
        if survey.is_none() {
            file::remove(&self.out.join(TOKENIZER_FILE))?;
            if self.work.exists() {
                fs::remove_dir_all(&self.work).with_context(|| format!("cannot remove {}", self.work.display()))?;
            }
        }
        Ok(())
    }

    /// Leaves the folder after a failure; true if there is something to go on from. Otherwise nothing stays of the work,
    /// as far as the file system allows.
    pub fn leave(self) -> bool {
        if self.journal.survey.is_some() {
            return true;
        }
        let _ = fs::remove_dir_all(&self.work);
        let _ = self.journal.remove();
        drop(self.lock);
        if self.created {
            let _ = fs::remove_dir(&self.out);
        }
        false
    }

    /// Removes everything that is not data.
    ///
    /// # Errors
    ///
    /// What the file system refuses; the message names the file.
    pub fn finish(self) -> Result<()> {
        fs::remove_dir_all(&self.work).with_context(|| format!("cannot remove {}", self.work.display()))?;
        self.journal.remove()
    }
}

/// Fails if a folder holds finished data that is not to be replaced.
fn refuse_finished(out: &Path, overwrite: bool) -> Result<()> {
    if Manifest::exists(out) && !overwrite {
        bail!("{} holds finished data already; choose another --out, or replace it with --overwrite", out.display());
    }
    Ok(())
}

/// Fails if a folder holds anything but finished data.
fn refuse_others(out: &Path) -> Result<()> {
    // a manifest of a later format says nothing about its files: they are refused
    let manifest = Manifest::exists(out).then(|| Manifest::read(out).unwrap_or_default());
    let known = |name: &str| {
        let shard = |m: &Manifest| m.train.iter().chain(&m.validation).any(|record| record.file == name);
        let own = |m: &Manifest| name == MANIFEST_FILE || name == TOKENIZER_FILE || (is_shard(name) && shard(m));
        is_temporary(name) || name == LOCK_FILE || manifest.as_ref().is_some_and(own)
    };
    match names(out)?.iter().find(|name| !known(name)) {
        Some(name) => bail!("{} holds other things ({name}); choose a new folder for --out", out.display()),
        None => Ok(()),
    }
}

/// Names of all that a folder holds, in order.
fn names(folder: &Path) -> Result<Vec<String>> {
    let unreadable = || format!("cannot read the folder {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        names.push(entry.with_context(unreadable)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Whether a name is that of a shard.
fn is_shard(name: &str) -> bool {
    let number = name.strip_suffix(".tokens");
    let number = number.and_then(|n| n.strip_prefix("train-").or_else(|| n.strip_prefix("validation-")));
    number.is_some_and(|n| n.len() >= 5 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a name is that of a file on its way to another name.
fn is_temporary(name: &str) -> bool {
    (name.starts_with('.') && name.ends_with(UNFINISHED)) || file::is_temporary(name)
}

#[cfg(test)]
mod tests {
    use super::super::journal::tests::plan;
    use super::*;

    fn open(out: &Path, version: &str, overwrite: bool) -> Result<(Folder, Vec<String>)> {
        let mut notes = Vec::new();
        Folder::open(out, &plan(version), overwrite, &mut |note| notes.push(note.to_owned())).map(|f| (f, notes))
    }

    #[test]
    fn only_shards_have_names_of_shards() {
        assert!(is_shard("train-00000.tokens") && is_shard("validation-123456.tokens"));
        assert!(
            ["train-.tokens", "train-0000x.tokens", "test-00000.tokens", "train-00000"].iter().all(|n| !is_shard(n))
        );
        assert!(is_temporary(".train-00000.tokens.ab12cd.unfinished") && is_temporary(".tmpA1b2C3"));
        assert!(!is_temporary("notes.unfinished"));
    }

    #[test]
    fn a_folder_with_other_things_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mektup.txt"), "x").unwrap();
        for overwrite in [false, true] {
            let message = open(folder.path(), "1", overwrite).unwrap_err().to_string();
            assert!(message.contains("mektup.txt") && message.contains("--out"), "{message}");
        }
        assert_eq!(names(folder.path()).unwrap(), ["mektup.txt"]);
    }

    #[test]
    fn work_goes_on_under_the_same_plan_only_and_leftovers_go() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("yeni/veri");
        drop(open(&out, "1", false).unwrap());
        for name in ["train-00007.tokens", ".train-00000.tokens.x.unfinished", "not.txt"] {
            fs::write(out.join(name), "x").unwrap();
        }
        let (opened, notes) = open(&out, "1", false).unwrap();
        assert!(notes.is_empty());
        drop(opened);
        assert_eq!(names(&out).unwrap(), ["not.txt", JOURNAL_FILE, WORK_FOLDER]);
        let (opened, notes) = open(&out, "2", false).unwrap();
        assert!(notes[0].contains("starting over"));
        opened.finish().unwrap();
        assert_eq!(names(&out).unwrap(), ["not.txt"]);
    }

    #[test]
    fn a_failure_before_anything_was_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("veri");
        assert!(!open(&out, "1", false).unwrap().0.leave());
        assert!(!out.exists());
        fs::create_dir(&out).unwrap();
        assert!(!open(&out, "1", false).unwrap().0.leave());
        assert!(names(&out).unwrap().is_empty());
        let (mut folder, _) = open(&out, "1", false).unwrap();
        folder.journal.surveyed(Default::default()).unwrap();
        assert!(folder.leave());
        assert_eq!(names(&out).unwrap(), [JOURNAL_FILE, WORK_FOLDER]);
    }

    #[test]
    fn one_process_at_a_time_works_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("veri");
        let (held, _) = open(&out, "1", false).unwrap();
        for version in ["1", "2"] {
            let message = open(&out, version, true).unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("another process is preparing data in {}", out.display())),
                "{message}"
            );
        }
        assert!(!held.leave());
        assert!(!out.exists());
    }

    #[test]
    fn finished_data_is_replaced_only_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let record = |file: &str| ebt_data::shard::ShardRecord { file: file.into(), ..Default::default() };
        let train = vec![record("train-00000.tokens"), record("../elsewhere")];
        let manifest = Manifest { format: 1, train, ..Manifest::default() };
        manifest.write(out).unwrap();
        fs::write(out.join("train-00000.tokens"), "x").unwrap();
        fs::write(out.join("tokenizer.json"), "x").unwrap();
        assert!(open(out, "1", false).unwrap_err().to_string().contains("--overwrite"));
        assert!(Manifest::exists(out));
        fs::write(out.join("mektup.txt"), "x").unwrap();
        assert!(open(out, "1", true).unwrap_err().to_string().contains("mektup.txt"));
        assert!(Manifest::exists(out) && out.join("train-00000.tokens").exists());
        fs::remove_file(out.join("mektup.txt")).unwrap();
        drop(open(out, "1", true).unwrap());
        assert_eq!(names(out).unwrap(), [JOURNAL_FILE, WORK_FOLDER]);
    }

    #[test]
    fn finished_data_that_was_about_to_be_replaced_stays_data_or_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let finished = || Manifest { format: 1, ..Manifest::default() }.write(out).unwrap();
        finished();
        drop(Journal::open(out, &plan("1")).unwrap());
        for version in ["1", "2"] {
            assert!(open(out, version, false).unwrap_err().to_string().contains("--overwrite"));
            assert!(Manifest::exists(out));
        }
        drop(open(out, "1", true).unwrap());
        assert!(!Manifest::exists(out));
        // what the plan's own work had finished is kept
        let (mut journal, _) = Journal::open(out, &plan("1")).unwrap();
        journal.surveyed(Default::default()).unwrap();
        drop(journal);
        finished();
        drop(open(out, "1", false).unwrap());
        assert!(Manifest::exists(out));
        assert!(open(out, "2", false).unwrap_err().to_string().contains("--overwrite"));
        drop(open(out, "2", true).unwrap());
        assert_eq!(names(out).unwrap(), [JOURNAL_FILE, WORK_FOLDER]);
    }
}
