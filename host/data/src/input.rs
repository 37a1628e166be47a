//! What the paths of a command mean: text to encode, or prepared data.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::encoder::Encoder;
use super::shard::manifest::{MANIFEST_FILE, Manifest, Prepared, Split, TOKENIZER_FILE};
use super::{Tokens, program, text};

/// Input of one kind.
#[derive(Clone, Debug)]
pub enum Input {
    /// The text that the program brings along.
    Sample,
    /// Text files, folders of text files and globs.
    Text(Vec<PathBuf>),
    /// Folders of prepared data.
    Prepared(Vec<Prepared>),
}

impl Input {
    /// What messages call the text that the program brings along.
    pub const SAMPLE: &str = "the sample text";

    /// Looks at paths; none mean the sample text.
    ///
    /// # Errors
    ///
    /// A path that means nothing, text mixed with prepared data, prepared data that is not whole or a part of a corpus, a
    /// shard without its folder.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        for path in paths {
            if path.is_file() && belongs_to_prepared(path) {
                bail!("{} is a part of prepared data, which are read whole: name the folder", path.display());
            }
            if !Manifest::exists(path) && holds_shards(path) {
                bail!(
                    "{} holds shards but no {MANIFEST_FILE}: the data are not ready; run the same `{} data prepare` again to finish them",
                    path.display(),
                    program::name()
                );
            }
        }
        let (mut prepared, mut text) = (Vec::new(), Vec::new());
        for name in paths {
            let (folders, others): (Vec<_>, Vec<_>) =
                text::expand(name)?.into_iter().partition(|path| Manifest::exists(path));
            prepared.extend(folders);
            text.extend((!others.is_empty()).then(|| name.clone()));
        }
        match (prepared.as_slice(), text.as_slice()) {
            ([], []) => Ok(Self::Sample),
            ([], _) => Ok(Self::Text(text)),
            (_, []) => Ok(Self::Prepared(prepared.iter().map(|path| whole(path)).collect::<Result<_>>()?)),
            ([folder, ..], [file, ..]) => bail!(
                "{} is prepared data, {} is not; they cannot be mixed (prepare the text too)",
                folder.display(),
                file.display()
            ),
        }
    }

    /// Opens the stream: encodes text, maps the shards of `split`. `purpose` names it in messages.
    ///
    /// # Errors
    ///
    /// Prepared data of another tokenizer, no documents, and as [`Tokens::read`] and [`Tokens::mapped`].
    pub fn tokens(&self, purpose: &str, split: Split, encoder: &impl Encoder) -> Result<Tokens> {
        let folders = match self {
            Self::Sample => return Tokens::of(&sample(split)?, encoder),
            Self::Text(paths) => return Tokens::read(purpose, paths, encoder),
            Self::Prepared(folders) => folders,
        };
        for folder in folders {
            match encoder.tokenizer() {
                Some(tokenizer) => folder.check_tokenizer(tokenizer)?,
                None => bail!("{} holds tokens, but letters are wanted: name the text itself", folder.folder.display()),
            }
        }
        let tokens = Tokens::mapped(folders, split)?;
        if tokens.bytes() == 0 {
            let names: Vec<PathBuf> = folders.iter().map(|f| f.folder.clone()).collect();
            let remedy = match split {
                Split::Train => "prepare it with a smaller --validation share",
                Split::Validation => {
                    "name other text (--validation PATH), or prepare it with a larger --validation share"
                }
            };
            bail!("{} holds no {purpose} documents: {remedy}", text::names(&names));
        }
        Ok(tokens)
    }
}

/// Opens prepared data of a whole corpus.
fn whole(folder: &Path) -> Result<Prepared> {
    let prepared = Prepared::open(folder)?;
    match &prepared.manifest.part {
        None => Ok(prepared),
        Some(part) => bail!(
            "{} is part {} of {} of a corpus: `{} data merge` makes data of all parts together",
            folder.display(),
            part.number,
            part.of,
            program::name()
        ),
    }
}

/// Documents of the text that the program brings along, by source.
///
/// # Errors
///
/// None: the text was checked when it was put there.
fn sample(split: Split) -> Result<Vec<(String, Vec<String>)>> {
    let texts = match split {
        Split::Train => ebt_fixtures::TRAIN,
        Split::Validation => ebt_fixtures::VALIDATION,
    };
    let documents = |text: &'static ebt_fixtures::Text| {
        let name = format!("sample text, {}", text.source);
        let documents = text::documents(&name, text.text)?;
        Ok((name, documents))
    };
    texts.iter().map(documents).collect()
}

/// The folders of prepared data that paths mean, those before the first of them that means nothing.
pub fn prepared(paths: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    let meant = paths.iter().map_while(|path| text::expand(path).ok()).flatten();
    meant.filter(|path| Manifest::exists(path))
}

/// Extension of a shard.
const SHARD: &str = "tokens";

/// Whether a file is one that makes up prepared data, rather than text beside them.
fn belongs_to_prepared(file: &Path) -> bool {
    let named = [MANIFEST_FILE, TOKENIZER_FILE].iter().any(|name| file.file_name().is_some_and(|own| own == *name));
    file.extension().is_some_and(|e| e == SHARD) || named && file.parent().is_some_and(Manifest::exists)
}

/// Whether a folder holds shards directly.
fn holds_shards(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| entry.path().extension().is_some_and(|e| e == SHARD))
}
