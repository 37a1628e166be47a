//! Damaged text that a run learns to restore.

use ebt_tokenizer::letters::Damage;
use serde::{Deserialize, Serialize};

/// What is done to the text that a run learns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestoreConfig {
    /// What happens to it.
    pub damage: Damage,
    /// Share of sequences in which every second Turkish letter, drawn at random, was typed right.
    pub kept: f64,
    /// Smallest and largest share of letters that are lost, where letters are.
    pub missing: [f64; 2],
}

impl Default for RestoreConfig {
    fn default() -> Self {
        Self { damage: Damage::Ascii, kept: 0.2, missing: [0.05, 0.6] }
    }
}
