//! What a token comes with: the energies of its trajectory and what they prove.

use serde::{Deserialize, Serialize};

/// Why a row stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stop {
    /// All steps asked for were taken.
    Steps,
    /// A step changed the energy by no more than the tolerance.
    Energy,
    /// The dissipation was within the tolerance.
    Dissipation,
    /// No step of the line search on the last landscape lowered the energy enough: stationary to rounding.
    Stationary,
}

impl Stop {
    pub(super) fn load(word: u32) -> Option<Self> {
        match word {
            1 => Some(Self::Steps),
            2 => Some(Self::Energy),
            3 => Some(Self::Dissipation),
            4 => Some(Self::Stationary),
            _ => None,
        }
    }

    pub(super) fn store(stop: Option<Self>) -> u32 {
        match stop {
            None => 0,
            Some(Self::Steps) => 1,
            Some(Self::Energy) => 2,
            Some(Self::Dissipation) => 3,
            Some(Self::Stationary) => 4,
        }
    }
}

/// How one token, or the answer to one problem, was arrived at. Slices run over the steps of the chosen candidate.
///
/// The energies are those of the function that is descended on, `F = E + tau sum P ln P`, which is `E` itself where the
/// dynamics have no entropy. Step `i` decreased it sufficiently where `energies_after[i] <= energies[i] - sufficient *
/// (step_sizes[i] * dissipations[i])`; `alpha D` is what it loses to first order along the move: `alpha Var_P(G + tau Y)`
/// (mirror), `alpha |J G|^2` (logit), and `max(0, <G, P - P'>)`
/// (probability, where the move does not vanish with `alpha`), summed over the unknown cells of the row. With noise the
/// promise is in expectation only.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Certificate<'a> {
    /// Position in the sequence of the token this one follows.
    pub position: usize,
    /// Which candidate was kept.
    pub candidate: usize,
    /// Descent steps of the chosen candidate, the length of the slices below; 0 without a descent.
    pub steps: usize,
    /// Why it stopped.
    pub stop: Stop,
    /// Landscape of every step.
    pub landscapes: &'a [u32],
    /// Round of committing that every step belongs to; empty where there was one. Between rounds cells were fixed and the
    /// state started anew, so energies of different rounds are those of different functions.
    pub rounds: &'a [u32],
    /// Energy before every step (after its noise).
    pub energies: &'a [f32],
    /// Energy after every step on the same landscape; empty where it was not evaluated.
    pub energies_after: &'a [f32],
    /// Step size of every step; 0 where no trial was accepted.
    pub step_sizes: &'a [f32],
    /// Dissipation `D` of every step.
    pub dissipations: &'a [f32],
    /// Whether every step decreased the energy sufficiently; empty where it was not evaluated.
    pub decreased: &'a [bool],
    /// The constant `c` of sufficient decrease.
    pub sufficient: f32,
    /// Whether all steps did; none where it was not evaluated.
    pub all_decreased: Option<bool>,
    /// `alpha lambda_max` of every step; empty where it was not measured.
    pub alpha_lambda: &'a [f32],
    /// The largest of these (below 2: the linearised dynamics are stable).
    pub largest_alpha_lambda: Option<f32>,
    /// Final energies of all candidates; empty where they were not evaluated.
    pub candidate_energies: &'a [f32],
    /// Share of accepted Metropolis proposals (after adaptation, where there were any).
    pub acceptance: Option<f32>,
    /// Energy, entropy and residual at the end; none where that was not assessed.
    pub end: Option<Assessment>,
}

/// What a candidate ended as.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Assessment {
    /// Energy `E`.
    pub energy: f32,
    /// `F = E - tau entropy`, what was descended on.
    pub free: f32,
    /// `-sum P ln P` over the unknown cells, in nats.
    pub entropy: f32,
    /// `sqrt(sum of Var_P(G + tau Y))` over the unknown cells: 0 where `F` is stationary on the simplex.
    pub residual: f32,
    /// Candidates of its position with the same answer, itself included.
    pub votes: u32,
}

impl Certificate<'_> {
    /// That of a prediction that takes no descent.
    pub(in crate::engine) fn without_descent(position: usize) -> Self {
        Self {
            position,
            candidate: 0,
            steps: 0,
            stop: Stop::Steps,
            landscapes: &[],
            rounds: &[],
            energies: &[],
            energies_after: &[],
            step_sizes: &[],
            dissipations: &[],
            decreased: &[],
            sufficient: 0.0,
            all_decreased: None,
            alpha_lambda: &[],
            largest_alpha_lambda: None,
            candidate_energies: &[],
            acceptance: None,
            end: None,
        }
    }
}
