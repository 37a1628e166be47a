//! Paths that are written down.

use std::path::Path;

use anyhow::{Result, bail};

/// Refuses paths whose names are no text: they cannot be written into configurations, manifests and results.
///
/// # Errors
///
/// The first such path.
pub fn refuse_unnamed<'a>(mut paths: impl Iterator<Item = &'a Path>) -> Result<()> {
    match paths.find(|path| path.to_str().is_none()) {
        Some(path) => bail!("{} has a name that is not UTF-8 text; rename it", path.display()),
        None => Ok(()),
    }
}
