//! Which language a document is in: a build without the feature `language` cannot tell.

use anyhow::Result;
use ebt_data::program;

/// A language that can be recognised: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {}

impl Language {
    /// The language of a code.
    ///
    /// # Errors
    ///
    /// Always: what brings the feature.
    pub fn of_code(code: &str) -> Result<Self> {
        Err(program::lacks(&format!("recognising the language {code:?}"), "language"))
    }

    /// The code of three letters.
    pub fn code(self) -> &'static str {
        match self {}
    }

    /// Whether a text is not certainly in another language.
    pub fn admits(self, _: &str) -> bool {
        match self {}
    }
}
