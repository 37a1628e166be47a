//! What a rollout, or the baseline, is to predict.

use crate::compute::Backend;

/// Targets of a batch and its share of the whole loss.
#[derive(Debug)]
pub struct Target<'a, A, I> {
    /// Next tokens `(n)`, `u32::MAX` where there is none.
    pub targets: &'a I,
    /// Weight of a position in the loss `(1,1)`: the outer loss scale over the number of positions with a target in the
    /// whole (accumulated) batch.
    pub weight: &'a A,
    /// Outer loss scale `(1,1)`, where there is one.
    pub outer: Option<&'a A>,
    /// Sequences of this batch over those of the whole batch.
    pub share: f64,
}

impl<A, I> Clone for Target<'_, A, I> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<A, I> Copy for Target<'_, A, I> {}

impl<A, I> Target<'_, A, I> {
    /// A gradient of the loss, of any shape, times the outer loss scale.
    pub fn scaled<B: Backend<Array = A>>(&self, b: &B, gradient: A) -> A {
        match self.outer {
            Some(outer) => b.mul(&gradient, outer),
            None => gradient,
        }
    }
}
