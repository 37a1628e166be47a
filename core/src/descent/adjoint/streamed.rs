//! A step of System 1 without a matrix `(n,V)` beside the states.

use super::sweep::{Kept, Outcome, Sweep};
use crate::compute::{Backend, SoftmaxRows};
use crate::descent::distribution::VocabMatrix;
use crate::error::{Error, Result};
use crate::objective::cross_entropy::StepLoss;

impl<B: Backend> Sweep<'_, '_, B> {
    /// [`Sweep::pull`] of a detached run. With `w` the weight of a position, `v = w (softmax(Y') - q)` and
    /// `u = -alpha v` are given by the next state, its log-sum-exp and a number a row.
    pub(super) fn pull_streamed(&mut self, k: Kept<B::Array, B::Index>, out: &mut Outcome<B::Array>) -> Result<()> {
        let (rollout, b) = (self.rollout, self.rollout.b);
        let Some(loss) = StepLoss::new(&rollout, self.target, k.i, out.trace.is_some()) else { return Ok(()) };
        let Kept { i, next, at, .. } = k;
        let Some(at) = at else { return Err(Error::Replay { at: i }) };
        let lse = b.log_sum_exp(&next);
        let v = loss.streamed(&next, &lse, self.target.targets);
        out.record_loss(b, i, &loss, &b.cross_entropy_rows(v));
        if !loss.counts() {
            return Ok(());
        }
        let scale = b.mul(&loss.rows, &b.scale(&self.moves, -1.0));
        let u = VocabMatrix::Rows(SoftmaxRows { scale: Some(&scale), ..v });
        let mixed = u.mix(b, rollout.vocabulary());
        self.step_size(&mixed, &at.dp);
        if self.needs_tangent(i) {
            self.second_order(i, &at, &u, &mixed)?;
        }
        Ok(())
    }
}
