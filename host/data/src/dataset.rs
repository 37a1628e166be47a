//! Everything a run reads: which text and tokenizer are meant, and both of them opened.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt_tokenizer::{Special, Tokenizer, TokenizerError};
use serde::{Deserialize, Serialize};

use crate::blocks::Documents;
use crate::input::{Input, prepared};
use crate::shard::manifest::{Prepared, Split};
use crate::text;
use crate::tokens::Tokens;

/// Text and tokenizer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Text files, folders of them, globs, or folders of prepared data, to train on. Empty: the sample text of
    /// [`ebt_fixtures`].
    pub train: Vec<PathBuf>,
    /// Text files or folders to measure on. Empty: what prepared training data hold for it, else the sample text.
    pub validation: Vec<PathBuf>,
    /// A `tokenizer.json`. None: that of prepared training data, else the tokenizer of [`ebt_fixtures`].
    pub tokenizer: Option<PathBuf>,
    /// How documents become training sequences.
    pub documents: Documents,
    /// Tokens from the start of a sequence to that of the next; smaller than the context, sequences overlap; larger,
    /// tokens between them are skipped. 0 = the context.
    pub stride: usize,
    /// Whether attention stays inside a document.
    pub isolate_documents: bool,
}

/// Everything a run reads.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Text to token ids.
    pub tokenizer: Tokenizer,
    /// Text to train on, at least one sequence of it.
    pub train: Tokens,
    /// Text to measure on.
    pub validation: Tokens,
}

impl Dataset {
    /// Opens text that was located, for sequences of `context` positions, and checks that it is long enough.
    ///
    /// Prepared data bring validation text unless other is named; beside text files it is that of the sample.
    ///
    /// # Errors
    ///
    /// Text that cannot be read, prepared data of another tokenizer, less text than one sequence, and padded documents
    /// with a tokenizer that has nothing to pad with.
    pub fn load(config: &DataConfig, tokenizer: Tokenizer, context: usize) -> Result<Self> {
        let train = Input::open(&config.train)?;
        let validation = match config.validation.as_slice() {
            [] if matches!(train, Input::Text(_)) => {
                Input::Sample.tokens("validation", Split::Validation, &tokenizer)?
            }
            [] => train.tokens("validation", Split::Validation, &tokenizer)?,
            paths => Input::open(paths)?.tokens("validation", Split::Validation, &tokenizer)?,
        };
        let train = train.tokens("training", Split::Train, &tokenizer)?;
        let data = Self { tokenizer, train, validation };
        data.check(config, context)?;
        Ok(data)
    }

    /// Refuses a stream without a single sequence, and padding that could not be distinguished from text.
    fn check(&self, config: &DataConfig, context: usize) -> Result<()> {
        let need = context as u64 + 1;
        match config.documents {
            Documents::Packed if self.train.len() < need => bail!(
                "the training text is too short: {} tokens in {}, but one sequence needs {need} (context {} and the next token)",
                self.train.len(),
                if config.train.is_empty() { Input::SAMPLE.to_owned() } else { text::names(&config.train) },
                need - 1
            ),
            Documents::Padded if self.tokenizer.special(Special::Pad).is_none() => {
                bail!(
                    "`data.documents` is \"padded\", but the tokenizer has no {} token to fill rows with",
                    Special::Pad
                )
            }
            _ => Ok(()),
        }
    }
}

impl DataConfig {
    /// Makes all paths absolute, and loads the tokenizer.
    ///
    /// # Errors
    ///
    /// Paths that cannot be read, and as [`tokenizer`].
    pub fn locate(&mut self) -> Result<Tokenizer> {
        self.locate_text()?;
        self.tokenizer.as_deref().map(text::input::absolute).transpose()?;
        tokenizer(self)
    }

    /// Makes the paths of text absolute.
    ///
    /// # Errors
    ///
    /// Paths that cannot be read.
    pub fn locate_text(&mut self) -> Result<()> {
        for (flag, key, paths) in
            [("--data", "train", &mut self.train), ("--validation", "validation", &mut self.validation)]
        {
            for path in paths {
                *path = text::input::absolute(path)?;
                // before anything is concluded from the path not being prepared data
                text::expand(path).with_context(|| {
                    format!("`data.{key}` cannot be read; if it was moved, say with {flag} where it is")
                })?;
            }
        }
        Ok(())
    }
}

/// Loads the tokenizer: the named one, that of prepared training data, or the shipped one. The path of a named file is
/// made absolute.
pub fn tokenizer(data: &mut DataConfig) -> Result<Tokenizer> {
    if data.tokenizer.is_none()
        && let Some(folder) = prepared(&data.train).next()
    {
        return Ok(Prepared::open(&folder)?.tokenizer);
    }
    match &data.tokenizer {
        None => Ok(Tokenizer::from_json(ebt_fixtures::TOKENIZER)?),
        Some(path) => {
            let moved = "the tokenizer cannot be read; if it was moved, say with --tokenizer where it is";
            let tokenizer = named(path).map_err(|error| match error {
                TokenizerError::Read { .. } => anyhow::Error::new(error).context(moved),
                other => other.into(),
            })?;
            if !is_full(path) {
                data.tokenizer = Some(std::path::absolute(path)?);
            }
            Ok(tokenizer)
        }
    }
}

/// The tokenizer of a file, or the shipped one that is called `full` where no file is.
///
/// # Errors
///
/// A file that cannot be read or used; the message names it.
pub fn named(path: &Path) -> Result<Tokenizer, TokenizerError> {
    if is_full(path) { Tokenizer::from_json(ebt_fixtures::FULL_TOKENIZER) } else { Tokenizer::from_file(path) }
}

fn is_full(path: &Path) -> bool {
    path == Path::new(FULL) && !path.exists()
}

/// The name that means the shipped tokenizer of 32,768 tokens.
const FULL: &str = "full";
