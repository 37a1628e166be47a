//! Sequences on the caller's side and on the device.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::problems::DeviceProblems;
use crate::compute::Backend;
use crate::config::{Config, ModelKind};
use crate::descent::problem::Problems;
use crate::error::{Error, Result};
use crate::layer::Geometry;

/// Marks a position without a target.
pub const NO_TARGET: u32 = u32::MAX;

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
            allowed: self.sets(rows).to_vec(),
        }
    }
}

/// Sequences on the device.
pub struct DeviceSequences<B: Backend> {
    tokens: B::Index,
    targets: B::Index,
    starts: Option<B::Index>,
    groups: B::Index,
    sequences: B::Index,
    problems: Option<DeviceProblems<B>>,
    batch: usize,
    context: usize,
}

impl<B: Backend> fmt::Debug for DeviceSequences<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, context, .. } = self;
        f.debug_struct("DeviceSequences").field("batch", batch).field("context", context).finish_non_exhaustive()
    }
}

impl<B: Backend> DeviceSequences<B> {
    /// Uploads checked sequences.
    ///
    /// # Errors
    ///
    /// Lengths that do not fit together, tokens outside the vocabulary.
    pub fn upload(b: &B, config: &Config, s: &Sequences) -> Result<Self> {
        s.validate(config)?;
        let per_sequence = config.moe.as_ref().is_none_or(|m| m.seq_aux);
        let sequences: Vec<u32> = (0..s.targets.len()).map(|i| (i / s.context) as u32).collect();
        let groups = if per_sequence { sequences.clone() } else { vec![0; sequences.len()] };
        let joint = config.kind == ModelKind::Joint;
        Ok(Self {
            tokens: b.index(&if joint { s.flags() } else { s.tokens.clone() }),
            targets: b.index(&s.targets),
            starts: (!s.starts.is_empty()).then(|| b.index(&s.starts)),
            groups: b.index(&groups),
            sequences: b.index(&sequences),
            problems: joint.then(|| DeviceProblems::upload(b, config, s)),
            batch: s.batch,
            context: s.context,
        })
    }

    /// Whether sequences of this shape are here, so that [`DeviceSequences::write`] can take others.
    pub(super) fn fits(&self, s: &Sequences) -> bool {
        (self.batch, self.context, self.starts.is_some()) == (s.batch, s.context, !s.starts.is_empty())
    }

    /// Replaces the sequences by checked ones of the same shape, in place.
    pub(super) fn write(&mut self, b: &B, config: &Config, s: &Sequences) {
        match &mut self.problems {
            Some(problems) => {
                b.write_index(&mut self.tokens, &s.flags());
                problems.write(b, config, s);
            }
            None => b.write_index(&mut self.tokens, &s.tokens),
        }
        b.write_index(&mut self.targets, &s.targets);
        if let Some(starts) = &mut self.starts {
            b.write_index(starts, &s.starts);
        }
    }

    /// Where the arrays live, see [`Backend::address`].
    pub(super) fn addresses(&self, b: &B) -> Vec<u64> {
        let starts = self.starts.as_ref().map_or(0, |starts| b.address_of_index(starts));
        let indices = [&self.tokens, &self.targets, &self.groups, &self.sequences].map(|i| b.address_of_index(i));
        let problems = self.problems.iter().flat_map(|problems| problems.addresses(b));
        indices.into_iter().chain([starts]).chain(problems).collect()
    }

    /// Geometry for a model.
    pub fn geometry(&self, config: &Config) -> Geometry<'_, B::Index> {
        Geometry {
            shape: config.attention(self.batch, self.context),
            starts: self.starts.as_ref(),
            groups: &self.groups,
            sequences: &self.sequences,
            classes: self.problems.as_ref().and_then(|problems| problems.classes(config)),
        }
    }

    /// The problems of a joint model.
    pub fn problems(&self) -> Option<Problems<'_, B::Array, B::Index>> {
        self.problems.as_ref().map(DeviceProblems::view)
    }

    /// Observed tokens `(n)`; of a joint model 0 where a position is given, else 1.
    pub fn tokens(&self) -> &B::Index {
        &self.tokens
    }

    /// Next tokens `(n)`, [`NO_TARGET`] where there is none.
    pub fn targets(&self) -> &B::Index {
        &self.targets
    }
}
