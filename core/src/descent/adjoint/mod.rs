//! Differentiating through a rollout (guide/mathematics.md section 5).
//!
//! With `v = dL/dY_{i+1}` and `u = -alpha v`, one tangent `u` pushed through the forward *and* backward pass of the
//! energy gives the parameter gradient `d/d eps [dE/dtheta at P + eps u]` and `H u` together; nothing but states is
//! carried between steps. `dL/dalpha = -<v, G> = <u, G> / alpha`, and `<u, G> = <u W_v, dE/dp>` costs nothing more.

mod landscapes;
mod second_order;
mod stored;
mod streamed;
mod sweep;
mod terms;

use alloc::vec::Vec;

use super::rollout::{self, Rollout};
use crate::compute::{Backend, Scope};
use crate::error::Result;
use crate::objective::target::Target;
use crate::objective::{Checkpointing, Flow, LossSteps};
use sweep::{Kept, Sweep};
pub use sweep::{Outcome, Trace};

/// Loss and gradient of one batch; gradients are added to `grads` (layout order).
pub fn gradient<'a, B: Backend>(
    rollout: Rollout<'a, B>,
    target: Target<'a, B::Array, B::Index>,
    initial: B::Array,
    grads: &mut [B::Array],
    trace: bool,
) -> Result<Outcome<B::Array>> {
    let (b, n) = (rollout.b, rollout.steps);
    let (alpha, alpha_slope) = rollout.alpha();
    let alphas = rollout.step_sizes(&alpha);
    let moves = rollout.unscaled(alphas.clone());
    let landscapes = rollout.model.config.landscapes;
    let mut out = Outcome::new(b, n, &initial, trace);
    let mut sweep = Sweep {
        rollout,
        target,
        grads,
        landscapes: (0..landscapes).map(|_| None).collect(),
        streams: (0..landscapes).map(|_| None).collect(),
        observed_condition: None,
        alpha,
        alpha_slope,
        alphas,
        moves,
    };
    let objective = rollout.objective;
    let (unrolled, keep_all) = (objective.flow == Flow::Unrolled, objective.checkpointing == Checkpointing::None);
    let mut kept = Vec::new();
    let mut y = rollout.masked(initial);
    for i in 0..n {
        let pulled = sweep.needs_tangent(i);
        let record = pulled && (!unrolled || keep_all || i + 1 == n);
        let noised = rollout.noised(i, &y);
        let at = sweep.evaluate(i, &noised, record)?;
        let next = rollout::advance(&sweep.rollout, noised, &at, &sweep.moves);
        out.energies.push(at.energy.clone());
        if rollout.scaling.is_some() {
            let poison = b.scale(&b.sum_rows(&b.sum_columns(&at.dp)), 0.0);
            out.overflow = Some(match out.overflow.take() {
                Some(sum) => b.add(&sum, &poison),
                None => poison,
            });
        }
        if let Some(t) = &mut out.trace {
            t.states.push(next.clone());
            t.directions.push(rollout::direction_at(&rollout, &at));
            t.energies.push(at.energy.clone());
        }
        if let Some(balance) = &at.balance {
            let loss = b.scale(&balance.loss, sweep.target.share / n as f64);
            out.balance = b.add(&out.balance, &loss);
            out.load = balance.load.clone();
        }
        // a constant gradient is worth keeping whole: nothing will recompute it
        let at = (record || !pulled).then_some(at);
        let step = Kept { i, y: at.is_none().then_some(y), next: next.clone(), at };
        y = next;
        if unrolled {
            kept.push(step);
        } else if pulled || trace {
            sweep.pull(step, None, &mut out)?;
        }
    }
    out.last = y.clone();
    drop(y);
    let mut carry = None;
    while let Some(step) = kept.pop() {
        carry = sweep.pull(step, carry, &mut out)?;
    }
    sweep.end_terms(&mut out)?;
    sweep.finish();
    b.status()?;
    Ok(out)
}

impl<B: Backend> Sweep<'_, '_, B> {
    /// Whether step `i` is differentiated through its energy (else its gradient is a constant).
    fn needs_tangent(&self, i: usize) -> bool {
        self.rollout.objective.loss != LossSteps::Last || i + 1 == self.rollout.steps
    }

    /// Gradient of the loss through step `k.i`: adds weight gradients, returns the cotangent `(n,V)` on the state before
    /// it from `carry (n,V)`, the cotangent on the state after it that later steps left.
    fn pull(
        &mut self,
        k: Kept<B::Array, B::Index>,
        carry: Option<B::Array>,
        out: &mut Outcome<B::Array>,
    ) -> Result<Option<B::Array>> {
        let left = self.rollout.b.enter(Scope::Vocabulary);
        let carry = if self.rollout.streams() {
            self.pull_streamed(k, out)?;
            None
        } else {
            self.pull_stored(k, carry, out)?
        };
        self.rollout.b.enter(left);
        Ok(carry)
    }

    /// `dalpha += <u W_v, dE/dp> / alpha` from `tangent = u W_v (n,D)` and `dp (n,D)`; nothing where alpha rests on its
    /// lower limit.
    fn step_size(&mut self, tangent: &B::Array, dp: &B::Array) {
        let b = self.rollout.b;
        let inner = b.sum_rows(&b.sum_columns(&b.mul(tangent, dp)));
        self.step_size_by(&inner);
    }

    /// `dalpha += inner / alpha`, `inner (1,1)`, nothing where alpha rests on its lower limit.
    fn step_size_by(&mut self, inner: &B::Array) {
        let b = self.rollout.b;
        if let Some(ids) = self.rollout.model.layout.energy {
            let slope = b.mul(&self.alpha_slope, &b.recip(&self.alpha));
            b.accumulate(&mut self.grads[ids.alpha], &b.mul(inner, &slope));
        }
    }
}
