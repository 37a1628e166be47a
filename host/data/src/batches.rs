//! The order of training: batch `k` is a function of (seed, k) alone, so any point of a run is reached at once.
//!
//! The stream is cut into [`Blocks`]. Every epoch visits every block once, in an order of its own ([`super::shuffle`]);
//! epochs follow each other without a seam: a batch at the end of one goes on with the first blocks of the next, so
//! none is dropped or cut short.

use anyhow::Result;
use ebt_core::training::{NO_TARGET, Sequences};

use super::Tokens;
use super::blocks::{Blocks, Documents};
use super::shuffle::permuted;

/// Where the batches of a run come from: batch `k` is a function of `k` alone.
pub trait BatchSource: Send + 'static {
    /// Batch `k` of this worker.
    ///
    /// # Errors
    ///
    /// What makes a batch that cannot be made.
    fn get(&self, k: u64) -> Result<Sequences>;
    /// Positions with a target in batch `k` of all workers together.
    ///
    /// # Errors
    ///
    /// As [`BatchSource::get`].
    fn positions(&self, k: u64) -> Result<usize>;
}

impl BatchSource for Batches {
    fn get(&self, k: u64) -> Result<Sequences> {
        Self::get(self, k)
    }
    fn positions(&self, k: u64) -> Result<usize> {
        Ok(Self::positions(self, k))
    }
}

/// Batches of a token stream.
#[derive(Clone, Debug)]
pub struct Batches {
    tokens: Tokens,
    blocks: Blocks,
    options: BatchOptions,
}

/// How a stream becomes batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// Sequences of a batch of this worker.
    pub batch: usize,
    /// Positions of a sequence.
    pub context: usize,
    /// Tokens from the start of a block to that of the next; 0 = `context`.
    pub stride: usize,
    /// Whether blocks run over the borders of documents.
    pub documents: Documents,
    /// Whether attention stays inside a document.
    pub isolate: bool,
    /// What fills the rows of padded documents; no position of it has a target.
    pub pad: u32,
    /// Keys the order.
    pub seed: u64,
    /// Which of several workers this is.
    pub worker: Worker,
}

/// One of several workers that train together. Batch `k` of rank 0, then of rank 1 and so on, are together batch `k` of
/// a single worker with `world` times the sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Number of this worker, below `world`.
    pub rank: u64,
    /// Number of workers, at least 1.
    pub world: u64,
}

impl Worker {
    /// The only worker.
    pub const ALONE: Self = Self { rank: 0, world: 1 };
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            batch: 1,
            context: 1,
            stride: 0,
            documents: Documents::Packed,
            isolate: false,
            pad: 0,
            seed: 0,
            worker: Worker::ALONE,
        }
    }
}

impl Batches {
    /// Batches of a stream. It must have at least one block: packed, more tokens than `context`; padded, a document with
    /// text.
    pub fn new(tokens: &Tokens, options: BatchOptions) -> Self {
        let blocks = Blocks::new(tokens, options.documents, options.context, options.stride);
        Self { tokens: tokens.clone(), blocks, options }
    }

    /// Blocks of an epoch.
    pub fn blocks(&self) -> u64 {
        self.blocks.count()
    }

    /// Batch `k` of this worker, counted from 0 over all epochs: `batch` rows of `context` positions.
    ///
    /// # Errors
    ///
    /// A damaged token, see [`Tokens::gather`].
    pub fn get(&self, k: u64) -> Result<Sequences> {
        let BatchOptions { batch, context, worker, .. } = self.options;
        let mut s = Sequences { batch, context, ..Sequences::default() };
        let first = (k * worker.world + worker.rank) * batch as u64;
        let mut ids = Vec::with_capacity(context + 1);
        for i in 0..batch as u64 {
            let range = self.blocks.get(&self.tokens, self.block(first + i));
            ids.clear();
            self.tokens.gather(range, &mut ids)?;
            self.push(&ids, &mut s);
        }
        Ok(s)
    }

    /// Positions with a target in batch `k` of all workers together.
    pub fn positions(&self, k: u64) -> usize {
        let all = self.options.batch as u64 * self.options.worker.world;
        let targets = |i| self.blocks.get(&self.tokens, self.block(k * all + i));
        (0..all).map(targets).map(|block| (block.end - block.start).saturating_sub(1) as usize).sum()
    }

    /// The block visited at `position` of the whole run of all workers.
    pub fn block(&self, position: u64) -> u64 {
        let blocks = self.blocks().max(1);
        permuted(self.options.seed, (position / blocks) as u32, position % blocks, blocks)
    }

