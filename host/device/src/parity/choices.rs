//! The choices of problems, and how their states are compared.
//!
//! Of a state or a direction only differences between the tokens of a choice matter. What is compared is the canonical form: at
//! positions with a choice the value less its mean over the tokens that are allowed, 0 everywhere else.

use super::batch;
use super::case::Case;

/// The choices of a case, and what its states and directions say of them.
#[derive(Debug)]
pub(super) struct Choices {
    vocab: usize,
    context: usize,
    tokens: Vec<Vec<usize>>,
}

impl Choices {
    pub(super) fn of(case: &Case) -> Self {
        let (vocab, context) = (case.config.vocab, case.sequences.context);
        Self { vocab, context, tokens: batch::choices(&case.sequences, vocab) }
    }

    /// Values `(.., B, T, V)` in canonical form.
    pub(super) fn canonical(&self, values: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; values.len()];
        let rows = values.chunks_exact(self.vocab).zip(out.chunks_exact_mut(self.vocab));
        for ((row, out), tokens) in rows.zip(self.tokens.iter().cycle()) {
            let mean = tokens.iter().map(|&token| row[token]).sum::<f64>() / tokens.len() as f64;
            tokens.iter().for_each(|&token| out[token] = row[token] - mean);
        }
        out
    }

    /// Sums `(.., B)` of numbers of positions `(.., B, T)`.
    pub(super) fn by_problem(&self, positions: impl Iterator<Item = f64>) -> Vec<f64> {
        let all: Vec<f64> = positions.collect();
        all.chunks_exact(self.context).map(|problem| problem.iter().sum()).collect()
    }

    /// What `measure` says of the probabilities and log probabilities of every choice and of the same tokens of `values`,
    /// summed over every problem; states and values are `(.., B, T, V)`.
    fn measure(&self, states: &[f64], values: &[f64], measure: impl Fn(&[[f64; 3]]) -> f64) -> Vec<f64> {
        let rows = states.chunks_exact(self.vocab).zip(values.chunks_exact(self.vocab));
        self.by_problem(rows.zip(self.tokens.iter().cycle()).map(|((state, values), tokens)| {
            let most = tokens.iter().map(|&token| state[token]).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = tokens.iter().map(|&token| (state[token] - most).exp()).sum();
            let of = |&token: &usize| {
                let log = state[token] - most - sum.ln();
                [log.exp(), log, values[token]]
            };
            measure(&tokens.iter().map(of).collect::<Vec<_>>())
        }))
    }

    pub(super) fn entropies(&self, states: &[f64]) -> Vec<f64> {
        self.measure(states, states, |choice| -choice.iter().map(|[p, log, _]| p * log).sum::<f64>())
    }

    pub(super) fn variances(&self, states: &[f64], values: &[f64]) -> Vec<f64> {
        self.measure(states, values, |choice| {
            let mean: f64 = choice.iter().map(|[p, _, x]| p * x).sum();
            choice.iter().map(|[p, _, x]| p * (x - mean) * (x - mean)).sum()
        })
    }
}
