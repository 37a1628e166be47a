//! Differentiating through a rollout (guide/mathematics.md section 5).
//!
//! With `v = dL/dY_{i+1}` and `u = -alpha v`, one tangent `u` pushed through the forward *and* backward pass of the
//! energy gives the parameter gradient `d/d eps [dE/dtheta at P + eps u]` and `H u` together; nothing but states is
//! carried between steps. `dL/dalpha = -<v, G> = <u, G> / alpha`, and `<u, G> = <u W_v, dE/dp>` costs nothing more.

mod second_order;
mod streamed;

use alloc::vec::Vec;

use super::distribution::Wide;
use super::rollout::{self, Evaluated, Scene};
use super::update_rule::{pull_back, through_limits};
use crate::compute::{Backend, CrossEntropy, Scope};
use crate::config::{Conditioning, UpdateRule};
use crate::energy::{self, Observed, ObservedGradient};
use crate::error::Result;
use crate::layer::condition::{self, Condition, ConditionSaved};
use crate::objective::{Checkpointing, Flow, LossSteps};

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

impl<A, I> Target<'_, A, I> {
    /// A gradient of the loss times the outer loss scale.
    pub fn scaled<B: Backend<Array = A>>(&self, b: &B, gradient: A) -> A {
        match self.outer {
            Some(outer) => b.mul(&gradient, outer),
            None => gradient,
        }
    }
}

/// States, directions and energies, for `host parity` and for researchers.
#[derive(Clone, Debug)]
pub struct Trace<T> {
    /// State after every step `(n,V)`.
    pub states: Vec<T>,
    /// Direction of every step `(n,V)`.
    pub directions: Vec<T>,
    /// Energies before every step `(n,1)`.
    pub energies: Vec<T>,
}

/// Results of one batch; losses are this batch's part of the whole, all but the balance times the outer loss scale.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    /// Cross entropy after every step `(1,1)`; zero where it was not needed.
    pub step_losses: Vec<T>,
    /// Weighted cross entropy `(1,1)`.
    pub reconstruction: T,
    /// Balance loss of all steps `(1,1)`; with [`LossSteps::Last`] only the last step's part is differentiated.
    pub balance: T,
    /// Contrastive and Lyapunov terms, weighted `(1,1)`.
    pub extra: T,
    /// Energies before every step `(n,1)`.
    pub energies: Vec<T>,
    /// 0, or NaN where an energy gradient left the range that its loss scale keeps it in `(1,1)`.
    pub overflow: Option<T>,
    /// Last state `(n,V)`.
    pub last: T,
    /// Tokens per expert `(1,E)` of the last step, by block.
    pub load: Vec<Option<T>>,
    /// Asked for by the caller.
    pub trace: Option<Trace<T>>,
}

/// A landscape in use.
struct Ground<T> {
    condition: Condition<T>,
    saved: Option<ConditionSaved<T>>,
    gradient: Condition<T>,
}

/// An observed stream in use.
struct Stage<T, I> {
    observed: Observed<T, I>,
    gradient: ObservedGradient<T>,
    /// Whether a prediction has left a gradient on it.
    owed: bool,
}

/// What the reverse sweep needs of a step.
struct Kept<T, I> {
    i: usize,
    /// State before the step, where the step is to be evaluated again.
    y: Option<T>,
    next: T,
    at: Option<Evaluated<T, I>>,
}

/// One training gradient in progress.
struct Work<'a, 'g, B: Backend> {
    scene: Scene<'a, B>,
    target: Target<'a, B::Array, B::Index>,
    grads: &'g mut [B::Array],
    grounds: Vec<Option<Ground<B::Array>>>,
    stages: Vec<Option<Stage<B::Array, B::Index>>>,
    observed_condition: Option<Condition<B::Array>>,
    alpha: B::Array,
    alpha_slope: B::Array,
    /// Step size of every position `(n,1)`.
    alphas: B::Array,
    /// The same over the inner loss scale.
    moves: B::Array,
}

