//! The step that cuts text into words.

use serde::Deserialize;

use crate::TokenizerError;
use crate::compact::{LINES, Segmentation, WORDS};

/// The pre-tokenizers that lose no text.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum PreTokenizer {
    /// Writes bytes in the byte alphabet.
    ByteLevel {
        add_prefix_space: bool,
        #[serde(default = "yes")]
        use_regex: bool,
    },
    /// Cuts where a pattern matches.
    Split {
        pattern: Pattern,
        behavior: Behavior,
        #[serde(default)]
        invert: bool,
    },
    /// Cuts digits from the rest.
    Digits,
    /// Several steps in turn.
    Sequence { pretokenizers: Vec<PreTokenizer> },
}

/// What a `Split` looks for.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) enum Pattern {
    String(String),
    Regex(String),
}

/// What a `Split` does with the text its pattern matches.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) enum Behavior {
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

impl PreTokenizer {
    /// Refuses steps that change the text and anything but one byte-level step.
    pub(super) fn check(&self) -> Result<(), TokenizerError> {
        if self.byte_levels()? != 1 {
            let problem = "must hold exactly one `ByteLevel` step";
            return Err(TokenizerError::field("pre_tokenizer", problem));
        }
        Ok(())
    }

    /// The way of cutting of the compact form that does the same, if there is one.
    pub(super) fn segmentation(&self) -> Option<Segmentation> {
        let Self::Sequence { pretokenizers } = self else { return None };
        match pretokenizers.as_slice() {
            [
                Self::Split { pattern: Pattern::Regex(pattern), behavior: Behavior::Isolated, invert: false },
                Self::ByteLevel { add_prefix_space: false, use_regex: false },
            ] => match pattern.as_str() {
                LINES => Some(Segmentation::Lines),
                WORDS => Some(Segmentation::Words),
                _ => None,
            },
            _ => None,
        }
    }

    /// How many byte-level steps there are; an error if a step adds or removes text.
    fn byte_levels(&self) -> Result<usize, TokenizerError> {
        let lossy = |problem| Err(TokenizerError::field("pre_tokenizer", problem));
        match self {
            Self::ByteLevel { add_prefix_space, .. } if *add_prefix_space => {
                lossy("has `add_prefix_space`, which would add a space to the text")
            }
            Self::Split { behavior, .. } if *behavior == Behavior::Removed => {
                lossy("has a `Split` step that removes text")
            }
            Self::ByteLevel { .. } => Ok(1),
            Self::Split { .. } | Self::Digits => Ok(0),
            Self::Sequence { pretokenizers } => {
                (pretokenizers.iter()).try_fold(0, |sum, step| Ok(sum + step.byte_levels()?))
            }
        }
    }
}

fn yes() -> bool {
    true
}
