//! The model file `.ebt`: weights, configuration, objective, tokenizer and origin in one safetensors file.
//!
//! What makes a file a model file is in its strings ([`format`](mod@crate::format)), not in its name.

mod check;
mod loaded;
mod read;
mod save;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub use check::{check_tokenizer, check_vocabulary};
pub use loaded::LoadedModel;
pub use read::{FORMAT, ModelFile, config, objective};
pub use save::{Contents, save, write};

/// Name of the model file inside a run or checkpoint folder.
pub const MODEL_FILE: &str = "model.ebt";

/// The model file meant by `path`: a file itself, or `model.ebt` in a run or checkpoint folder.
///
/// # Errors
///
/// A path that does not exist, and a folder without a model file.
pub fn locate(path: &Path) -> Result<PathBuf> {
    if !path.try_exists().with_context(|| format!("cannot read {}", path.display()))? {
        bail!("{} does not exist", path.display());
    }
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let found = [path.join(MODEL_FILE), path.join("checkpoint").join(MODEL_FILE)].into_iter().find(|p| p.is_file());
    found.with_context(|| format!("the folder {} holds no {MODEL_FILE}", path.display()))
}

/// Loads a model from a model file, or from a run or checkpoint folder.
///
/// # Errors
///
/// A file that cannot be read or is not a sound model file; the message names it.
pub fn load(path: &Path) -> Result<LoadedModel> {
    ModelFile::open(&locate(path)?)?.load(|_| false)
}
