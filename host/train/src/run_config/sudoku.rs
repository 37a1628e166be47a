//! Boards that a run learns, and those that it is measured on.

use serde::{Deserialize, Serialize};

/// Which boards a run learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SudokuConfig {
    /// Fewest and most givens of a board that is trained on.
    pub givens: [usize; 2],
    /// Fewest and most givens of a board that is measured on; none of these, nor a symmetric copy, is trained on.
    pub harder: [usize; 2],
    /// Boards that are measured on.
    pub tests: usize,
}

impl Default for SudokuConfig {
    fn default() -> Self {
        Self { givens: [12, 14], harder: [9, 11], tests: 500 }
    }
}
