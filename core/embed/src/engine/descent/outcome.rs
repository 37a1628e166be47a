//! What a run reports: after every step, and at its end.

use serde::Serialize;

/// One row after one step, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct StepReport<'a> {
    /// Index into the positions of the run.
    pub index: usize,
    /// Position in the sequence.
    pub position: usize,
    /// Candidate of the position.
    pub candidate: usize,
    /// Step of the descent, from 0; where there are several rounds, it counts on over those of the row before.
    pub step: usize,
    /// Round of committing, from 0.
    pub round: usize,
    /// Landscape that the step was taken on, `min(step, S - 1)`.
    pub landscape: usize,
    /// Energy before the step: `F`, as in a certificate.
    pub energy: f32,
    /// Energy after it on the same landscape, where evaluated.
    pub energy_after: Option<f32>,
    /// Step size; 0 where no trial was accepted.
    pub step_size: f32,
    /// Dissipation `D`, at least 0: to first order the move loses the energy `step_size D`.
    pub dissipation: f32,
    /// The new state `Y' (cells, V)`; `-inf` at tokens that are not allowed.
    pub logits: &'a [f32],
    /// The new distributions `softmax(Y') (cells, V)`.
    pub probabilities: &'a [f32],
    /// Log-sum-exp of `Y'`, summed over the cells: the loss of token `t` is this less `Y'_t`, that of an answer this less
    /// the sum of the logits of its tokens.
    pub log_sum_exp: f32,
}

/// What a run cost. Evaluations are counted by row, so they do not depend on batching.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Outcome {
    /// Steps of the row that took most.
    pub steps: usize,
    /// Energies that were evaluated, one for each row and point; those of refused trials count.
    pub energies: u64,
    /// Gradients `G (cells, V)` that were evaluated, one for each row and point.
    pub gradients: u64,
    /// Hessian-vector products evaluated.
    pub curvatures: u64,
}
