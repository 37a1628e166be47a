//! Lanes: the order in which the gradients of a step are added, whoever computes them.
//!
//! A step has `L` lanes, each of as many micro-batches. A lane adds the gradients of its micro-batches one after the other; the
//! lanes are added by the canonical tree, `tree(n) = tree(p) + tree(n - p)` with `p` the largest power of two below `n`. A rank
//! of a world of `W` computes lanes `r L/W .. (r + 1) L/W`, which are a subtree where `L/W` is a power of two; what is left of
//! the tree, over the ranks, is [`Backend::sum_ranks`](crate::compute::Backend::sum_ranks). So the bits of a sum depend on `L`
//! and not on `W`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::sequences::Sequences;
use crate::compute::Backend;
use crate::error::{Error, Result};

/// The part of a training step that one rank computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Lanes of the whole step.
    pub lanes: usize,
    /// Place in the whole step of the first sequence of this part.
    pub first: usize,
    /// Sequences of the whole step.
    pub sequences: usize,
    /// Positions with a target of the whole step.
    pub positions: usize,
    /// Whether this rank asks all to stop after this step, see [`StepReport::stop`](super::StepReport::stop).
    pub stop: bool,
}

impl Part {
    /// All of a step with so many lanes.
    pub fn whole(sequences: &Sequences, lanes: usize) -> Self {
        Self { lanes, first: 0, sequences: sequences.batch, positions: sequences.positions(), stop: false }
    }

    /// Gradients of the whole model, beside those of the step, that a rank of so many lanes holds while it adds them.
    pub fn waiting(lanes: usize) -> usize {
        (0..lanes).map(slot).max().unwrap_or(0)
    }

    /// The lanes of the step that `batch` sequences from [`Part::first`] on make up.
    ///
    /// # Errors
    ///
    /// Sequences that are no whole lanes.
    pub(super) fn own(&self, batch: usize) -> Result<Range<usize>> {
        let refuse = || {
            let what = String::from("lanes");
            let Self { lanes, first, sequences, .. } = self;
            let message =
                format!("sequences {first} to {} of {sequences} are no whole lanes of {lanes}", first + batch);
            Err(Error::Shape { what, message })
        };
        if self.lanes == 0 || self.sequences == 0 || !self.sequences.is_multiple_of(self.lanes) {
            return refuse();
        }
        let a_lane = self.sequences / self.lanes;
        let fits = batch > 0 && batch.is_multiple_of(a_lane) && self.first.is_multiple_of(a_lane);
        if !fits || self.first + batch > self.sequences {
            return refuse();
        }
        Ok(self.first / a_lane..(self.first + batch) / a_lane)
    }
}

/// Where lane `i` of a rank's own, from 0, is added up: as many sums of lanes before it are waiting.
pub(super) fn slot(lane: usize) -> usize {
    lane.count_ones() as usize
}

/// How many of these sums, the last first, are added to once lane `i` of `lanes` is done, each from the one behind it.
pub(super) fn merges(lane: usize, lanes: usize) -> usize {
    if lane + 1 == lanes { slot(lane) } else { lane.trailing_ones() as usize }
}

/// Adds a list to another.
pub(super) fn add<'a, B: Backend>(
    b: &B,
    to: impl Iterator<Item = &'a mut B::Array>,
    from: impl Iterator<Item = &'a B::Array>,
) where
    B::Array: 'a,
{
    to.zip(from).for_each(|(to, from)| b.accumulate(to, from));
}

/// Gradients in layout order, and behind them the report.
pub(super) type Sum<A> = Vec<A>;

#[cfg(test)]
mod tests {
    use super::*;

    /// The canonical tree over these lanes, as a term.
    fn tree(lanes: Range<usize>) -> String {
        match lanes.len() {
            1 => format!("{}", lanes.start),
            n => {
                let middle = lanes.start + n.next_power_of_two() / 2;
                format!("({}+{})", tree(lanes.start..middle), tree(middle..lanes.end))
            }
        }
    }

    /// The same by slots.
    fn by_slots(lanes: usize) -> String {
        let mut sums = alloc::vec![String::new(); Part::waiting(lanes) + 1];
        for lane in 0..lanes {
            let at = slot(lane);
            sums[at] = format!("{lane}");
            for i in (at - merges(lane, lanes)..at).rev() {
                sums[i] = format!("({}+{})", sums[i], sums[i + 1]);
            }
        }
        sums.swap_remove(0)
    }

    #[test]
    fn lanes_are_added_by_the_canonical_tree() {
        for lanes in 1..70 {
            assert_eq!(by_slots(lanes), tree(0..lanes));
        }
        assert_eq!([1, 2, 8, 12].map(Part::waiting), [0, 1, 3, 3]);
    }

    #[test]
    fn only_whole_lanes_are_a_part() {
        let part = |first| Part { lanes: 4, first, sequences: 8, positions: 1, stop: false };
        assert_eq!(part(0).own(8).unwrap(), 0..4);
        assert_eq!(part(4).own(2).unwrap(), 2..3);
        for (first, batch) in [(0, 0), (0, 3), (1, 2), (4, 6), (8, 2)] {
            let message = part(first).own(batch).unwrap_err();
            assert!(format!("{message}").contains("no whole lanes of 4"), "{message}");
        }
        assert!(Part { lanes: 3, ..part(0) }.own(8).is_err());
        assert!(Part { lanes: 0, ..part(0) }.own(8).is_err());
    }
}
