//! The model of a tokenizer file.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::{TokenizerError, alphabet};

/// Units of a cost: a score is minus the cost divided by this, so that sums of scores are exact.
pub(crate) const COST_UNIT: f64 = 64.0;
/// The score of a special token: no path over ordinary tokens is as dear.
pub(crate) const SPECIAL_SCORE: f64 = -1e6;

/// The models that can be lossless.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum Model {
    /// Byte-pair encoding: neighbouring tokens are merged, the pair that stands first in the list of merges first.
    #[serde(rename = "BPE")]
    Bpe(Bpe),
    /// Most probable path.
    Unigram(Unigram),
}

/// The vocabulary and the merges, with the options that could make them lossy.
#[derive(Debug, Deserialize)]
pub(crate) struct Bpe {
    dropout: Option<f32>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    pub(super) ignore_merges: bool,
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
}

/// Tokens with their scores, by id.
#[derive(Debug, Deserialize)]
pub(crate) struct Unigram {
    vocab: Vec<(String, f64)>,
    #[serde(default)]
    byte_fallback: bool,
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
        match self {
            Self::Bpe(bpe) => bpe.check()?,
            Self::Unigram(Unigram { byte_fallback: true, .. }) => {
                let problem = "must be false: bytes are written in the byte alphabet";
                return Err(TokenizerError::field("model.byte_fallback", problem));
            }
            Self::Unigram(unigram) => unigram.check()?,
        }
        let known: HashSet<&str> = self.vocabulary().map(|(token, _)| token).collect();
        for symbol in alphabet::symbols().map(String::from) {
            if !known.contains(symbol.as_str()) {
                let problem = format!("lacks the byte symbol {symbol:?}: some text has no token");
                return Err(TokenizerError::field("model.vocab", problem));
            }
        }
        Ok(())
    }

    /// All tokens with their ids.
    pub(crate) fn vocabulary(&self) -> Box<dyn Iterator<Item = (&str, u32)> + '_> {
        match self {
            Self::Bpe(bpe) => Box::new(bpe.vocab.iter().map(|(token, &id)| (token.as_str(), id))),
            Self::Unigram(unigram) => {
                Box::new(unigram.vocab.iter().zip(0..).map(|((token, _), id)| (token.as_str(), id)))
            }
        }
    }

    /// The tokens that ordinary text can become: of BPE the byte symbols and what merges make of them.
    pub(super) fn produced(&self) -> HashSet<&str> {
        match self {
            Self::Bpe(bpe) if bpe.ignore_merges => bpe.vocab.keys().map(String::as_str).collect(),
            Self::Bpe(bpe) => bpe.produced().collect(),
            Self::Unigram(unigram) => {
                let likely = unigram.vocab.iter().filter(|(_, score)| *score > SPECIAL_SCORE);
                likely.map(|(token, _)| token.as_str()).collect()
            }
        }
    }

    /// The merges as ids of left, right and product, if this is BPE as the compact form knows it.
    pub(crate) fn merges(&self) -> Option<Vec<(u32, u32, u32)>> {
        match self {
            Self::Bpe(bpe) if !bpe.ignore_merges => bpe.merges.iter().map(|merge| bpe.ids(merge)).collect(),
            _ => None,
        }
    }

    /// The costs of all tokens, if they are whole numbers of the units that the compact form knows.
    pub(crate) fn costs(&self) -> Option<Vec<u16>> {
        let Self::Unigram(unigram) = self else { return None };
        let cost = |&(_, score): &(String, f64)| {
            let cost = -score * COST_UNIT;
            match cost {
                _ if score <= SPECIAL_SCORE => Some(u16::MAX),
                _ if cost.fract() == 0.0 && (0.0..f64::from(u16::MAX)).contains(&cost) => Some(cost as u16),
                _ => None,
            }
        };
        unigram.vocab.iter().map(cost).collect()
    }
}

impl Unigram {
    /// Refuses scores under which text could become a token that decoding leaves out: the byte symbols that spell such a token
    /// must be likelier than it.
    fn check(&self) -> Result<(), TokenizerError> {
        let mut score_of: HashMap<char, f64> = HashMap::new();
        for (token, score) in &self.vocab {
            let mut symbols = token.chars();
            if let (Some(symbol), None) = (symbols.next(), symbols.next()) {
                let lowest = score_of.entry(symbol).or_insert(*score);
                *lowest = lowest.min(*score);
            }
        }
        for (token, score) in self.vocab.iter().filter(|(_, score)| *score <= SPECIAL_SCORE) {
            let symbol = |symbol| alphabet::byte_of(symbol).and_then(|_| score_of.get(&symbol).copied());
            // text never holds a symbol of another alphabet
            let symbols: Option<f64> = token.chars().map(symbol).sum();
            // by a whole unit, so that no order of the sum matters
            if symbols.is_some_and(|symbols| symbols <= score + 1.0) {
                let problem =
                    format!("makes {token:?}, which decoding leaves out, likelier than the bytes of its text");
                return Err(TokenizerError::field("model.vocab", problem));
            }
        }
        Ok(())
    }
}

impl Bpe {
    fn check(&self) -> Result<(), TokenizerError> {
        let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let absent = [
            ("model.dropout", self.dropout.is_some()),
            ("model.continuing_subword_prefix", is_set(&self.continuing_subword_prefix)),
            ("model.end_of_word_suffix", is_set(&self.end_of_word_suffix)),
        ];
        for (field, present) in absent {
            if present {
                let problem = "must not be set: encoding would no longer be exact and repeatable";
                return Err(TokenizerError::field(field, problem));
            }
        }
        for (rank, merge) in self.merges.iter().enumerate() {
            if self.ids(merge).is_none() {
                let problem = format!("names a token outside the vocabulary in merge {rank}");
                return Err(TokenizerError::field("model.merges", problem));
            }
        }
        Ok(())
    }

    fn produced(&self) -> impl Iterator<Item = &str> {
        let is_symbol = |token: &&str| {
            let mut symbols = token.chars();
            symbols.next().and_then(alphabet::byte_of).is_some() && symbols.next().is_none()
        };
        let symbols = self.vocab.keys().map(String::as_str).filter(is_symbol);
        let result = |merge: &Merge| {
            let (left, right) = merge.parts()?;
            self.vocab.get_key_value(&format!("{left}{right}")).map(|(token, _)| token.as_str())
        };
        symbols.chain(self.merges.iter().filter_map(result))
    }

    /// Left, right and product of a merge, if the vocabulary holds all three.
    fn ids(&self, merge: &Merge) -> Option<(u32, u32, u32)> {
        let (left, right) = merge.parts()?;
        let id = |token: &str| self.vocab.get(token).copied();
        Some((id(left)?, id(right)?, id(&format!("{left}{right}"))?))
    }
}