/// Loss and gradient of one batch; gradients are added to `grads` (layout order).
pub fn gradient<'a, B: Backend>(
    scene: Scene<'a, B>,
    target: Target<'a, B::Array, B::Index>,
    initial: B::Array,
    grads: &mut [B::Array],
    trace: bool,
) -> Result<Outcome<B::Array>> {
    let (b, n) = (scene.b, scene.steps);
    let (alpha, alpha_slope) = scene.alpha();
    let alphas = scene.step_sizes(&alpha);
    let moves = scene.unscaled(alphas.clone());
    let landscapes = scene.model.config.landscapes;
    let zero = b.fill(1, 1, 0.0);
    let mut out = Outcome {
        step_losses: alloc::vec![zero.clone(); n],
        reconstruction: zero.clone(),
        balance: zero.clone(),
        extra: zero,
        energies: Vec::new(),
        overflow: None,
        last: initial.clone(),
        load: Vec::new(),
        trace: trace.then(|| Trace { states: Vec::new(), directions: Vec::new(), energies: Vec::new() }),
    };
    let mut work = Work {
        scene,
        target,
        grads,
        grounds: (0..landscapes).map(|_| None).collect(),
        stages: (0..landscapes).map(|_| None).collect(),
        observed_condition: None,
        alpha,
        alpha_slope,
        alphas,
        moves,
    };
    let objective = scene.objective;
    let (unrolled, keep_all) = (objective.flow == Flow::Unrolled, objective.checkpointing == Checkpointing::None);
    let mut kept = Vec::new();
    let mut y = initial;
    for i in 0..n {
        let pulled = work.needs_tangent(i);
        let record = pulled && (!unrolled || keep_all || i + 1 == n);
        let noised = scene.noised(i, &y);
        let at = work.evaluate(i, &noised, record)?;
        let next = rollout::walk(&work.scene, noised, &at, &work.moves);
        out.energies.push(at.energy.clone());
        if scene.scaling.is_some() {
            let poison = b.scale(&b.sum_rows(&b.sum_columns(&at.dp)), 0.0);
            out.overflow = Some(match out.overflow.take() {
                Some(sum) => b.add(&sum, &poison),
                None => poison,
            });
        }
        if let Some(t) = &mut out.trace {
            t.states.push(next.clone());
            t.directions.push(rollout::followed(&scene, &at));
            t.energies.push(at.energy.clone());
        }
        if let Some(balance) = &at.balance {
            let loss = b.scale(&balance.loss, work.target.share / n as f64);
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
            work.pull(step, None, &mut out)?;
        }
    }
    out.last = y.clone();
    drop(y);
    let mut carry = None;
    while let Some(step) = kept.pop() {
        carry = work.pull(step, carry, &mut out)?;
    }
    work.contrast(&mut out)?;
    work.finish();
    b.status()?;
    Ok(out)
}

