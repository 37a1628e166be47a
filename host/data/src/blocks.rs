//! The blocks of an epoch: which run of the stream every training sequence is.
//!
//! A run of `n` targets is cut at multiples of the stride, `0, s, 2s, ...`, as long as a block ends before the run does;
//! the last block is shifted back so that it ends with the run. A stride of one context cuts without gaps, a smaller one
//! overlaps, a larger one leaves gaps; the last tokens are always reached.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Tokens;

/// How documents become training sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Documents {
    /// One after the other in one stream, which is cut into sequences: no position is wasted.
    #[default]
    Packed,
    /// Every document has sequences of its own; what it leaves empty is filled with `<pad>`, which is never a target.
    Padded,
}

/// Blocks by number, `0..count`.
#[derive(Clone, Debug)]
pub struct Blocks {
    cut: Cut,
    /// Of padded documents: blocks before every group of documents, and their sum.
    before: Option<Vec<u64>>,
    count: u64,
}

/// Sizes of a cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    context: u64,
    stride: u64,
}

/// Documents of a group: a block is found by a search among groups and a walk through one.
const GROUP: u64 = 256;

impl Blocks {
    /// Cuts a stream into blocks of `context` positions (at least 1) with a stride of `stride` (0 = `context`).
    ///
    /// `Packed` cuts the stream as a whole. `Padded` cuts every document by itself; a document shorter than the context
    /// is one shorter block, one without text none. It reads the document index once, 8 bytes a document, and keeps 8
    /// bytes for 256 documents.
    pub fn new(tokens: &Tokens, documents: Documents, context: usize, stride: usize) -> Self {
        let context = context.max(1) as u64;
        let cut = Cut { context, stride: if stride == 0 { context } else { stride as u64 } };
        match documents {
            Documents::Packed => {
                let targets = tokens.len().saturating_sub(1);
                let count = if targets < context { 0 } else { cut.count(targets) };
                Self { cut, before: None, count }
            }
            Documents::Padded => {
                let (mut before, mut count) = (Vec::new(), 0);
                for i in 0..tokens.documents() {
                    if i.is_multiple_of(GROUP) {
                        before.push(count);
                    }
                    count += cut.count(targets(&tokens.document(i)));
                }
                Self { cut, before: Some(before), count }
            }
        }
    }

    /// Blocks of an epoch.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Positions in the stream of block `i < count`: its observed tokens, then one more, the target of the last.
    pub fn get(&self, tokens: &Tokens, i: u64) -> Range<u64> {
        match &self.before {
            None => self.cut.block(0, tokens.len().saturating_sub(1), i),
            Some(before) => {
                let group = before.partition_point(|&n| n <= i).saturating_sub(1);
                let mut rest = i - before[group];
                let first = group as u64 * GROUP;
                for document in first..tokens.documents().min(first + GROUP) {
                    let range = tokens.document(document);
                    let (n, here) = (targets(&range), self.cut.count(targets(&range)));
                    if rest < here {
                        return self.cut.block(range.start, n, rest);
                    }
                    rest -= here;
                }
                0..0
            }
        }
    }
}

impl Cut {
    /// Blocks of a run of `targets`.
    fn count(self, targets: u64) -> u64 {
        match targets.checked_sub(self.context) {
            Some(more) => more.div_ceil(self.stride) + 1,
            None => u64::from(targets > 0),
        }
    }

    /// Block `i` of a run of `targets` whose first observed token stands at `first`.
    fn block(self, first: u64, targets: u64, i: u64) -> Range<u64> {
        let start = first + (i * self.stride).min(targets.saturating_sub(self.context));
        start..start + targets.min(self.context) + 1
    }
}

/// Tokens of a document that are predicted.
fn targets(document: &Range<u64>) -> u64 {
    document.end - document.start - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::stream;

    fn all(tokens: &Tokens, documents: Documents, context: usize, stride: usize) -> Vec<Range<u64>> {
        let blocks = Blocks::new(tokens, documents, context, stride);
        (0..blocks.count()).map(|i| blocks.get(tokens, i)).collect()
    }

    #[test]
    fn the_last_block_is_shifted_back() {
        let tokens = stream(&[10]);
        assert_eq!(all(&tokens, Documents::Packed, 4, 0), [0..5, 4..9, 6..11]);
        assert_eq!(all(&tokens, Documents::Packed, 4, 3), [0..5, 3..8, 6..11]);
        assert_eq!(all(&tokens, Documents::Packed, 4, 8), [0..5, 6..11]);
        assert_eq!(all(&tokens, Documents::Packed, 10, 3), vec![0..11; 1]);
        assert!(all(&tokens, Documents::Packed, 11, 0).is_empty());
    }

    #[test]
    fn padded_documents_have_blocks_of_their_own() {
        let tokens = stream(&[2, 0, 10, 4]);
        // documents start at 0, 3, 4 and 15
        assert_eq!(all(&tokens, Documents::Padded, 4, 0), [0..3, 4..9, 8..13, 10..15, 15..20]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn every_target_is_in_a_block(
            lengths in prop::collection::vec(0usize..40, 1..700), context in 1usize..30, share in 1usize..=30,
        ) {
            let tokens = stream(&lengths);
            let stride = share.min(context);
            for documents in [Documents::Packed, Documents::Padded] {
                let blocks = all(&tokens, documents, context, stride);
                let mut seen = vec![0; tokens.len() as usize];
                for block in &blocks {
                    let length = (block.end - block.start - 1) as usize;
                    prop_assert!(length >= 1 && length <= context);
                    prop_assert!(documents == Documents::Padded || length == context);
                    block.clone().skip(1).for_each(|at| seen[at as usize] += 1);
                }
                let begins: Vec<usize> = (0..tokens.documents()).map(|i| tokens.document(i).start as usize).collect();
                let reached = |at: usize| match documents {
                    Documents::Packed => at > 0 && tokens.len() > context as u64,
                    Documents::Padded => !begins.contains(&at),
                };
                prop_assert!((0..seen.len()).all(|at| (seen[at] > 0) == reached(at)));
            }
        }
    }
}
