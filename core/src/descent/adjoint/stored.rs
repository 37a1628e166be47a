//! A step of the reverse sweep with whole matrices `(n,V)`.

use alloc::vec::Vec;

use super::sweep::{Kept, Outcome, Sweep};
use crate::compute::Backend;
use crate::descent::distribution::VocabMatrix;
use crate::descent::rollout::EnergyAt;
use crate::descent::update_rule::PulledMove;
use crate::error::{Error, Result};
use crate::objective::Flow;
use crate::objective::cross_entropy::StepLoss;

impl<B: Backend> Sweep<'_, '_, B> {
    /// [`Sweep::pull`] for any objective and update rule.
    pub(super) fn pull_stored(
        &mut self,
        k: Kept<B::Array, B::Index>,
        carry: Option<B::Array>,
        out: &mut Outcome<B::Array>,
    ) -> Result<Option<B::Array>> {
        let b = self.rollout.b;
        let mut v = self.loss(&k, out);
        if let Some(carry) = carry {
            v = Some(match v {
                Some(v) => b.add(&v, &carry),
                None => carry,
            });
        }
        let Some(v) = v else { return Ok(None) };
        let Kept { i, y, next, at } = k;
        let at = match (at, y) {
            (Some(at), _) => at,
            (None, Some(y)) => self.evaluate(i, &self.rollout.noised(i, &y), true)?,
            (None, None) => return Err(Error::Replay { at: i }),
        };
        self.pull_step(i, next, at, v, out)
    }

    /// [`Sweep::pull`] with the cotangent `v (n,V)` on the next state and the step's evaluation at hand.
    fn pull_step(
        &mut self,
        i: usize,
        next: B::Array,
        at: EnergyAt<B::Array, B::Index>,
        v: B::Array,
        out: &mut Outcome<B::Array>,
    ) -> Result<Option<B::Array>> {
        let rollout = self.rollout;
        let (b, rule) = (rollout.b, rollout.rule());
        let tangent = self.needs_tangent(i);
        let terms = if tangent { self.step_terms(i, &next, &at, out)? } else { Vec::new() };
        drop(next);
        let v = terms.iter().fold(v, |v, term| b.add(&v, &term.next));
        let p = at.p.dense(b);
        // on the direction -alpha v (over the inner loss scale), and from there on G
        let raw = b.mul(&v, &b.scale(&self.moves, -1.0));
        let mut u = rule.adjoint(b, &p, &raw);
        let mut mixed = rollout.mix(&u);
        self.step_size(&mixed, &at.dp);
        if let Some(inner) = at.y.as_ref().and_then(|y| rollout.entropy_step_size(&self.alphas, &v, y)) {
            self.step_size_by(&inner);
        }
        for term in &terms {
            u = b.add(&u, &rollout.unscaled(term.direction.clone()));
            mixed = rollout.mix(&u);
        }
        let unrolled = rollout.objective.flow == Flow::Unrolled && i > 0;
        let hp = if tangent { Some(self.second_order(i, &at, &VocabMatrix::Stored(&u), &mixed)?) } else { None };
        drop(mixed);
        Ok(unrolled.then(|| {
            let hu = hp.map(|hp| terms.iter().fold(rollout.unmix(&hp), |hu, term| b.add(&hu, &term.p)));
            let gradient = &|| rollout.unmix(&at.dp);
            let carry = rule.pull_back(b, PulledMove { p: &p, v: &v, raw: &raw, hu, gradient });
            let carry = rollout.entropy_pull_back(carry, &self.alphas, &v);
            terms.iter().filter_map(|term| term.state.as_ref()).fold(carry, |sum, state| b.add(&sum, state))
        }))
    }

    /// Cross entropy after step `k.i`; its derivative `(n,V)` with respect to the state, if it counts.
    fn loss(&self, k: &Kept<B::Array, B::Index>, out: &mut Outcome<B::Array>) -> Option<B::Array> {
        let b = self.rollout.b;
        let loss = StepLoss::new(&self.rollout, self.target, k.i, out.trace.is_some())?;
        let (rows, v) = loss.stored(b, &k.next, self.target.targets);
        out.record_loss(b, k.i, &loss, &rows);
        loss.counts().then_some(v)
    }
}