impl<'a, B: Backend> Work<'a, '_, B> {
    /// Whether step `i` is differentiated through its energy (else its gradient is a constant).
    fn needs_tangent(&self, i: usize) -> bool {
        self.scene.objective.loss == LossSteps::Mean || i + 1 == self.scene.steps
    }

    /// Makes sure that landscape and observed stream of step `i` are there, letting others go when memory is to be saved.
    fn ready(&mut self, i: usize) -> (usize, usize) {
        let s = self.scene.landscape(i);
        let key = self.scene.observed_key(s);
        if self.grounds[s].is_none() {
            let (condition, saved) = rollout::condition_of(&self.scene, s);
            let gradient = energy::zeros_like_condition(self.scene.b, &condition);
            self.grounds[s] = Some(Ground { condition, saved, gradient });
        }
        if self.stages[key].is_none() {
            let objective = self.scene.objective;
            if objective.flow == Flow::Detached || objective.checkpointing != Checkpointing::None {
                self.strike();
            }
            if let Some(ground) = &self.grounds[s] {
                let observed = rollout::observe(&self.scene, &ground.condition);
                let gradient = ObservedGradient::zeros(self.scene.b, self.scene.model, self.scene.geometry);
                self.stages[key] = Some(Stage { observed, gradient, owed: false });
            }
        }
        (s, key)
    }

    /// Pulls the collected gradients back through every observed stream and forgets it.
    fn strike(&mut self) {
        let (b, scene) = (self.scene.b, self.scene);
        for key in 0..self.stages.len() {
            let Some(stage) = self.stages[key].take().filter(|s| s.owed) else { continue };
            if scene.model.config.condition == Conditioning::Predictions && self.observed_condition.is_none() {
                let plain = condition::unconditioned::<B>(scene.model);
                self.observed_condition = Some(energy::zeros_like_condition(b, &plain));
            }
            let plain = condition::unconditioned::<B>(scene.model);
            let (condition, gradient) = match (scene.model.config.condition, &mut self.observed_condition) {
                (Conditioning::Predictions, Some(gradient)) => (&plain, gradient),
                _ => match &mut self.grounds[key] {
                    Some(g) => (&g.condition, &mut g.gradient),
                    None => continue,
                },
            };
            let Stage { observed, gradient: d, .. } = stage;
            energy::observe_backward(
                b,
                scene.model,
                scene.geometry,
                condition,
                &observed,
                &d,
                scene.tokens,
                self.grads,
                gradient,
            );
        }
    }

    /// Pulls the condition gradients of all landscapes back to the weights.
    fn finish(&mut self) {
        self.strike();
        let (b, model) = (self.scene.b, self.scene.model);
        for (s, ground) in self.grounds.iter().enumerate() {
            match ground {
                Some(Ground { saved: Some(saved), gradient, .. }) => {
                    condition::conditioned_backward(b, model, s, saved, gradient, self.grads);
                }
                Some(Ground { saved: None, gradient, .. }) => {
                    condition::unconditioned_backward(b, model, gradient, self.grads);
                }
                None => {}
            }
        }
        if let Some(gradient) = &self.observed_condition {
            condition::unconditioned_backward(b, model, gradient, self.grads);
        }
    }

    fn evaluate(&mut self, i: usize, y: &B::Array, record: bool) -> Result<Evaluated<B::Array, B::Index>> {
        let (s, key) = self.ready(i);
        match (&self.grounds[s], &self.stages[key]) {
            (Some(ground), Some(stage)) => {
                Ok(rollout::evaluate(&self.scene, &ground.condition, &stage.observed, y, record))
            }
            _ => Err(crate::error::Error::Replay { at: i }),
        }
    }

    /// Gradient of the loss through step `k.i`: adds weight gradients, returns the cotangent on the state before it.
    fn pull(
        &mut self,
        k: Kept<B::Array, B::Index>,
        carry: Option<B::Array>,
        out: &mut Outcome<B::Array>,
    ) -> Result<Option<B::Array>> {
        let left = self.scene.b.enter(Scope::Vocabulary);
        let carry = if self.scene.streams() {
            self.pull_streamed(k, out)?;
            None
        } else {
            self.pull_stored(k, carry, out)?
        };
        self.scene.b.enter(left);
        Ok(carry)
    }

    /// [`Work::pull`] with whole matrices `(n,V)`.
    fn pull_stored(
        &mut self,
        k: Kept<B::Array, B::Index>,
        carry: Option<B::Array>,
        out: &mut Outcome<B::Array>,
    ) -> Result<Option<B::Array>> {
        let b = self.scene.b;
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
            (None, Some(y)) => self.evaluate(i, &self.scene.noised(i, &y), true)?,
            (None, None) => return Err(crate::error::Error::Replay { at: i }),
        };
        self.pull_step(i, next, at, v, out)
    }

    /// [`Work::pull`] with the cotangent `v` on the next state and the step's evaluation at hand.
    fn pull_step(
        &mut self,
        i: usize,
        next: B::Array,
        at: Evaluated<B::Array, B::Index>,
        v: B::Array,
        out: &mut Outcome<B::Array>,
    ) -> Result<Option<B::Array>> {
        let (scene, b) = (self.scene, self.scene.b);
        let (rule, limits) = (scene.model.config.update, scene.objective.limits());
        let tangent = self.needs_tangent(i);
        let lyapunov = if tangent { self.lyapunov(i, &next, &at, out) } else { None };
        let v = match &lyapunov {
            Some(l) => b.add(&v, &l.next),
            None => v,
        };
        let p = at.p.dense(b);
        let v = through_limits(b, limits, &next, v);
        drop(next);
        // u = -alpha v (over the inner loss scale), limited where the move was; for logit the direction in P is J u
        let mut raw = b.mul(&v, &b.scale(&self.moves, -1.0));
        let g = (limits.max_change > 0.0 || rule == UpdateRule::Logit).then(|| scene.unmix(&at.dp));
        if let (true, Some(g)) = (limits.max_change > 0.0, &g) {
            let followed = super::update_rule::direction(b, rule, &p, g.clone());
            let change = b.mul(&followed, &self.moves);
            raw = b.mul(&raw, &b.inside(&change, &b.fill(1, 1, limits.max_change)));
        }
        let mut u = match rule {
            UpdateRule::Logit => b.softmax_backward(&p, &raw),
            UpdateRule::Probability | UpdateRule::Mirror => raw.clone(),
        };
        let mut mixed = scene.mix(&u);
        self.step_size(&mixed, &at.dp);
        if let Some(l) = &lyapunov {
            u = b.add(&u, &scene.unscaled(l.direction.clone()));
            mixed = scene.mix(&u);
        }
        let unrolled = scene.objective.flow == Flow::Unrolled && i > 0;
        let hp = if tangent { Some(self.second_order(i, &at, &Wide::Stored(&u), &mixed)?) } else { None };
        drop(mixed);
        Ok(unrolled.then(|| {
            let mut hu = hp.map(|hp| scene.unmix(&hp));
            if let (Some(l), Some(sum)) = (&lyapunov, &mut hu) {
                *sum = b.add(sum, &l.p);
            }
            let logit = g.as_ref().map(|g| (&raw, g));
            pull_back(b, rule, &p, &v, hu, logit)
        }))
    }

    /// Weight of step `i`'s cross entropy, or `None` where nobody asks for it: `(weight, factor, rows)`, where `rows (n,1)`
    /// multiplies the loss of every position, and `factor` is what `rows` has been given in place of 0.
    fn loss_rows(&self, i: usize, traced: bool) -> Option<(f64, f64, B::Array)> {
        let (b, objective, n) = (self.scene.b, self.scene.objective, self.scene.steps);
        let weight = objective.step_weight(i, n);
        if weight == 0.0 && !traced {
            return None;
        }
        let factor = if weight == 0.0 { 1.0 } else { weight };
        Some((weight, factor, b.mul(&b.fill(self.scene.geometry.shape.rows(), 1, factor), self.target.weight)))
    }

    /// Books the losses `(n,1)` of all positions.
    fn book(&self, i: usize, (weight, factor): (f64, f64), loss: &B::Array, out: &mut Outcome<B::Array>) {
        let b = self.scene.b;
        let loss = b.sum_rows(loss);
        out.step_losses[i] = b.scale(&loss, 1.0 / factor);
        if weight != 0.0 {
            out.reconstruction = b.add(&out.reconstruction, &loss);
        }
    }

    /// Cross entropy after step `k.i`; its derivative with respect to the state, if it counts.
    fn loss(&self, k: &Kept<B::Array, B::Index>, out: &mut Outcome<B::Array>) -> Option<B::Array> {
        let (b, objective, n) = (self.scene.b, self.scene.objective, self.scene.steps);
        let (weight, factor, rows) = self.loss_rows(k.i, out.trace.is_some())?;
        let spec = CrossEntropy { smoothing: objective.smoothing(k.i, n) };
        let (loss, v) = b.cross_entropy(&k.next, self.target.targets, &rows, spec);
        self.book(k.i, (weight, factor), &loss, out);
        (weight != 0.0).then_some(v)
    }

    /// `dalpha += <u W_v, dE/dp> / alpha`, nothing where alpha rests on its lower limit.
    fn step_size(&mut self, tangent: &B::Array, dp: &B::Array) {
        let b = self.scene.b;
        if let Some(ids) = self.scene.model.layout.energy {
            let inner = b.sum_rows(&b.sum_columns(&b.mul(tangent, dp)));
            let slope = b.mul(&self.alpha_slope, &b.recip(&self.alpha));
            b.collect(&mut self.grads[ids.alpha], &b.mul(&inner, &slope));
        }
    }
}
