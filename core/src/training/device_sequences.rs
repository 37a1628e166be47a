//! Sequences on the device.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::problems::DeviceProblems;
use super::sequences::Sequences;
use crate::compute::Backend;
use crate::config::{Config, ModelKind};
use crate::descent::problem::Problems;
use crate::error::Result;
use crate::layer::Geometry;

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
        // a prior is written over one that was there, be it of nothing, and not where there was none
        let room = s.prior.is_empty() || self.problems.as_ref().is_some_and(DeviceProblems::has_prior);
        room && (self.batch, self.context, self.starts.is_some()) == (s.batch, s.context, !s.starts.is_empty())
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

    /// Next tokens `(n)`, [`NO_TARGET`](super::NO_TARGET) where there is none.
    pub fn targets(&self) -> &B::Index {
        &self.targets
    }
}
