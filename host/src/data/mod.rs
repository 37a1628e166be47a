//! From text files to batches: [`text`] (files to documents), [`tokens`] (documents to one token stream), [`batches`]
//! (the stream in shuffled blocks), [`baselines`] (what a table of counts already predicts).

pub mod baselines;
pub mod batches;
pub mod text;
pub mod tokens;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use ebt_tokenizer::Tokenizer;

use crate::run_config::{DataConfig, RunConfig};
pub use batches::Batches;
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
    /// Reads tokenizer and text, takes an open vocabulary from the tokenizer, checks that the text is long enough.
    pub fn load(config: &mut RunConfig) -> Result<Self> {
        locate(&mut config.data)?;
        let tokenizer = tokenizer(&mut config.data)?;
        config.fit_vocabulary(tokenizer.vocabulary_size())?;
        let train = Tokens::read("training", &config.data.train, &tokenizer)?;
        let validation = Tokens::read("validation", &config.data.validation, &tokenizer)?;
        let need = config.context() + 1;
        if train.ids.len() < need {
            bail!(
                "the training text is too short: {} tokens in {}, but one sequence needs {need} (context {} and the next token)",
                train.ids.len(),
                text::names(&config.data.train),
                need - 1
            );
        }
        Ok(Self { tokenizer, train, validation })
    }
}

/// Fills in the sample text where nothing is given, and makes all paths absolute.
fn locate(data: &mut DataConfig) -> Result<()> {
    if data.train.is_empty() || data.validation.is_empty() {
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
    }
    Ok(())
}

/// Loads the tokenizer, the sample one where none is given, and makes its path absolute.
pub fn tokenizer(data: &mut DataConfig) -> Result<Tokenizer> {
    let Some(path) = data.tokenizer.take().or_else(|| fixtures("tokenizer.json")) else {
        bail!(
            "no tokenizer: fixtures/tokenizer.json is neither in the current folder nor in {}; give --tokenizer FILE",
            source_fixtures().display()
        );
    };
    let path = std::path::absolute(path)?;
    let tokenizer = Tokenizer::from_file(&path)?;
    data.tokenizer = Some(path);
    Ok(tokenizer)
}

/// `fixtures/<name>` in the current folder or beside the sources.
fn fixtures(name: &str) -> Option<PathBuf> {
    [PathBuf::from("fixtures"), source_fixtures()].into_iter().map(|root| root.join(name)).find(|path| path.exists())
}

fn source_fixtures() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    sources.parent().unwrap_or(sources).join("fixtures")
}
