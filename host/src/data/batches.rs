//! The order of training: batch `k` is a function of (seed, k) alone, so any point of a run is reached at once.
//!
//! The stream is cut into blocks of `context` positions and their next tokens. Every epoch visits every block once, in
//! an order given by a keyed permutation (a four-round Feistel network with cycle walking), so nothing is stored.

use ebt_core::random::{Purpose, Stream};
use ebt_core::training::Sequences;

use super::Tokens;

/// Batches of a token stream.
#[derive(Clone, Copy, Debug)]
pub struct Batches<'a> {
    tokens: &'a Tokens,
    batch: usize,
    context: usize,
    seed: u64,
    isolate: bool,
}

impl<'a> Batches<'a> {
    /// Batches of `batch` sequences of `context` positions. The stream must hold more than `context` tokens.
    /// With `isolate`, attention stays inside a document.
    pub fn new(tokens: &'a Tokens, batch: usize, context: usize, seed: u64, isolate: bool) -> Self {
        Self { tokens, batch, context, seed, isolate }
    }

    /// Blocks of an epoch.
    pub fn blocks(&self) -> u64 {
        (self.tokens.ids.len().saturating_sub(1) / self.context.max(1)) as u64
    }

    /// Batch `k`.
    pub fn get(&self, k: u64) -> Sequences {
        let mut s = Sequences { batch: self.batch, context: self.context, ..Sequences::default() };
        for i in 0..self.batch as u64 {
            self.push(self.block(k * self.batch as u64 + i) as usize * self.context, &mut s);
        }
        s
    }

    /// The block visited at `position` of the whole run.
    pub fn block(&self, position: u64) -> u64 {
        let blocks = self.blocks().max(1);
        permuted(self.seed, (position / blocks) as u32, position % blocks, blocks)
    }

    fn push(&self, at: usize, s: &mut Sequences) {
        let ids = &self.tokens.ids;
        s.tokens.extend_from_slice(&ids[at..at + self.context]);
        s.targets.extend_from_slice(&ids[at + 1..=at + self.context]);
        if self.isolate {
            let mut start = self.tokens.document_start(at).saturating_sub(at) as u32;
            for (i, &id) in ids[at..at + self.context].iter().enumerate() {
                if id == self.tokens.begin {
                    start = i as u32;
                }
                s.starts.push(start);
            }
        }
    }
}

/// Place of `index` in permutation number `epoch` of `0..len`.
fn permuted(seed: u64, epoch: u32, index: u64, len: u64) -> u64 {
    let half = (64 - (len - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1u64 << half) - 1;
    let stream = Stream::new(seed, epoch, Purpose::Data);
    let mut x = index;
    loop {
        let (mut left, mut right) = (x >> half, x & mask);
        for round in 0..4 {
            let mixed = u64::from(stream.detail(round).word(right)) & mask;
            (left, right) = (right, left ^ mixed);
        }
        x = left << half | right;
        if x < len {
            return x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(n: usize) -> Tokens {
        let ids = (0..n as u32).map(|i| if i % 10 == 0 { 0 } else { i }).collect();
        Tokens { ids, begins: (0..n).step_by(10).collect(), ..Tokens::default() }
    }

    #[test]
    fn an_epoch_visits_every_block_once_and_epochs_differ() {
        for n in [6, 11, 101, 1001, 5003] {
            let tokens = stream(n);
            let batches = Batches::new(&tokens, 1, 5, 7, false);
            let blocks = batches.blocks();
            let order = |epoch: u64| (0..blocks).map(|i| batches.block(epoch * blocks + i)).collect::<Vec<_>>();
            let mut sorted = order(0);
            sorted.sort_unstable();
            assert_eq!(sorted, (0..blocks).collect::<Vec<_>>());
            assert!(blocks < 4 || order(0) != order(1));
        }
    }

    #[test]
    fn targets_follow_tokens_and_the_last_token_is_reached() {
        let tokens = stream(101);
        let batches = Batches::new(&tokens, 20, 5, 3, false);
        let s = batches.get(0);
        let follows = |(&x, &y): (&u32, &u32)| x == 0 || y == 0 || y == x + 1;
        assert!(s.tokens.iter().zip(&s.targets).all(follows));
        let last = s.targets.iter().filter(|&&t| t == 99).count();
        assert_eq!(last, 1);
        assert_eq!(batches.get(4), batches.get(4));
        assert_ne!(batches.get(4), batches.get(5));
    }

    #[test]
    fn isolated_documents_start_where_they_begin() {
        let tokens = stream(31);
        let batches = Batches::new(&tokens, 1, 15, 3, true);
        for k in 0..2 {
            let s = batches.get(k);
            let expected: Vec<u32> =
                (0..15).map(|i| (0..=i).rev().find(|&j| s.tokens[j as usize] == 0).unwrap_or(0)).collect();
            assert_eq!(s.starts, expected);
        }
    }
}
