//! Sequences on the caller's side.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::config::{Config, ModelKind};
use crate::error::{Error, Result};

/// Marks a position without a target.
pub const NO_TARGET: u32 = u32::MAX;

/// What is held likely of a position before anything is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Row of the position in all sequences together.
    pub at: u32,
    /// The token.
    pub token: u32,
    /// Its logit `l`, finite; other tokens have 0.
    pub logit: f32,
}

/// Sequences of equal length on the caller's side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sequences {
    /// Number of sequences `B`.
    pub batch: usize,
    /// Number of positions `T` of each.
    pub context: usize,
    /// Observed tokens `(batch * context)`; empty for a joint model.
    pub tokens: Vec<u32>,
    /// Next tokens, of a joint model the tokens that belong at the positions themselves; [`NO_TARGET`] where there is none.
    pub targets: Vec<u32>,
    /// First visible index of every position inside its sequence; empty if all is visible. In a joint model it is that of the
    /// whole sequence: a shorter problem stands at the end of its row, behind padding.
    pub starts: Vec<u32>,
    /// Sets of allowed tokens of a joint model, `V.div_ceil(32)` words a position: bit `v % 32` of word `v / 32` allows token
    /// `v`. A position with one allowed token is given. Empty for other models.
    pub allowed: Vec<u32>,
    /// What is held likely of positions of a joint model, of allowed tokens; the last counts where a token is named twice.
    pub prior: Vec<Prior>,
}

impl Sequences {
    /// Sequences of token 0 alone, for a look at what a step takes; for a joint model problems of which nothing is known.
    pub fn blank(config: &Config, batch: usize, context: usize) -> Self {
        let n = batch * context;
        if config.kind == ModelKind::Joint {
            let words = config.set_words();
            let last = u32::MAX >> ((words * 32 - config.vocab) % 32);
            let word = |i: usize| if (i + 1).is_multiple_of(words) { last } else { u32::MAX };
            return Self::problems(batch, context, (0..n * words).map(word).collect(), vec![0; n]);
        }
        Self { batch, context, tokens: vec![0; n], targets: vec![0; n], ..Self::default() }
    }

    /// Checks lengths and token ids against a model.
    pub fn validate(&self, config: &Config) -> Result<()> {
        let n = self.batch * self.context;
        if config.kind == ModelKind::Joint {
            return self.validate_problems(config);
        }
        let shape = |message: String| Err(Error::Shape { what: String::from("batch"), message });
        if n == 0 || self.tokens.len() != n || self.targets.len() != n {
            return shape(format!(
                "{} sequences of {} need {n} (> 0) tokens and targets, found {} and {}",
                self.batch,
                self.context,
                self.tokens.len(),
                self.targets.len()
            ));
        }
        if !self.starts.is_empty() && self.starts.len() != n {
            return shape(format!("{n} starts expected, found {}", self.starts.len()));
        }
        if !self.prior.is_empty() {
            return shape(String::from("only a joint model takes a prior"));
        }
        let bad = |id: u32| id as usize >= config.vocab;
        let refuse = |position: usize, id: u32| Err(Error::Token { id, position, vocabulary: config.vocab });
        if let Some(i) = self.tokens.iter().position(|&id| bad(id)) {
            return refuse(i, self.tokens[i]);
        }
        if let Some(i) = self.targets.iter().position(|&id| id != NO_TARGET && bad(id)) {
            return refuse(i, self.targets[i]);
        }
        if let Some(i) = self.starts.iter().enumerate().position(|(i, &s)| s as usize > i % self.context) {
            return shape(format!("document start {} lies after its own position {i}", self.starts[i]));
        }
        Ok(())
    }

    /// Positions with a target.
    pub fn positions(&self) -> usize {
        self.targets.iter().filter(|&&t| t != NO_TARGET).count()
    }

    /// Whether position `i` of a joint model is padding.
    pub(super) fn is_padding(&self, i: usize) -> bool {
        self.starts.get(i).is_some_and(|&start| (i % self.context) < start as usize)
    }

    /// Words of the sets of allowed tokens of some positions.
    pub(super) fn sets(&self, rows: core::ops::Range<usize>) -> &[u32] {
        let words = self.allowed.len() / (self.batch * self.context).max(1);
        &self.allowed[rows.start * words..rows.end * words]
    }

    /// What is held likely of some positions, which are counted from the first of them.
    fn prior_of(&self, rows: core::ops::Range<usize>) -> impl Iterator<Item = Prior> {
        let first = rows.start as u32;
        let of = move |prior: &&Prior| rows.contains(&(prior.at as usize));
        self.prior.iter().filter(of).map(move |&prior| Prior { at: prior.at - first, ..prior })
    }

    /// Rows `first .. first + count` of the sequences.
    pub fn slice(&self, first: usize, count: usize) -> Self {
        let rows = first * self.context..(first + count) * self.context;
        let starts = if self.starts.is_empty() { Vec::new() } else { self.starts[rows.clone()].to_vec() };
        Self {
            batch: count,
            context: self.context,
            tokens: self.tokens.get(rows.clone()).unwrap_or_default().to_vec(),
            targets: self.targets[rows.clone()].to_vec(),
            starts,
            allowed: self.sets(rows.clone()).to_vec(),
            prior: self.prior_of(rows).collect(),
        }
    }
}
