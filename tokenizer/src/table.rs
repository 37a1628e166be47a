//! The bytes of every token, by id.

use std::collections::HashMap;

use crate::build::{Parts, Rules};
use crate::format::{AddedToken, TokenizerFile};
use crate::{Special, TokenizerError, alphabet};

/// The bytes of every token and the ids of the special ones.
#[derive(Debug)]
pub(crate) struct TokenTable {
    /// The bytes of all tokens, one after the other.
    bytes: Vec<u8>,
    /// Where the bytes of each token end.
    ends: Vec<usize>,
    /// Ids in the order of [`Special::ALL`].
    specials: [Option<u32>; Special::ALL.len()],
}

impl TokenTable {
    /// Builds the table of a checked file. Ids must run from 0 without a gap or a repeat.
    pub(crate) fn new(file: &TokenizerFile) -> Result<Self, TokenizerError> {
        let added: HashMap<u32, usize> =
            (file.added_tokens.iter().enumerate()).map(|(index, token)| (token.id, index)).collect();
        let mut entries: Vec<(u32, Vec<u8>)> = Vec::new();
        for (token, id) in file.model.vocabulary() {
            if !added.contains_key(&id) {
                let bytes = alphabet::bytes_of(token).ok_or_else(|| {
                    let problem = format!("holds token {token:?} (id {id}), which is not written in the byte alphabet");
                    TokenizerError::field("model.vocab", problem)
                })?;
                if bytes.is_empty() {
                    return Err(TokenizerError::field("model.vocab", format!("holds an empty token (id {id})")));
                }
                entries.push((id, bytes));
            }
        }
        for (&id, &index) in &added {
            let token = &file.added_tokens[index];
            let text = if token.special { "" } else { &token.content };
            entries.push((id, text.as_bytes().to_vec()));
        }
        entries.sort_unstable();
        let mut table =
            Self { bytes: Vec::new(), ends: Vec::with_capacity(entries.len()), specials: [None; Special::ALL.len()] };
        for (id, bytes) in entries {
            let expected = table.ends.len();
            if id as usize != expected {
                let problem = if (id as usize) < expected {
                    format!("gives the id {id} to two tokens")
                } else {
                    format!("gives the id {expected} to no token, but holds larger ids")
                };
                return Err(TokenizerError::field("model.vocab", problem));
            }
            table.bytes.extend_from_slice(&bytes);
            table.ends.push(table.bytes.len());
        }
        for (slot, special) in table.specials.iter_mut().zip(Special::ALL) {
            *slot = (file.added_tokens.iter())
                .find(|token| token.special && token.content == special.text())
                .map(|token| token.id);
        }
        Ok(table)
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// What the tokenizer consists of, if the compact form can hold it.
    pub(crate) fn parts(&self, file: &TokenizerFile) -> Option<Parts> {
        let known = |token: &AddedToken| token.special && Special::ALL.iter().any(|s| s.text() == token.content);
        if !file.added_tokens.iter().all(known) {
            return None;
        }
        let rules = match (file.model.merges(), file.model.costs()) {
            (Some(merges), _) => Rules::Merges(merges),
            (None, Some(costs)) => Rules::Costs(costs),
            (None, None) => return None,
        };
        let tokens = (0..self.len() as u32).filter_map(|id| self.get(id)).map(<[u8]>::to_vec).collect();
        Some(Parts { segmentation: file.segmentation()?, tokens, rules, specials: self.specials })
    }

    /// The bytes of a token; none for a special token.
    pub(crate) fn get(&self, id: u32) -> Option<&[u8]> {
        let index = usize::try_from(id).ok()?;
        let end = *self.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.bytes.get(start..end)
    }

    /// The id of a special token, if the vocabulary has it.
    pub(crate) fn special(&self, special: Special) -> Option<u32> {
        self.specials[special.index()]
    }
}
