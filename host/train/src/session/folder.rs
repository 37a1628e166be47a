//! The folder of a run: whether it may be used, and that no other process uses it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use ebt_data::date::stamp;
use ebt_data::lock::FolderLock;
use ebt_data::program;
use ebt_data::shard::Manifest;

use super::types::{quoted, resume_command};
use crate::checkpoint::Store;
use ebt_model::model::MODEL_FILE;

/// The folder of a run, held against other processes until it is dropped.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: FolderLock,
}

impl RunFolder {
    /// The folder of a new run; made if it does not exist. What a run left there that ended before it had saved anything
    /// is written over.
    ///
    /// # Errors
    ///
    /// A folder that holds a run or prepared data, that another process trains in, or that cannot be made; the message
    /// names it.
    pub fn begin(path: &Path) -> Result<Self> {
        Self::refuse_used(path)?;
        fs::create_dir_all(path).with_context(|| format!("cannot create the folder {}", path.display()))?;
        let folder = Self::hold(path)?;
        // the one before may have saved something before it was let go
        Self::refuse_used(path)?;
        Ok(folder)
    }

    /// The folder of a new run under a name of its own in `parent`: `name` and the time.
    ///
    /// # Errors
    ///
    /// A folder that cannot be made; the message names it.
    pub fn begin_named(parent: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(parent).with_context(|| format!("cannot create the folder {}", parent.display()))?;
        let first = format!("{name}-{}", stamp(SystemTime::now()));
        for number in 1_u64.. {
            let path = parent.join(if number == 1 { first.clone() } else { format!("{first}-{number}") });
            match fs::create_dir(&path) {
                Ok(()) => return Self::hold(&path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot create the folder {}", path.display()));
                }
            }
        }
        bail!("no name is left for a folder in {}", parent.display())
    }

    /// The folder of a run to go on with.
    ///
    /// # Errors
    ///
    /// A folder without a checkpoint, or that another process trains in; the message names it.
    pub fn resume(path: &Path) -> Result<Self> {
        if Store::new(path, 1).list()?.is_empty() {
            let name = path.display();
            match path.join(MODEL_FILE).exists() {
                true => {
                    bail!("{name} holds a model but no checkpoint to go on from; begin a new run in another folder")
                }
                false if path.exists() => bail!(
                    "{name} holds no checkpoint: the run ended before it had saved anything; begin it again with \
                     `{} train --out {}` and what it was given",
                    program::name(),
                    quoted(path)
                ),
                false => bail!("{name} holds no checkpoint: there is no such folder"),
            }
        }
        Self::hold(path)
    }

    /// Refuses a folder that holds a run or prepared data.
    ///
    /// # Errors
    ///
    /// Such a folder; the message says what to do.
    pub fn refuse_used(path: &Path) -> Result<()> {
        let name = path.display();
        if Manifest::exists(path) {
            bail!("{name} holds prepared data; choose another --out");
        }
        if !Store::new(path, 1).list()?.is_empty() {
            bail!("{name} holds a run already: go on with it (`{}`) or choose another --out", resume_command(path));
        }
        if path.join(MODEL_FILE).exists() {
            bail!("{name} holds a model already; choose another --out");
        }
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn hold(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_path_buf(), _lock: FolderLock::take(path, "training in")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_process_s_and_a_run_that_saved_nothing_gives_it_back() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("a/run");
        assert!(RunFolder::resume(&out).unwrap_err().to_string().contains("no such folder"));
        assert!(!out.exists());
        let held = RunFolder::begin(&out).unwrap();
        let message = RunFolder::begin(&out).unwrap_err().to_string();
        assert!(message.contains("another process is training in"), "{message}");
        drop(held);
        fs::write(out.join("metrics.jsonl"), "{}").unwrap();
        let message = RunFolder::resume(&out).unwrap_err().to_string();
        assert!(message.contains("ebt train --out"), "{message}");
        drop(RunFolder::begin(&out).unwrap());

        fs::create_dir_all(out.join("checkpoints/step-00000001")).unwrap();
        assert!(RunFolder::begin(&out).unwrap_err().to_string().contains("ebt train --resume"));
        let held = RunFolder::resume(&out).unwrap();
        let message = RunFolder::resume(&out).unwrap_err().to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        drop(held);
        fs::remove_dir_all(out.join("checkpoints")).unwrap();
        fs::write(out.join(MODEL_FILE), "").unwrap();
        assert!(RunFolder::begin(&out).unwrap_err().to_string().contains("holds a model"));
        assert!(RunFolder::resume(&out).unwrap_err().to_string().contains("holds a model"));
    }

    #[test]
    fn two_runs_of_one_moment_have_folders_of_their_own() {
        let place = tempfile::tempdir().unwrap();
        let runs: Vec<RunFolder> = (0..3).map(|_| RunFolder::begin_named(place.path(), "sample").unwrap()).collect();
        let mut paths: Vec<&Path> = runs.iter().map(RunFolder::path).collect();
        paths.dedup();
        assert_eq!(paths.len(), 3);
    }
}
