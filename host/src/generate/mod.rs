//! Text generation: with a cache on the processor ([`cached`]), and without one on any backend ([`uncached`]).

pub mod cached;
pub mod certificate;
mod uncached;

use anyhow::{Result, bail};
use ebt_tokenizer::{Special, Tokenizer};
use serde::{Deserialize, Serialize};

use crate::sampling::Sampling;

pub use uncached::generate;

/// How to generate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GenerateOptions {
    /// Most tokens to generate.
    pub tokens: usize,
    /// Descent steps of every token; 0 = as many as in training.
    pub steps: usize,
    /// How a token is chosen.
    pub sampling: Sampling,
    /// Seed of initial states and of draws.
    pub seed: u64,
}

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The asked number of tokens was reached.
    Length,
    /// The model ended the document, or began the next one.
    End,
}

/// A generated token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Generated {
    /// Its id.
    pub id: u32,
    /// Its probability among the tokens that could be drawn.
    pub probability: f64,
    /// Energies of the descent's states before every step, at this position; empty for the baseline.
    pub energies: Vec<f64>,
}

/// Ids that control rather than spell.
struct Control {
    begin: u32,
    ends: Vec<u32>,
    banned: Vec<u32>,
}

impl Control {
    fn of(tokenizer: &Tokenizer) -> Result<Self> {
        let Some(begin) = tokenizer.special(Special::Begin) else {
            bail!("the tokenizer has no {} token, which has to stand before every text", Special::Begin);
        };
        let mut control = Self { begin, ends: Vec::new(), banned: Vec::new() };
        for special in Special::ALL {
            let list = match special {
                // training text is a sequence of documents, each after a begin token
                Special::End | Special::Begin => &mut control.ends,
                _ => &mut control.banned,
            };
            list.extend(tokenizer.special(special));
        }
        Ok(control)
    }

    /// The begin token and `prompt`.
    fn start(&self, tokenizer: &Tokenizer, prompt: &str) -> Result<Vec<u32>> {
        let mut ids = vec![self.begin];
        ids.extend(tokenizer.encode(prompt)?);
        Ok(ids)
    }

    /// Whether a token can be generated.
    fn exists(&self, tokenizer: &Tokenizer, id: u32) -> bool {
        tokenizer.token_bytes(id).is_some() && !self.banned.contains(&id)
    }
}

/// The begin token and `prompt`: what stands before the first generated token.
///
/// # Errors
///
/// A tokenizer without a begin token.
pub fn prompt_tokens(tokenizer: &Tokenizer, prompt: &str) -> Result<Vec<u32>> {
    Control::of(tokenizer)?.start(tokenizer, prompt)
}
