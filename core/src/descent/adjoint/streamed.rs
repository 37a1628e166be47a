//! A step of System 1 without a matrix `(n,V)` beside the states.

use super::{Kept, Outcome, Work};
use crate::compute::{Backend, CrossEntropy, Rows};
use crate::descent::distribution::Wide;
use crate::error::{Error, Result};

impl<B: Backend> Work<'_, '_, B> {
    /// [`Work::pull`] of a detached run. With `w` the weight of a position, `v = w (softmax(Y') - q)` and
    /// `u = -alpha v` are given by the next state, its log-sum-exp and a number a row.
    pub(super) fn pull_streamed(&mut self, k: Kept<B::Array, B::Index>, out: &mut Outcome<B::Array>) -> Result<()> {
        let (scene, b) = (self.scene, self.scene.b);
        let Some((weight, factor, rows)) = self.loss_rows(k.i, out.trace.is_some()) else { return Ok(()) };
        let Kept { i, next, at, .. } = k;
        let Some(at) = at else { return Err(Error::Replay { at: i }) };
        let spec = CrossEntropy { smoothing: scene.objective.smoothing(i, scene.steps) };
        let targets = self.target.targets;
        let lse = b.log_sum_exp(&next);
        let v = Rows { logits: &next, lse: &lse, scale: Some(&rows), targets: Some((targets, spec)) };
        self.book(i, (weight, factor), &b.cross_entropy_rows(v), out);
        if weight == 0.0 {
            return Ok(());
        }
        let scale = b.mul(&rows, &b.scale(&self.moves, -1.0));
        let u = Wide::Rows(Rows { scale: Some(&scale), ..v });
        let mixed = u.mix(b, scene.vocabulary());
        self.step_size(&mixed, &at.dp);
        if self.needs_tangent(i) {
            self.second_order(i, &at, &u, &mixed)?;
        }
        Ok(())
    }
}
