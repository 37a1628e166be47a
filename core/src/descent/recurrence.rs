//! The rival of a joint energy: the same blocks with a head of logits, `Y' = rms(h) W_out^T + b + l` with the prior `l`, whose softmax is
//! fed back. One step is a single pass; more are a loop.

use alloc::vec::Vec;

use super::adjoint::{Outcome, Trace};
use super::rollout::{self, Rollout};
use crate::compute::{Backend, Scope};
use crate::energy;
use crate::error::Result;
use crate::layer::block::Stream;
use crate::objective::cross_entropy::StepLoss;
use crate::objective::target::Target;
use crate::objective::{Flow, LossSteps};
use crate::transformer::{self, StreamBalance, TransformerSaved};

/// One step of the loop, for its backward pass.
struct Passed<T, I> {
    p: T,
    next: T,
    saved: TransformerSaved<T, I>,
}

/// What the blocks read beside the candidates: flags and positions `(n,D)`.
pub fn base<B: Backend>(rollout: &Rollout<'_, B>) -> B::Array {
    let condition = crate::layer::condition::unconditioned::<B>(rollout.model);
    let observed = rollout::observe(rollout, &condition);
    let (n, d) = (rollout.geometry.shape.rows(), rollout.model.config.dim);
    observed.memory.into_iter().next().unwrap_or_else(|| rollout.b.fill(n, d, 0.0))
}

fn pass<B: Backend>(rollout: &Rollout<'_, B>, base: &B::Array, y: &B::Array) -> Passed<B::Array, B::Index> {
    let b = rollout.b;
    let p = b.softmax(y);
    let h = b.add(&rollout.mix(&p), base);
    let (logits, saved) = transformer::logits_of(b, rollout.model, rollout.geometry, Stream::Joint, h);
    Passed { p, next: rollout.masked(rollout.with_prior(logits)), saved }
}

/// The next state `(n,V)` of the state `y (n,V)`.
pub fn advance<B: Backend>(rollout: &Rollout<'_, B>, base: &B::Array, y: &B::Array) -> B::Array {
    pass(rollout, base, y).next
}

/// Loss and gradient of one batch, as [`adjoint::gradient`](super::adjoint::gradient) of an energy; energies are zero.
pub fn gradient<'a, B: Backend>(
    rollout: Rollout<'a, B>,
    target: Target<'a, B::Array, B::Index>,
    initial: B::Array,
    grads: &mut [B::Array],
    trace: bool,
) -> Result<Outcome<B::Array>> {
    let (b, n, objective) = (rollout.b, rollout.steps, rollout.objective);
    let left = b.enter(Scope::Observed);
    let base = base(&rollout);
    let mut out = Outcome::new(b, n, &initial, trace);
    let mut y = rollout.masked(initial);
    let mut passed = Vec::new();
    for i in 0..n {
        let step = pass(&rollout, &base, &rollout.noised(i, &y));
        out.energies.push(b.fill(rollout.geometry.shape.rows(), 1, 0.0));
        if let Some(Trace { states, .. }) = &mut out.trace {
            states.push(step.next.clone());
        }
        y = step.next.clone();
        passed.push(step);
    }
    out.last = y;
    let mut carry: Option<B::Array> = None;
    let mut dbase = b.fill(rollout.geometry.shape.rows(), rollout.model.config.dim, 0.0);
    for (i, step) in passed.into_iter().enumerate().rev() {
        let mut v = carry.take();
        if let Some(loss) = StepLoss::new(&rollout, target, i, trace) {
            let (rows, on_next) = loss.stored(b, &step.next, target.targets);
            out.record_loss(b, i, &loss, &rows);
            if loss.counts() {
                v = Some(v.map_or_else(|| on_next.clone(), |v| b.add(&v, &on_next)));
            }
        }
        let Some(v) = v else { continue };
        let share = if objective.loss == LossSteps::Last { target.share } else { target.share / n as f64 };
        let StreamBalance { loss, on_gates, load } =
            transformer::balance_of(b, rollout.model, rollout.geometry, &step.saved, &target, share);
        out.balance = b.add(&out.balance, &loss);
        if i + 1 == n {
            out.load = load;
        }
        let (model, geometry) = (rollout.model, rollout.geometry);
        let dh = transformer::logits_backward(b, model, geometry, Stream::Joint, &step.saved, &v, &on_gates, grads);
        b.accumulate(&mut dbase, &dh);
        b.accumulate_product(&mut grads[model.layout.vocabulary], 0, &step.p, &dh);
        if objective.flow == Flow::Unrolled && i > 0 {
            carry = Some(b.softmax_backward(&step.p, &rollout.unmix(&dh)));
        }
    }
    if let Some(problems) = rollout.problems {
        energy::joint::observe_backward(b, rollout.model, (rollout.tokens, problems.places), &dbase, grads);
    }
    b.enter(left);
    b.status()?;
    Ok(out)
}