    /// Appends a row: observed tokens, targets, and where the document of every position starts.
    fn push(&self, ids: &[u32], s: &mut Sequences) {
        let BatchOptions { context, isolate, pad, .. } = self.options;
        let length = ids.len().saturating_sub(1);
        let row = s.tokens.len();
        s.tokens.extend_from_slice(&ids[..length]);
        s.tokens.resize(row + context, pad);
        s.targets.extend(ids.iter().skip(1));
        s.targets.resize(row + context, NO_TARGET);
        if isolate {
            let mut start = 0;
            for (i, &id) in s.tokens[row..].iter().enumerate() {
                if id == self.tokens.begin() || i == length {
                    start = i as u32;
                }
                s.starts.push(start);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::{BEGIN, PAD, stream};

    fn options(batch: usize, context: usize) -> BatchOptions {
        BatchOptions { batch, context, seed: 7, pad: PAD, ..BatchOptions::default() }
    }

    /// The rows of a batch as (tokens, targets).
    fn rows(s: &Sequences) -> Vec<(Vec<u32>, Vec<u32>)> {
        let parts = |x: &[u32]| x.chunks_exact(s.context).map(<[u32]>::to_vec).collect::<Vec<_>>();
        parts(&s.tokens).into_iter().zip(parts(&s.targets)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
        #[test]
        fn workers_share_the_batches_of_a_single_one(
            lengths in prop::collection::vec(1usize..60, 3..12), batch in 1usize..4, world in 1u64..6, k in 0u64..50,
            padded: bool, stride in 0usize..9,
        ) {
            let tokens = stream(&lengths);
            let documents = if padded { Documents::Padded } else { Documents::Packed };
            let options = BatchOptions { documents, stride, ..options(batch, 5) };
            let whole = Batches::new(&tokens, BatchOptions { batch: batch * world as usize, ..options });
            let of_rank = |rank| {
                let worker = Worker { rank, world };
                rows(&Batches::new(&tokens, BatchOptions { worker, ..options }).get(k).unwrap())
            };
            let together: Vec<_> = (0..world).flat_map(of_rank).collect();
            prop_assert_eq!(together, rows(&whole.get(k).unwrap()));
            let one = Batches::new(&tokens, BatchOptions { worker: Worker { rank: 0, world }, ..options });
            prop_assert_eq!(one.positions(k), whole.get(k).unwrap().positions());
        }

        #[test]
        fn an_epoch_of_all_workers_is_every_block_once(
            lengths in prop::collection::vec(1usize..60, 2..9), world in 1u64..6, batch in 1usize..5, epoch in 0u64..3,
        ) {
            let tokens = stream(&lengths);
            let alone = Batches::new(&tokens, options(1, 4));
            let blocks = alone.blocks();
            let sorted = |mut list: Vec<(Vec<u32>, Vec<u32>)>| { list.sort(); list };
            let expected = sorted((0..blocks).flat_map(|i| rows(&alone.get(i).unwrap())).collect());
            // batches of all ranks in turn, cut where the epoch begins and ends
            let size = world * batch as u64;
            let (first, end) = (epoch * blocks, (epoch + 1) * blocks);
            let mut seen = Vec::new();
            for k in first / size..end.div_ceil(size) {
                for rank in 0..world {
                    let worker = Worker { rank, world };
                    let b = Batches::new(&tokens, BatchOptions { worker, ..options(batch, 4) });
                    let from = k * size + rank * batch as u64;
                    let inside = |i: &usize| (first..end).contains(&(from + *i as u64));
                    let found = rows(&b.get(k).unwrap());
                    seen.extend((0..batch).filter(inside).map(|i| found[i].clone()));
                }
            }
            prop_assert_eq!(sorted(seen), expected);
        }

        #[test]
        fn padding_has_no_target_and_stands_nowhere_else(
            lengths in prop::collection::vec(0usize..30, 1..9), context in 1usize..12, stride in 1usize..12, isolate: bool,
        ) {
            let tokens = stream(&lengths);
            prop_assume!(tokens.text_tokens() > 0);
            let padded = BatchOptions { documents: Documents::Padded, stride, isolate, ..options(1, context) };
            let b = Batches::new(&tokens, padded);
            let mut counted = 0;
            for k in 0..b.blocks() {
                let s = b.get(k).unwrap();
                let real = s.tokens.iter().take_while(|&&id| id != PAD).count();
                prop_assert!(real > 0 && s.tokens[real..].iter().all(|&id| id == PAD));
                prop_assert!(s.targets[..real].iter().all(|&id| id != PAD && id != BEGIN && id != NO_TARGET));
                prop_assert!(s.targets[real..].iter().all(|&id| id == NO_TARGET));
                prop_assert_eq!(s.positions(), real);
                let expected: Vec<u32> = (0..context).map(|i| if i < real { 0 } else { real as u32 }).collect();
                prop_assert!(!isolate || s.starts == expected);
                counted += real as u64;
            }
            prop_assert!(counted >= tokens.text_tokens() || stride > context);
            if tokens.len() > context as u64 {
                let s = Batches::new(&tokens, options(4, context)).get(0).unwrap();
                prop_assert!(s.tokens.iter().chain(&s.targets).all(|&id| id != PAD && id != NO_TARGET));
            }
        }
    }

    #[test]
    fn targets_follow_tokens_and_the_last_token_is_reached() {
        let tokens = stream(&[9; 10]);
        let b = Batches::new(&tokens, options(20, 5));
        let s = b.get(0).unwrap();
        let last = |s: &Sequences| s.targets.iter().filter(|&&t| t == *s.targets.iter().max().unwrap()).count();
        assert_eq!((b.blocks(), last(&s)), (20, 1));
        let follows = |(&x, &y): (&u32, &u32)| x == BEGIN || y == BEGIN || y == x + 1;
        assert!(s.tokens.iter().zip(&s.targets).all(follows));
        assert_eq!(b.get(4).unwrap(), b.get(4).unwrap());
        assert_ne!(b.get(4).unwrap(), b.get(5).unwrap());
    }

    #[test]
    fn isolated_documents_start_where_they_begin() {
        let b = Batches::new(&stream(&[9; 3]), BatchOptions { isolate: true, ..options(1, 15) });
        for k in 0..2 {
            let s = b.get(k).unwrap();
            let begin = |i: u32| (0..=i).rev().find(|&j| s.tokens[j as usize] == BEGIN).unwrap_or(0);
            assert_eq!(s.starts, (0..15).map(begin).collect::<Vec<_>>());
        }
    }
}
