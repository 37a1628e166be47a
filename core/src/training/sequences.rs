//! Sequences on the caller's side and on the device.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::compute::Backend;
use crate::config::Config;
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
    /// Observed tokens `(batch * context)`.
    pub tokens: Vec<u32>,
    /// Next tokens, [`NO_TARGET`] where there is none.
    pub targets: Vec<u32>,
    /// First visible index of every position inside its sequence; empty if all is visible.
    pub starts: Vec<u32>,
}

impl Sequences {
    /// Checks lengths and token ids against a model.
    pub fn validate(&self, config: &Config) -> Result<()> {
        let n = self.batch * self.context;
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

    /// Rows `first .. first + count` of the sequences.
    pub fn slice(&self, first: usize, count: usize) -> Self {
        let rows = first * self.context..(first + count) * self.context;
        let starts = if self.starts.is_empty() { Vec::new() } else { self.starts[rows.clone()].to_vec() };
        Self {
            batch: count,
            context: self.context,
            tokens: self.tokens[rows.clone()].to_vec(),
            targets: self.targets[rows].to_vec(),
            starts,
        }
    }
}

/// Sequences on the device.
#[derive(Clone, Debug)]
pub struct DeviceSequences<I> {
    tokens: I,
    targets: I,
    starts: Option<I>,
    groups: I,
    batch: usize,
    context: usize,
}

impl<I: Clone> DeviceSequences<I> {
    /// Uploads checked sequences.
    ///
    /// # Errors
    ///
    /// Lengths that do not fit together, tokens outside the vocabulary.
    pub fn upload<B: Backend<Index = I>>(b: &B, config: &Config, s: &Sequences) -> Result<Self> {
        s.validate(config)?;
        let per_sequence = config.moe.as_ref().is_none_or(|m| m.seq_aux);
        let groups: Vec<u32> =
            (0..s.tokens.len()).map(|i| if per_sequence { (i / s.context) as u32 } else { 0 }).collect();
        Ok(Self {
            tokens: b.index(&s.tokens),
            targets: b.index(&s.targets),
            starts: (!s.starts.is_empty()).then(|| b.index(&s.starts)),
            groups: b.index(&groups),
            batch: s.batch,
            context: s.context,
        })
    }

    /// Whether sequences of this shape are here, so that [`DeviceSequences::write`] can take others.
    pub(super) fn fits(&self, s: &Sequences) -> bool {
        (self.batch, self.context, self.starts.is_some()) == (s.batch, s.context, !s.starts.is_empty())
    }

    /// Replaces the sequences by checked ones of the same shape, in place.
    pub(super) fn write<B: Backend<Index = I>>(&mut self, b: &B, s: &Sequences) {
        b.write_index(&mut self.tokens, &s.tokens);
        b.write_index(&mut self.targets, &s.targets);
        if let Some(starts) = &mut self.starts {
            b.write_index(starts, &s.starts);
        }
    }

    /// Where the arrays live, see [`Backend::address`].
    pub(super) fn addresses<B: Backend<Index = I>>(&self, b: &B) -> [u64; 4] {
        let starts = self.starts.as_ref().map_or(0, |starts| b.address_of_index(starts));
        [b.address_of_index(&self.tokens), b.address_of_index(&self.targets), b.address_of_index(&self.groups), starts]
    }

    /// Geometry for a model.
    pub fn geometry(&self, config: &Config) -> Geometry<'_, I> {
        Geometry {
            shape: config.attention(self.batch, self.context),
            starts: self.starts.as_ref(),
            groups: &self.groups,
        }
    }

    /// Observed tokens `(n)`.
    pub fn tokens(&self) -> &I {
        &self.tokens
    }

    /// Next tokens `(n)`, [`NO_TARGET`] where there is none.
    pub fn targets(&self) -> &I {
        &self.targets
    }
}
