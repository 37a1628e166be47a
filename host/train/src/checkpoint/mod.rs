//! Checkpoints: the whole state of a run in a folder that appears at once or not at all.
//!
//! `OUT/checkpoints/step-00000300/` holds `state.ebs` ([`state`]) and `model.ebt`. A folder is written under a temporary
//! name, flushed to the disk, then renamed; an old one is renamed back before it is removed. So a folder `step-*` is whole
//! whenever the process is killed.

mod adapters;
mod arrays;
mod header;
mod json;
mod replay;
pub mod state;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt_data::file;
use ebt_data::in_use;
use ebt_model::model::MODEL_FILE;

pub use adapters::Adapters;
pub use arrays::download;
pub use header::{Header, Validation};
pub use state::State;

/// Name of the folder of checkpoints in that of a run.
pub const CHECKPOINTS: &str = "checkpoints";
/// Name of the state file in a checkpoint.
pub const STATE: &str = "state.ebs";
const PREFIX: &str = "step-";
const UNFINISHED: &str = ".unfinished-";

/// The folder of a run's checkpoints.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    keep: usize,
}

impl Store {
    /// Checkpoints of the run in `out`, of which the newest `keep` stay.
    pub fn new(out: &Path, keep: usize) -> Self {
        Self { folder: out.join(CHECKPOINTS), keep: keep.max(1) }
    }

    /// Finished checkpoints with their steps, oldest first.
    pub fn list(&self) -> Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        if !self.folder.exists() {
            return Ok(found);
        }
        let unreadable = || format!("cannot read the folder {}", self.folder.display());
        for entry in fs::read_dir(&self.folder).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if let Some(step) = name.strip_prefix(PREFIX).and_then(|n| n.parse().ok()) {
                found.push((step, path));
            }
        }
        found.sort();
        Ok(found)
    }

    /// The newest checkpoint's state.
    pub fn latest(&self) -> Result<State> {
        let list = self.list()?;
        let Some((step, path)) = list.last() else {
            bail!("{} holds no checkpoint to resume from", self.folder.display());
        };
        let state = State::read(&path.join(STATE)).with_context(|| match list.len().checked_sub(2) {
            Some(i) => format!(
                "the newest checkpoint cannot be used; remove {} to resume from step {}",
                path.display(),
                list[i].0
            ),
            None => String::from("the only checkpoint cannot be used; start the run anew"),
        })?;
        if state.header.step != *step {
            bail!(
                "{} holds the state of step {}, not {step}: was the folder renamed?",
                path.display(),
                state.header.step
            );
        }
        Ok(state)
    }

    /// Writes a checkpoint; `model` writes the model file. Returns its folder.
    pub fn write(&self, state: &State, model: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let path = self.folder.join(format!("{PREFIX}{:08}", state.header.step));
        if path.join(STATE).exists() {
            self.sweep()?;
            self.prune()?;
            return Ok(path);
        }
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot create {}", self.folder.display()))?;
        let unfinished = self.folder.join(format!("{UNFINISHED}{:08}", state.header.step));
        self.sweep()?;
        fs::create_dir(&unfinished).with_context(|| format!("cannot create {}", unfinished.display()))?;
        let written = (|| {
            file::write(&unfinished.join(STATE), |out| state.write(out))?;
            model(&unfinished.join(MODEL_FILE))?;
            sync_folder(&unfinished);
            in_use::rename(&unfinished, &path).with_context(|| format!("cannot finish {}", path.display()))
        })();
        if let Err(error) = written {
            // the disk may be full: give back what the failed attempt took
            let _ = fs::remove_dir_all(&unfinished);
            return Err(error.context("this checkpoint was not saved; earlier ones are intact"));
        }
        sync_folder(&self.folder);
        self.prune()?;
        Ok(path)
    }

    /// Removes what killed processes left.
    fn sweep(&self) -> Result<()> {
        let unreadable = || format!("cannot read the folder {}", self.folder.display());
        for entry in fs::read_dir(&self.folder).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            if path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(UNFINISHED)) {
                fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// Removes the oldest checkpoints. One that another program uses stays until the next is written.
    fn prune(&self) -> Result<()> {
        let list = self.list()?;
        for (step, path) in list.iter().take(list.len().saturating_sub(self.keep)) {
            // first out of the list as a whole: a checkpoint of which a part is gone would be one that cannot be used
            let removed = self.folder.join(format!("{UNFINISHED}{step:08}"));
            match fs::rename(path, &removed).and_then(|()| fs::remove_dir_all(&removed)) {
                Err(error) if !in_use::is_in_use(&error) => {
                    return Err(error).with_context(|| format!("cannot remove the old checkpoint {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Flushes a folder's entries. Not every file system can; the rename is atomic all the same.
fn sync_folder(path: &Path) {
    let _ = File::open(path).and_then(|f| f.sync_all());
}
