//! How well numbers that a model gives tell whether its most probable token is the right one (Hendrycks and Gimpel, arXiv 1610.02136), and
//! how many tokens are wrong among those that it is surest of (Geifman and El-Yaniv, arXiv 1705.08500).

use serde::Serialize;

use crate::candidates::{Position, Ranked};
use crate::detection::area;

/// Shares of the tokens, the surest first, for which errors are counted.
pub const COVERAGES: [f64; 4] = [0.25, 0.5, 0.75, 1.0];

/// What tells how sure a model is, and the name of it.
pub const SCORES: [&str; 5] = ["probability", "entropy", "energy", "drop", "vertex"];

/// The doubt that each of [`SCORES`] has in a token, larger where less sure, and whether the token is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// `1 - max P`, the entropy of `P` in nats, the energy of the final state on the landscape of the next step, how little it fell on the
    /// way there, and the energy of the most probable token as a vertex on the last landscape.
    pub by: [f64; 5],
    /// `ln sum exp` of the logits.
    pub lse: f64,
    /// Whether the most probable token is another one.
    pub wrong: bool,
}

impl Doubt {
    /// The doubt in a position with these logits, the right token, and the energies of the first state, of the final one, and of the
    /// most probable token.
    pub fn of(logits: &[f32], target: usize, energies: [f64; 3]) -> Self {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (mut sum, mut mean) = (0.0, 0.0);
        for &y in logits {
            let below = f64::from(y - most);
            sum += below.exp();
            mean += below.exp() * below;
        }
        // H = ln sum exp(y) - E[y], both relative to the largest
        let entropy = sum.ln() - mean / sum;
        let [first, last, vertex] = energies;
        let by = [1.0 - 1.0 / sum, entropy, last, last - first, vertex];
        Self { by, lse: f64::from(most) + sum.ln(), wrong: logits.get(target) != Some(&most) }
    }
}

/// How well a score tells errors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    /// One of [`SCORES`].
    pub score: &'static str,
    /// How probable it is that a token that is wrong is more in doubt than one that is right; 0.5 is chance. None where all are wrong
    /// or none is.
    pub area: Option<f64>,
    /// Share of wrong tokens among the surest, by [`COVERAGES`].
    pub wrong: [f64; 4],
}

/// How well scores tell errors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confidence {
    /// Tokens that were predicted.
    pub tokens: usize,
    /// Those of them that were not the most probable ones.
    pub wrong: usize,
    /// By score; energies of models that have them.
    pub scores: Vec<Told>,
    /// Whether energies rank the most probable tokens, of models that have them.
    pub ranked: Option<Ranked>,
}

impl Confidence {
    /// What the doubts say, and the most probable tokens of every position where there are energies.
    pub fn of(doubts: &[Doubt], positions: Option<&[Position]>) -> Self {
        let scores = if positions.is_some() { &SCORES[..] } else { &SCORES[..2] };
        let told = |(i, &score): (usize, &&'static str)| {
            let mut by: Vec<(f64, bool)> = doubts.iter().map(|doubt| (doubt.by[i], doubt.wrong)).collect();
            // sorts them, the surest first
            let area = area(&mut by);
            let among = |coverage: f64| {
                let surest = &by[..(coverage * by.len() as f64).round() as usize];
                surest.iter().filter(|(_, wrong)| *wrong).count() as f64 / surest.len().max(1) as f64
            };
            Told { score, area, wrong: COVERAGES.map(among) }
        };
        let wrong = doubts.iter().filter(|doubt| doubt.wrong).count();
        let (tokens, ranked) = (doubts.len(), positions.and_then(Ranked::of));
        Self { tokens, wrong, scores: scores.iter().enumerate().map(told).collect(), ranked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_are_those_of_the_distribution() {
        let logits = [0.0, 2f32.ln(), 5f32.ln()];
        let doubt = Doubt::of(&logits, 2, [3.0, 1.0, 7.0]);
        let p = [0.125, 0.25, 0.625f64];
        let entropy: f64 = p.iter().map(|p| -p * p.ln()).sum();
        for (found, expected) in doubt.by.iter().zip([0.375, entropy, 1.0, -2.0, 7.0]) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
        assert!((doubt.lse - 8f64.ln()).abs() < 1e-6, "{}", doubt.lse);
        assert!(!doubt.wrong && Doubt::of(&logits, 1, [0.0; 3]).wrong);
    }

    #[test]
    fn a_score_that_knows_all_is_told_from_one_that_knows_nothing() {
        let doubts: Vec<Doubt> =
            (0..100).map(|i| Doubt { by: [f64::from(i), 1.0, 0.0, 0.0, 0.0], lse: 0.0, wrong: i >= 60 }).collect();
        let told = Confidence::of(&doubts, None);
        assert_eq!((told.tokens, told.wrong, told.scores.len()), (100, 40, 2));
        assert_eq!((told.scores[0].area, told.scores[0].wrong), (Some(1.0), [0.0, 0.0, 0.2, 0.4]));
        assert_eq!(told.scores[1].area, Some(0.5));
        assert_eq!(Confidence::of(&doubts, Some(&[])).scores.len(), 5);
        assert_eq!(Confidence::of(&doubts[..10], Some(&[])).scores[0].area, None);
    }
}
