//! Files that are named by where they lie on the Hugging Face hub.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ebt_corpus::licence::Licence;
use ebt_data::text::{Formats, InputFile};

/// Whether a path is the name of something on the hub.
pub fn is_name(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.starts_with("hf://"))
}

/// The file that is meant: one of this machine as it is named, one of the hub in the cache, fetched unless it is there.
///
/// # Errors
///
/// A name that is none, a hub that cannot be reached or refuses, and in a build without the feature `hub` any name of it.
pub fn local(path: &Path) -> Result<PathBuf> {
    if is_name(path) { fetched(path) } else { Ok(path.to_path_buf()) }
}

#[cfg(feature = "hub")]
fn fetched(path: &Path) -> Result<PathBuf> {
    use ebt_corpus::hub::{self, HubOptions};
    use ebt_data::progress::Terminal;

    let options = HubOptions::from_env(path.to_string_lossy().parse()?)?;
    Ok(hub::fetch(&options, &mut Terminal::default())?.path)
}

/// Files of a repository of the hub.
#[derive(Debug)]
pub struct Files {
    /// The files, of one source, `NAME@COMMIT`.
    pub inputs: Vec<InputFile>,
    /// The licence that the card of the repository names.
    pub licence: Option<Licence>,
}

/// The files that the name of a data set on the hub means, in the cache, fetched unless they are there; `most` is the sum of
/// their bytes that is allowed. Of what a glob means only files of known formats are read, and no `README.md`.
///
/// # Errors
///
/// As [`local`], and a glob that means no such file.
#[cfg(feature = "hub")]
pub fn files(path: &Path, formats: Formats, most: u64, quiet: bool) -> Result<Files> {
    use ebt_corpus::hub::{self, HubOptions};
    use ebt_data::progress::Terminal;
    use ebt_data::text::format::Name;

    let options = HubOptions::from_env(path.to_string_lossy().parse()?)?;
    let mut progress = if quiet { Terminal::of_notes() } else { Terminal::default() };
    let known = |file: &str| {
        let is_card = file.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case("readme.md"));
        !is_card && (matches!(formats, Formats::All(_)) || Name::of(Path::new(file)).format.is_some())
    };
    let fetched = hub::fetch_all(&options, most, known, &mut progress)?;
    let name = options.repository.rsplit('/').next().unwrap_or_default();
    let source = format!("{name}@{}", fetched.commit);
    let input = |path: &PathBuf| Ok(InputFile { source: source.clone(), ..InputFile::new(path, formats)? });
    let inputs = fetched.files.iter().map(input).collect::<Result<_>>()?;
    Ok(Files { inputs, licence: fetched.licence.map(|text| Licence::of_source(&source, &text)) })
}

#[cfg(not(feature = "hub"))]
fn fetched(path: &Path) -> Result<PathBuf> {
    Err(ebt_data::program::lacks(&path.display().to_string(), "hub"))
}

/// This build cannot.
///
/// # Errors
///
/// Always; the message says which feature brings it.
#[cfg(not(feature = "hub"))]
pub fn files(path: &Path, _: Formats, _: u64, _: bool) -> Result<Files> {
    Err(ebt_data::program::lacks(&path.display().to_string(), "hub"))
}
