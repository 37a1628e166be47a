//! What a table of counts already predicts: the bits per byte that a model has to beat.

use std::collections::HashMap;

use super::Tokens;

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
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baselines {
    /// Every token by its frequency.
    pub unigram: f64,
    /// Every token by the one before it.
    pub bigram: f64,
}

impl Counts {
    /// Counts every token of text, the first of a document after the begin token.
    pub fn new(tokens: &Tokens, vocabulary: usize) -> Self {
        let mut c = Self {
            vocabulary: vocabulary as f64,
            single: vec![0; vocabulary],
            total: 0.0,
            distinct: 0.0,
            pairs: HashMap::new(),
            after: vec![(0, 0); vocabulary],
        };
        for pair in predicted(tokens) {
            c.single[pair[1] as usize] += 1;
            let seen = c.pairs.entry(key(pair)).or_default();
            *seen += 1;
            let after = &mut c.after[pair[0] as usize];
            after.0 += 1;
            after.1 += u32::from(*seen == 1);
            c.total += 1.0;
        }
        c.distinct = c.single.iter().filter(|&&n| n > 0).count() as f64;
        c
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

    /// Bits per byte of both baselines on `text`.
    pub fn measure(&self, text: &Tokens) -> Baselines {
        let (mut one, mut two) = (0.0, 0.0);
        for pair in predicted(text) {
            one -= self.unigram(pair[1]).log2();
            two -= self.bigram(pair).log2();
        }
        let bytes = text.bytes().max(1) as f64;
        Baselines { unigram: one / bytes, bigram: two / bytes }
    }
}

/// Every token of text with the one before it.
fn predicted(tokens: &Tokens) -> impl Iterator<Item = &[u32]> {
    tokens.ids.windows(2).filter(|pair| pair[1] != tokens.begin)
}

fn key(pair: &[u32]) -> u64 {
    u64::from(pair[0]) << 32 | u64::from(pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one() {
        let tokens = Tokens { ids: vec![0, 1, 2, 1, 2, 3, 0, 3, 1], begins: vec![0, 6], lengths: vec![5, 2], begin: 0 };
        let counts = Counts::new(&tokens, 6);
        let sum: f64 = (0..6).map(|t| counts.unigram(t)).sum();
        assert!((sum - 1.0).abs() < 1e-12);
        for h in 0..6 {
            let sum: f64 = (0..6).map(|t| counts.bigram(&[h, t])).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{h}");
        }
        // after 1: 2 twice; N = 2, T = 1
        let below = counts.unigram(2);
        assert!((counts.bigram(&[1, 2]) - (2.0 + below) / 3.0).abs() < 1e-12);
        let b = counts.measure(&tokens);
        assert!(b.bigram < b.unigram);
    }
}
