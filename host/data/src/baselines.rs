//! What a table of counts already predicts: the bits per byte that a model has to beat.

use std::collections::HashMap;
use std::ops::Range;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Tokens;

/// Most tokens that are counted: of a longer stream, evenly spaced runs.
pub const SAMPLE: u64 = 16 << 20;
/// Tokens of such a run.
const RUN: u64 = 1 << 16;
/// Most different pairs that are counted (about 75 MB). Once they are found, others count for the unigram table alone,
/// which leaves all probabilities summing to one.
const MOST_PAIRS: usize = 3 << 20;

/// Token counts of a training text, smoothed by Witten and Bell's interpolation: an unseen token after `h` gets the
/// share `T(h) / (N(h) + T(h))`, where `T` counts distinct and `N` all tokens seen after `h`.
#[derive(Clone, Debug)]
pub struct Counts {
    vocabulary: f64,
    single: Vec<u32>,
    total: f64,
    distinct: f64,
    pairs: HashMap<u64, u32>,
    after: Vec<(u32, u32)>,
}

/// Bits per byte of the baselines on a text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baselines {
    /// Every token by its frequency.
    pub unigram: f64,
    /// Every token by the one before it.
    pub bigram: f64,
}

impl Counts {
    /// Counts every token of text, the first of a document after the begin token; of more than [`SAMPLE`] tokens, those
    /// of evenly spaced runs.
    ///
    /// # Errors
    ///
    /// As [`Tokens::gather`].
    pub fn new(tokens: &Tokens, vocabulary: usize) -> Result<Self> {
        Self::limited(tokens, vocabulary, SAMPLE, MOST_PAIRS)
    }

    fn limited(tokens: &Tokens, vocabulary: usize, sample: u64, most_pairs: usize) -> Result<Self> {
        let mut c = Self {
            vocabulary: vocabulary as f64,
            single: vec![0; vocabulary],
            total: 0.0,
            distinct: 0.0,
            pairs: HashMap::new(),
            after: vec![(0, 0); vocabulary],
        };
        predicted(tokens, sample, |pair| c.count(pair, most_pairs))?;
        c.distinct = c.single.iter().filter(|&&n| n > 0).count() as f64;
        Ok(c)
    }

    fn count(&mut self, pair: &[u32], most_pairs: usize) {
        self.single[pair[1] as usize] += 1;
        self.total += 1.0;
        let full = self.pairs.len() >= most_pairs;
        let seen = match self.pairs.get_mut(&key(pair)) {
            Some(seen) => seen,
            None if full => return,
            None => self.pairs.entry(key(pair)).or_default(),
        };
        *seen += 1;
        let after = &mut self.after[pair[0] as usize];
        after.0 += 1;
        after.1 += u32::from(*seen == 1);
    }

    /// Probability of a token by itself.
    pub fn unigram(&self, token: u32) -> f64 {
        let n = self.single.get(token as usize).map_or(0.0, |&n| f64::from(n));
        (n + self.distinct / self.vocabulary) / (self.total + self.distinct)
    }

    /// Probability of `pair[1]` after `pair[0]`.
    pub fn bigram(&self, pair: &[u32]) -> f64 {
        let below = self.unigram(pair[1]);
        match self.after.get(pair[0] as usize) {
            Some(&(n, distinct)) if n > 0 => {
                let seen = self.pairs.get(&key(pair)).map_or(0.0, |&n| f64::from(n));
                (seen + f64::from(distinct) * below) / f64::from(n + distinct)
            }
            _ => below,
        }
    }

    /// Bits per byte of both baselines on all of `text`.
    ///
    /// # Errors
    ///
    /// As [`Tokens::gather`].
    pub fn measure(&self, text: &Tokens) -> Result<Baselines> {
        let (mut one, mut two) = (0.0, 0.0);
        predicted(text, u64::MAX, |pair| {
            one -= self.unigram(pair[1]).log2();
            two -= self.bigram(pair).log2();
        })?;
        let bytes = text.bytes().max(1) as f64;
        Ok(Baselines { unigram: one / bytes, bigram: two / bytes })
    }
}

/// Visits every token of text with the one before it, of at most about `limit` tokens.
fn predicted(tokens: &Tokens, limit: u64, mut visit: impl FnMut(&[u32])) -> Result<()> {
    let mut ids = Vec::new();
    for range in runs(tokens.len(), limit) {
        ids.clear();
        tokens.gather(range, &mut ids)?;
        ids.windows(2).filter(|pair| pair[1] != tokens.begin()).for_each(&mut visit);
    }
    Ok(())
}

/// Runs of tokens with one more at the end: all of `0..len`, or at most `limit` tokens in evenly spaced runs.
fn runs(len: u64, limit: u64) -> impl Iterator<Item = Range<u64>> {
    let (count, gap) = match len <= limit {
        true => (len.div_ceil(RUN), RUN),
        false => {
            let count = (limit / RUN).max(1);
            (count, (len - RUN.min(len)) / (count - 1).max(1))
        }
    };
    (0..count).map(move |i| i * gap..len.min(i * gap + RUN + 1))
}

fn key(pair: &[u32]) -> u64 {
    u64::from(pair[0]) << 32 | u64::from(pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::tokens_of;

    const VOCABULARY: usize = 6;

    #[test]
    fn probabilities_sum_to_one() {
        // a document is its tokens after the begin token 0
        let tokens = tokens_of(&[&[1, 2, 1, 2, 3], &[3, 1]], VOCABULARY);
        for most_pairs in [100, 3] {
            let counts = Counts::limited(&tokens, VOCABULARY, SAMPLE, most_pairs).unwrap();
            let all = 0..VOCABULARY as u32;
            let sum: f64 = all.clone().map(|t| counts.unigram(t)).sum();
            assert!((sum - 1.0).abs() < 1e-12);
            for h in all.clone() {
                let sum: f64 = all.clone().map(|t| counts.bigram(&[h, t])).sum();
                assert!((sum - 1.0).abs() < 1e-12, "{h}");
            }
        }
        let counts = Counts::new(&tokens, VOCABULARY).unwrap();
        // after 1: 2 twice; N = 2, T = 1
        let below = counts.unigram(2);
        assert!((counts.bigram(&[1, 2]) - (2.0 + below) / 3.0).abs() < 1e-12);
        let b = counts.measure(&tokens).unwrap();
        assert!(b.bigram < b.unigram);
    }

    #[test]
    fn runs_cover_everything_or_are_evenly_spaced() {
        for len in [0, 1, 2, RUN, RUN + 1, 3 * RUN + 5] {
            let pairs: u64 = runs(len, u64::MAX).map(|r| (r.end - r.start).saturating_sub(1)).sum();
            assert_eq!(pairs, len.saturating_sub(1), "{len}");
        }
        let some: Vec<Range<u64>> = runs(1000 * RUN, 10 * RUN).collect();
        assert_eq!((some.len(), some[0].start, some[9].end), (10, 0, 1000 * RUN));
        assert!(some.windows(2).all(|two| two[1].start - two[0].start == 111 * RUN));
    }
}
