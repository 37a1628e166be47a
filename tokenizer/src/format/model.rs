//! The BPE model of a tokenizer file.

use std::collections::HashMap;

use serde::Deserialize;

use crate::{TokenizerError, alphabet};

/// The vocabulary and the merges, with the options that could make them lossy.
#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    #[serde(rename = "type")]
    kind: Kind,
    dropout: Option<f32>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    pub(super) ignore_merges: bool,
    pub(crate) vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
}

/// The only kind of model that is accepted.
#[derive(Debug, Deserialize)]
enum Kind {
    #[serde(rename = "BPE")]
    Bpe,
}

/// The two spellings of a merge: `["a", "b"]` and, in older files, `"a b"`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Line(String),
}

impl Merge {
    /// The two tokens merged.
    fn parts(&self) -> Option<(&str, &str)> {
        match self {
            Self::Pair(left, right) => Some((left, right)),
            Self::Line(line) => line.split_once(' '),
        }
    }
}

impl Model {
    /// Refuses options that change text, and a vocabulary that does not cover bytes and merges.
    pub(super) fn check(&self) -> Result<(), TokenizerError> {
        let Kind::Bpe = self.kind;
        let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let prefix = is_set(&self.continuing_subword_prefix);
        let absent = [
            ("model.dropout", self.dropout.is_some()),
            ("model.continuing_subword_prefix", prefix),
            ("model.end_of_word_suffix", is_set(&self.end_of_word_suffix)),
        ];
        for (field, present) in absent {
            if present {
                let problem = "must not be set: encoding would no longer be exact and repeatable";
                return Err(TokenizerError::field(field, problem));
            }
        }
        for symbol in alphabet::symbols().map(String::from) {
            if !self.vocab.contains_key(&symbol) {
                let problem = format!("lacks the byte symbol {symbol:?}: some text has no token");
                return Err(TokenizerError::field("model.vocab", problem));
            }
        }
        for (rank, merge) in self.merges.iter().enumerate() {
            if self.result(merge).is_none() {
                let problem = format!("names a token outside the vocabulary in merge {rank}");
                return Err(TokenizerError::field("model.merges", problem));
            }
        }
        Ok(())
    }

    /// The tokens that ordinary text can become: the byte symbols and what merges make of them.
    pub(super) fn produced(&self) -> impl Iterator<Item = &str> {
        let is_symbol = |token: &&str| {
            let mut symbols = token.chars();
            symbols.next().and_then(alphabet::byte_of).is_some() && symbols.next().is_none()
        };
        let symbols = self.vocab.keys().map(String::as_str).filter(is_symbol);
        symbols.chain(self.merges.iter().filter_map(|merge| self.result(merge)))
    }

    /// The token a merge makes, if the vocabulary holds it and both its parts.
    fn result(&self, merge: &Merge) -> Option<&str> {
        let (left, right) = merge.parts()?;
        self.vocab.get(left).and(self.vocab.get(right))?;
        let (token, _) = self.vocab.get_key_value(&format!("{left}{right}"))?;
        Some(token)
    }
}
