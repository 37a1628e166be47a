//! The parts of a tokenizer file that decide whether it is lossless, and the checks on them.
//!
//! The file is also read by the tokenizer library, which accepts many more kinds of tokenizer than
//! this crate does. The checks here come first: what passes them encodes every string losslessly.

pub(crate) mod model;
mod pre_tokenizer;

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::TokenizerError;
use crate::compact::Segmentation;
use model::Model;
use pre_tokenizer::PreTokenizer;

/// A tokenizer file, as far as it is checked.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenizerFile {
    truncation: Option<IgnoredAny>,
    padding: Option<IgnoredAny>,
    normalizer: Option<IgnoredAny>,
    pre_tokenizer: Option<PreTokenizer>,
    #[serde(default)]
    pub(crate) added_tokens: Vec<AddedToken>,
    pub(crate) model: Model,
}

/// A token matched as a whole, outside the BPE model.
#[derive(Debug, Deserialize)]
pub(crate) struct AddedToken {
    pub(crate) id: u32,
    pub(crate) content: String,
    #[serde(default)]
    pub(crate) special: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
}

impl TokenizerFile {
    /// Reads and checks the contents of a tokenizer file.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, TokenizerError> {
        let file: Self = serde_json::from_slice(without_mark(bytes)).map_err(TokenizerError::Json)?;
        let absent = [
            ("truncation", file.truncation.is_some()),
            ("padding", file.padding.is_some()),
            ("normalizer", file.normalizer.is_some()),
        ];
        for (field, present) in absent {
            if present {
                let problem = "must be null: it would change the text that is encoded";
                return Err(TokenizerError::field(field, problem));
            }
        }
        match &file.pre_tokenizer {
            Some(pre_tokenizer) => pre_tokenizer.check()?,
            None => {
                let problem = "is missing or null: it must hold exactly one `ByteLevel` step";
                return Err(TokenizerError::field("pre_tokenizer", problem));
            }
        }
        file.model.check()?;
        file.check_added_tokens()?;
        Ok(file)
    }

    /// The way of cutting of the compact form that does the same, if there is one.
    pub(crate) fn segmentation(&self) -> Option<Segmentation> {
        self.pre_tokenizer.as_ref()?.segmentation()
    }

    /// Added tokens must not swallow spaces, and the model must not produce one of them itself.
    fn check_added_tokens(&self) -> Result<(), TokenizerError> {
        let produced: HashSet<&str> = self.model.produced();
        for token in &self.added_tokens {
            let content = token.content.as_str();
            let problem = if token.lstrip || token.rstrip {
                "strips the spaces around it, which would be lost"
            } else if produced.contains(content) {
                "the model could also produce from ordinary text"
            } else {
                continue;
            };
            let problem = format!("holds token {content:?}, which {problem}");
            return Err(TokenizerError::field("added_tokens", problem));
        }
        Ok(())
    }
}

/// JSON without the byte-order mark that some editors write before it.
pub(crate) fn without_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json)
}
