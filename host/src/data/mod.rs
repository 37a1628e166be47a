//! From text to batches: [`input`] (what the paths of a command mean), [`text`] (files to documents), [`shard`] (documents
//! prepared beforehand), [`tokens`] (either as one token stream), [`blocks`] and [`batches`] (the stream in shuffled
//! sequences), [`loader`] (batches gathered ahead), [`baselines`] (what a table of counts already predicts).

pub mod baselines;
pub mod batches;
pub mod blocks;
pub mod input;
pub mod loader;
pub mod part;
mod sample;
pub mod shard;
pub mod shuffle;
pub mod text;
pub mod tokens;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt_tokenizer::{Special, Tokenizer, TokenizerError};

use crate::run_config::{DataConfig, Documents, RunConfig};
pub use batches::{BatchOptions, Batches, Worker};
pub use input::Input;
pub use loader::Loader;
use shard::Manifest;
use shard::manifest::{Prepared, Split};
pub use tokens::Tokens;

/// Everything a run reads.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Text to token ids.
    pub tokenizer: Tokenizer,
    /// Training text.
    pub train: Tokens,
    /// Text to measure on.
    pub validation: Tokens,
}

impl Dataset {
    /// Opens tokenizer and text, takes an open vocabulary from the tokenizer, checks that the text is long enough.
    ///
    /// Prepared data bring their own tokenizer, and validation text unless other is named.
    pub fn load(config: &mut RunConfig) -> Result<Self> {
        locate(&mut config.data)?;
        let tokenizer = tokenizer(&mut config.data)?;
        config.fit_vocabulary(tokenizer.vocabulary_size())?;
        let train = Input::open(&config.data.train)?;
        let validation = match config.data.validation.as_slice() {
            [] => train.tokens("validation", Split::Validation, &tokenizer)?,
            paths => Input::open(paths)?.tokens("validation", Split::Validation, &tokenizer)?,
        };
        let train = train.tokens("training", Split::Train, &tokenizer)?;
        let data = Self { tokenizer, train, validation };
        data.check(config)?;
        Ok(data)
    }

    /// The batches of a run.
    pub fn batches(&self, config: &RunConfig) -> Batches {
        let options = BatchOptions {
            batch: config.sequences(),
            context: config.context(),
            stride: config.data.stride,
            documents: config.data.documents,
            isolate: config.data.isolate_documents,
            pad: self.tokenizer.special(Special::Pad).unwrap_or_default(),
            seed: config.train.seed,
            worker: Worker::ALONE,
        };
        Batches::new(&self.train, options)
    }

    /// Refuses a stream without a single sequence, and padding that could not be told from text.
    fn check(&self, config: &RunConfig) -> Result<()> {
        let need = config.context() as u64 + 1;
        match config.data.documents {
            Documents::Packed if self.train.len() < need => bail!(
                "the training text is too short: {} tokens in {}, but one sequence needs {need} (context {} and the next token)",
                self.train.len(),
                text::names(&config.data.train),
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

/// Fills in the sample text where nothing is given, and makes all paths absolute.
fn locate(data: &mut DataConfig) -> Result<()> {
    let own_validation = data.train.iter().any(|path| Manifest::exists(path));
    if data.train.is_empty() || data.validation.is_empty() && !own_validation {
        let Some(root) = fixtures("turkish") else {
            bail!(
                "no text to train on: the sample text fixtures/turkish is neither in the current folder nor in {}; \
                 give --data PATH... and --validation PATH...",
                source_fixtures().display()
            );
        };
        match (data.train.is_empty(), data.validation.is_empty()) {
            (true, true) => (data.train, data.validation) = (vec![root.join("train")], vec![root.join("validation")]),
            (true, false) => data.train = vec![root.join("train")],
            (false, _) => data.validation = vec![root.join("validation")],
        }
    }
    for path in data.train.iter_mut().chain(&mut data.validation) {
        *path = std::path::absolute(&*path)?;
        // before anything is concluded from the path not being prepared data
        std::fs::metadata(&*path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(())
}

/// Loads the tokenizer: the named one, that of prepared training data, or the shipped one. The path of a named file is
/// made absolute.
pub fn tokenizer(data: &mut DataConfig) -> Result<Tokenizer> {
    if data.tokenizer.is_none()
        && let Some(folder) = data.train.iter().find(|path| Manifest::exists(path))
    {
        return Ok(Prepared::open(folder)?.tokenizer);
    }
    match &data.tokenizer {
        None => Ok(Tokenizer::from_json(SHIPPED)?),
        Some(path) => {
            let tokenizer = named(path)?;
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
    if is_full(path) { Tokenizer::from_json(SHIPPED_FULL) } else { Tokenizer::from_file(path) }
}

fn is_full(path: &Path) -> bool {
    path == Path::new(FULL) && !path.exists()
}

/// The tokenizer of the sample, which is taken where none is named: 4,096 tokens.
const SHIPPED: &[u8] = include_bytes!("../../../fixtures/tokenizer.json");
/// The name that means the shipped tokenizer of 32,768 tokens.
const FULL: &str = "full";
const SHIPPED_FULL: &[u8] = include_bytes!("../../../fixtures/tokenizer-32k.json");

/// `fixtures/<name>` in the current folder or beside the sources.
fn fixtures(name: &str) -> Option<PathBuf> {
    [PathBuf::from("fixtures"), source_fixtures()].into_iter().map(|root| root.join(name)).find(|path| path.exists())
}

fn source_fixtures() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    sources.parent().unwrap_or(sources).join("fixtures")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Tokens;
    use super::part::Encoded;

    /// Begins the documents of test streams.
    pub const BEGIN: u32 = 0;
    /// A token that no test stream holds.
    pub const PAD: u32 = 1;

    /// Documents with these tokens.
    pub fn tokens_of(documents: &[&[u32]], vocabulary: usize) -> Tokens {
        let mut all = Encoded::default();
        documents.iter().for_each(|ids| all.push(BEGIN, ids, 3 * ids.len() as u64, 0));
        Tokens::new(all, vec![String::from("test")], BEGIN, vocabulary)
    }

    /// Documents of these lengths; ids from 2 on, each once.
    pub fn stream(lengths: &[usize]) -> Tokens {
        numbered(lengths, 1 << 20)
    }

    /// The same, with the last three ids outside the vocabulary.
    pub fn damaged(lengths: &[usize]) -> Tokens {
        numbered(lengths, 2 + lengths.iter().sum::<usize>() - 3)
    }

    fn numbered(lengths: &[usize], vocabulary: usize) -> Tokens {
        let mut next = 2..;
        let documents: Vec<Vec<u32>> = lengths.iter().map(|&n| next.by_ref().take(n).collect()).collect();
        tokens_of(&documents.iter().map(Vec::as_slice).collect::<Vec<_>>(), vocabulary)
    }
}
