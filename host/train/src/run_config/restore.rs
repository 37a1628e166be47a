//! Damaged text that a run learns to restore.

use ebt_tokenizer::letters::Damage;
use serde::{Deserialize, Serialize};

/// What is done to the text that a run learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestoreConfig {
    /// What happens to it; what the model is measured on.
    pub damage: Damage,
    /// What happens to other sequences, each of these as often as `damage`.
    pub others: Vec<Damage>,
    /// Share of sequences in which every second Turkish letter, drawn at random, was typed right.
    pub kept: f64,
    /// Smallest and largest share of letters that are damaged, where not all that can be are: lost, mistyped, misread.
    pub share: [f64; 2],
    /// Most bytes of the table of the training text's words, which goes with the model and says beforehand how a word is mostly
    /// written, and how rarer ones begin; 0: none, as where letters are lost or mistaken.
    pub words: usize,
    /// Share of words that training hides from the table, so that the model learns words that it does not hold; of a third of them the
    /// beginning is hidden, too.
    pub unknown: f64,
}

impl Default for RestoreConfig {
    fn default() -> Self {
        Self { damage: Damage::Ascii, others: Vec::new(), kept: 0.2, share: [0.02, 0.3], words: 0, unknown: 0.3 }
    }
}
