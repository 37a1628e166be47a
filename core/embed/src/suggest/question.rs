//! What is asked, and what is found.

use ebt_tokenizer::compact::CompactTokenizer;

use super::found::{self, Found};
use super::paths::{FOLLOWED, OPEN, Paths};
use crate::engine::Error;
use crate::engine::arena::Arena;
use crate::engine::descent::DescentOptions;
use crate::token_generator::Delimiters;

/// Most bytes of an ending.
pub(super) const MOST_BYTES: usize = 192;

/// Most typed bytes since the last safe border whose cuts are summed over; of more the tokens in front are taken as the tokenizer cuts
/// them.
pub(crate) const MOST_TYPED: usize = 64;

/// How long and how widely endings are looked for; it fixes the memory of a search.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SuggestOptions {
    /// Most endings that are given.
    pub words: usize,
    /// Most evaluations of the model, at least 1.
    pub evaluations: usize,
    /// Paths of tokens, and as many endings, that are held at a time; where there are more the least are lost.
    pub paths: usize,
    /// Most bytes of an ending, 1 to 192.
    pub bytes: usize,
    /// The search ends when no open path promises this multiple of the probability of the last ending that is asked for. At 0 every
    /// path is followed.
    pub least: f32,
}

impl Default for SuggestOptions {
    fn default() -> Self {
        Self { words: 5, evaluations: 64, paths: 256, bytes: 64, least: 1.0 }
    }
}

/// A way to finish a text to the end of its last word, or by a whole word.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Suggestion<'s> {
    /// What comes behind the text: the rest of its last word, nothing where that is complete, or a word. After punctuation a space may
    /// stand before it.
    pub ending: &'s str,
    /// The probability that the text goes on so and that its word ends there, given the text and among the paths that were followed.
    pub probability: f32,
}

/// What a search did.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Suggested {
    /// Suggestions that were given.
    pub words: usize,
    /// Evaluations of the model: descents to the distribution of a token.
    pub evaluations: usize,
    /// Tokens that were observed, those of the text since its border and before included.
    pub observed: usize,
}

impl SuggestOptions {
    /// Refuses what cannot be run.
    ///
    /// # Errors
    ///
    /// The first field out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        for (field, x, most, requirement) in [
            ("words", self.words, self.paths, "must lie between 1 and `paths`"),
            ("evaluations", self.evaluations, 65_536, "must lie between 1 and 65536"),
            ("paths", self.paths, 65_536, "must lie between 1 and 65536"),
            ("bytes", self.bytes, MOST_BYTES, "must lie between 1 and 192"),
        ] {
            if !(1..=most).contains(&x) {
                return Err(Error::Option { field, requirement });
            }
        }
        let fine = self.least.is_finite() && self.least >= 0.0;
        if fine {
            Ok(())
        } else {
            Err(Error::Option { field: "least", requirement: "must be finite and not negative" })
        }
    }

    /// Bytes of memory that a search takes.
    ///
    /// # Errors
    ///
    /// As [`Self::validate`], and a size beyond the address space.
    pub fn bytes_needed(&self) -> Result<usize, Error> {
        let mut arena = Arena::measure();
        self.parts(&mut arena)?;
        Ok(arena.used())
    }

    pub(super) fn parts<'s>(&self, arena: &mut Arena<'s>) -> Result<(Paths<'s>, Found<'s>), Error> {
        self.validate()?;
        let mut words = |n: usize, size| arena.words(n.checked_mul(size).ok_or(Error::Size { what: "paths" })?);
        let (open, followed) = (words(self.paths, OPEN)?, words(self.evaluations, FOLLOWED)?);
        let found = words(self.paths, found::size(self.bytes))?;
        Ok((Paths::new(open, followed), Found::new(found, self.bytes)))
    }
}

/// What is looked for: how `text` goes on, of which `rest`, bytes at its end, were not observed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'q> {
    pub text: &'q str,
    pub rest: &'q [u8],
    pub tokenizer: &'q CompactTokenizer<'q>,
    pub delimiters: Delimiters,
    pub think: &'q DescentOptions,
    pub options: &'q SuggestOptions,
    /// Tokens that may be observed and taken back.
    pub room: usize,
}
