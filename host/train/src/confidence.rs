//! How well numbers that a model gives tell whether its most probable token is the right one (Hendrycks and Gimpel, arXiv 1610.02136), and
//! how many tokens are wrong among those that it is surest of (Geifman and El-Yaniv, arXiv 1705.08500).

use serde::Serialize;

use crate::detection::area;

/// Shares of the tokens, the surest first, for which errors are counted.
pub const COVERAGES: [f64; 4] = [0.25, 0.5, 0.75, 1.0];

/// What tells how sure a model is, and the name of it.
pub const SCORES: [&str; 4] = ["probability", "entropy", "energy", "drop"];

/// The doubt that each of [`SCORES`] has in a token, larger where less sure, and whether the token is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// `1 - max P`, the entropy of `P` in nats, the energy of the final state, and how little it fell on the way there.
    pub by: [f64; 4],
    /// Whether the most probable token is another one.
    pub wrong: bool,
}

impl Doubt {
    /// The doubt in a position with these logits, the right token, and the energies of the first and of the final state.
    pub fn of(logits: &[f32], target: usize, energies: [f64; 2]) -> Self {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (mut sum, mut mean) = (0.0, 0.0);
        for &y in logits {
            let below = f64::from(y - most);
            sum += below.exp();
            mean += below.exp() * below;
        }
        // H = ln sum exp(y) - E[y], both relative to the largest
        let entropy = sum.ln() - mean / sum;
        let [first, last] = energies;
        Self { by: [1.0 - 1.0 / sum, entropy, last, last - first], wrong: logits.get(target) != Some(&most) }
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
}

impl Confidence {
    /// What the doubts say; `energy` says whether there are energies.
    pub fn of(doubts: &[Doubt], energy: bool) -> Self {
        let scores = if energy { &SCORES[..] } else { &SCORES[..2] };
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
        Self { tokens: doubts.len(), wrong, scores: scores.iter().enumerate().map(told).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_are_those_of_the_distribution() {
        let logits = [0.0, 2f32.ln(), 5f32.ln()];
        let doubt = Doubt::of(&logits, 2, [3.0, 1.0]);
        let p = [0.125, 0.25, 0.625f64];
        let entropy: f64 = p.iter().map(|p| -p * p.ln()).sum();
        for (found, expected) in doubt.by.iter().zip([0.375, entropy, 1.0, -2.0]) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
        assert!(!doubt.wrong && Doubt::of(&logits, 1, [0.0; 2]).wrong);
    }

    #[test]
    fn a_score_that_knows_all_is_told_from_one_that_knows_nothing() {
        let doubts: Vec<Doubt> =
            (0..100).map(|i| Doubt { by: [f64::from(i), 1.0, 0.0, 0.0], wrong: i >= 60 }).collect();
        let told = Confidence::of(&doubts, false);
        assert_eq!((told.tokens, told.wrong, told.scores.len()), (100, 40, 2));
        assert_eq!((told.scores[0].area, told.scores[0].wrong), (Some(1.0), [0.0, 0.0, 0.2, 0.4]));
        assert_eq!(told.scores[1].area, Some(0.5));
        assert_eq!(Confidence::of(&doubts, true).scores.len(), 4);
        assert_eq!(Confidence::of(&doubts[..10], true).scores[0].area, None);
    }
}
