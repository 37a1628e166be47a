//! The cross entropy of the states of a rollout against the next tokens, weighted by step: the main term of the loss.

use super::target::Target;
use crate::compute::{Backend, SoftmaxRows};
use crate::descent::rollout::Rollout;

/// The cross entropy after one step, before it is computed.
#[derive(Clone, Debug)]
pub struct StepLoss<A> {
    /// Weight of the step in the loss.
    weight: f64,
    /// `weight`, or 1 where the weight is 0 and the value alone is asked for.
    factor: f64,
    /// What multiplies the loss of every position `(n,1)`: `factor` times the weight of a position.
    pub rows: A,
}

impl<A: Clone> StepLoss<A> {
    /// The loss after step `i`; none where nobody asks for it. With `traced`, steps of weight 0 are asked for as well.
    pub fn new<B: Backend<Array = A>>(
        rollout: &Rollout<'_, B>,
        target: Target<'_, A, B::Index>,
        i: usize,
        traced: bool,
    ) -> Option<Self> {
        let b = rollout.b;
        let weight = rollout.objective.step_weight(i, rollout.steps);
        if weight == 0.0 && !traced {
            return None;
        }
        let factor = if weight == 0.0 { 1.0 } else { weight };
        let rows = b.mul(&b.fill(rollout.geometry.shape.rows(), 1, factor), target.weight);
        Some(Self { weight, factor, rows })
    }

    /// Whether the step has a part in the loss.
    pub fn counts(&self) -> bool {
        self.weight != 0.0
    }

    /// `(loss (n,1), v (n,V))`: weighted losses of the positions of the state `next (n,V)`, and their derivative.
    pub fn stored<B: Backend<Array = A>>(&self, b: &B, next: &A, targets: &B::Index) -> (A, A) {
        b.cross_entropy(next, targets, &self.rows)
    }

    /// The derivative `v (n,V)` as rows that are never stored, see [`SoftmaxRows`]; `lse (n,1)` is the log-sum-exp of `next`.
    pub fn streamed<'r, I>(&'r self, next: &'r A, lse: &'r A, targets: &'r I) -> SoftmaxRows<'r, A, I> {
        SoftmaxRows { logits: next, lse, scale: Some(&self.rows), targets: Some(targets) }
    }

    /// From the weighted losses `(n,1)`: their sum `(1,1)`, and the same without the weight of the step.
    pub fn totals<B: Backend<Array = A>>(&self, b: &B, loss: &A) -> (A, A) {
        let sum = b.sum_rows(loss);
        let unweighted = b.scale(&sum, 1.0 / self.factor);
        (sum, unweighted)
    }
}
