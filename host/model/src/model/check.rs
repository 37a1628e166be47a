//! Whether a tokenizer goes with weights.

use anyhow::{Result, bail};
use ebt_core::config::Config;
use ebt_tokenizer::Tokenizer;

use crate::format::fingerprint_text;

/// Refuses a tokenizer with ids that the model does not have.
///
/// # Errors
///
/// Both sizes in a sentence.
pub fn check_vocabulary(config: &Config, tokenizer: &Tokenizer) -> Result<()> {
    let (tokens, vocab) = (tokenizer.vocabulary_size(), config.vocab);
    if tokens > vocab {
        bail!("the tokenizer has {tokens} tokens, but the model's vocabulary (`vocab`) holds {vocab}");
    }
    Ok(())
}

/// Refuses a tokenizer, called `what`, other than the one with the fingerprint that weights go with.
///
/// # Errors
///
/// Both fingerprints in a sentence.
pub fn check_tokenizer(expected: Option<u64>, tokenizer: &Tokenizer, what: &str) -> Result<()> {
    let found = tokenizer.fingerprint();
    match expected {
        Some(expected) if expected != found => bail!(
            "the weights go with the tokenizer {}, but {what} is {} of {} tokens, whose ids mean other text",
            fingerprint_text(expected),
            fingerprint_text(found),
            tokenizer.vocabulary_size()
        ),
        _ => Ok(()),
    }
}
