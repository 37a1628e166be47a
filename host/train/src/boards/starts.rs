//! Which of several starts is kept.

use serde::{Deserialize, Serialize};

/// What one of several starts is kept by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Least energy.
    Energy,
    /// Least `F = E + tau sum P ln P`.
    Free,
    /// Least entropy.
    Entropy,
    /// Nearest to rest.
    Residual,
    /// The answer that most starts give.
    Vote,
    /// Any of them is right: what no choice can pass.
    Any,
    /// One of them at random.
    Random,
}

impl Choice {
    /// How many there are.
    pub const COUNT: usize = 7;
    /// All of them.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Energy, Self::Free, Self::Entropy, Self::Residual, Self::Vote, Self::Any, Self::Random];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Energy => "least energy",
            Self::Free => "least F",
            Self::Entropy => "least entropy",
            Self::Residual => "least residual",
            Self::Vote => "vote",
            Self::Any => "any of them",
            Self::Random => "one at random",
        }
    }
}

/// What one start of a problem ended in.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// Tokens of the unknown cells.
    pub(super) answer: Vec<u32>,
    pub(super) solved: bool,
    pub(super) energy: Option<f64>,
    pub(super) free: Option<f64>,
    pub(super) entropy: f64,
    pub(super) residual: f64,
}

/// By every choice the probability that what is kept is right; `NaN` where the choice needs an energy and there is none.
pub(super) fn chosen(ends: &[End]) -> [f64; Choice::COUNT] {
    let right = |end: Option<&End>| f64::from(u8::from(end.is_some_and(|end| end.solved)));
    let least = |of: &dyn Fn(&End) -> Option<f64>| {
        let of = |end| of(end).unwrap_or(f64::NAN);
        let kept = ends.iter().min_by(|a, b| of(a).total_cmp(&of(b)));
        if kept.map(of).is_none_or(f64::is_nan) { f64::NAN } else { right(kept) }
    };
    let votes = |end: &End| ends.iter().filter(|other| other.answer == end.answer).count();
    let most = ends.iter().map(votes).max();
    let solved = ends.iter().filter(|end| end.solved).count();
    Choice::ALL.map(|choice| match choice {
        Choice::Energy => least(&|end| end.energy),
        Choice::Free => least(&|end| end.free),
        Choice::Entropy => least(&|end| Some(end.entropy)),
        Choice::Residual => least(&|end| Some(end.residual)),
        Choice::Vote => right(ends.iter().find(|end| Some(votes(end)) == most)),
        Choice::Any => f64::from(u8::from(solved > 0)),
        Choice::Random => solved as f64 / ends.len().max(1) as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_keeps_what_its_name_says() {
        let end = |answer: u32, solved, energy: f64, entropy, residual| End {
            answer: vec![answer],
            solved,
            energy: Some(energy),
            free: Some(-energy),
            entropy,
            residual,
        };
        let ends = [end(1, true, -3.0, 0.5, 2.0), end(2, false, -1.0, 0.1, 1.0), end(2, false, -2.0, 0.2, 3.0)];
        assert_eq!(chosen(&ends), [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0 / 3.0]);
        let without = ends.map(|end| End { energy: None, free: None, ..end });
        assert!(chosen(&without)[..2].iter().all(|share| share.is_nan()) && chosen(&without)[4] == 0.0);
    }
}
