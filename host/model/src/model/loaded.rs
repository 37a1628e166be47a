//! A model in memory.

use anyhow::{Result, bail};
use ebt_core::compute::Backend;
use ebt_core::config::Config;
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use ebt_tokenizer::Tokenizer;

use super::check::{check_tokenizer, check_vocabulary};
use crate::format::fingerprint_text;

/// A model in memory.
#[derive(Clone, Debug)]
pub struct LoadedModel {
    /// Sizes and semantics.
    pub config: Config,
    /// How it was trained; inference takes its defaults from here.
    pub objective: Objective,
    /// Names and shapes of the parameters.
    pub layout: ParameterLayout,
    /// Weights in layout order, each row-major `(rows, columns)`. In a model from training: the moving average.
    pub weights: Vec<Vec<f32>>,
    /// Text to tokens, if the file holds it.
    pub tokenizer: Option<Tokenizer>,
    /// Fingerprint of the tokenizer that the weights go with, if it is known; where there is a tokenizer, its own.
    pub fingerprint: Option<u64>,
    /// Table of words ([`ebt_tokenizer::letters::words`]) of a model of letters, if it has one.
    pub words: Option<Vec<u8>>,
    /// Where the model comes from, as (key, value) pairs.
    pub provenance: Vec<(String, String)>,
}

impl LoadedModel {
    /// Gives the model its tokenizer, called `name` in messages.
    ///
    /// # Errors
    ///
    /// A tokenizer other than the one that the weights go with, or with ids that the model does not have.
    pub fn take_tokenizer(&mut self, tokenizer: Tokenizer, name: &str) -> Result<()> {
        check_tokenizer(self.fingerprint, &tokenizer, name)?;
        check_vocabulary(&self.config, &tokenizer)?;
        self.fingerprint = Some(tokenizer.fingerprint());
        self.tokenizer = Some(tokenizer);
        Ok(())
    }

    /// Copies the weights to a device, in layout order.
    ///
    /// # Errors
    ///
    /// A device failure.
    pub fn upload<B: Backend>(&self, b: &B) -> Result<Vec<B::Array>> {
        let entries = self.layout.entries.iter().zip(&self.weights);
        let weights = entries.map(|(e, w)| b.upload(e.rows, e.columns, w)).collect();
        b.status()?;
        Ok(weights)
    }

    /// The tokenizer from the model file, none of whose ids is beyond the model's vocabulary.
    ///
    /// # Errors
    ///
    /// A model without one.
    pub fn tokenizer(&self) -> Result<&Tokenizer> {
        match (&self.tokenizer, self.fingerprint) {
            (Some(tokenizer), _) => Ok(tokenizer),
            (None, Some(fingerprint)) => bail!(
                "the model holds no tokenizer: import it again with --tokenizer and the tokenizer {}",
                fingerprint_text(fingerprint)
            ),
            (None, None) => bail!("the model holds no tokenizer: import it again with --tokenizer tokenizer.json"),
        }
    }
}
