//! The training loss as a function of the weights, from its formulas, with everything that the objective treats as a
//! constant held at given values. Its differences judge the gradient of core's adjoint.
//!
//! What is constant (guide/mathematics.md section 4): with `Detached` every state before a step; with `Last` the gradients
//! of all steps but the last; always the prediction in the contrastive terms.

use ebt_core::compute::Backend;
use ebt_core::config::UpdateRule;
use ebt_core::descent::rollout::{self, EnergyAt, Rollout};
use ebt_core::descent::update_rule;
use ebt_core::energy::{self, Prediction};
use ebt_core::layer::condition::Condition;
use ebt_core::objective::{Flow, LossSteps, Objective};
use ebt_core::random::{Purpose, Stream};
use ebt_core::training::NO_TARGET;

use crate::Mat;

/// Values held constant.
#[derive(Clone, Debug, Default)]
pub struct Frozen {
    /// State before every step.
    pub states: Vec<Mat>,
    /// Direction of every step.
    pub directions: Vec<Mat>,
    /// State `(n,V)` after the last step; `None` before a rollout.
    pub last: Option<Mat>,
}

/// Loss with its parts, and the trajectory.
#[derive(Clone, Debug, Default)]
pub struct Loss {
    /// Cross entropy in nats: a mean over the positions with a target, weighted by step.
    pub reconstruction: f64,
    /// Balance of the mixtures, as far as it is differentiated.
    pub balance: f64,
    /// Contrastive and Lyapunov terms.
    pub extra: f64,
    /// Energies before every step.
    pub energies: Vec<Mat>,
    /// States and directions of this rollout, to be held constant in others.
    pub trajectory: Frozen,
}

impl Loss {
    /// The training loss: the sum of its three parts, which carry their weights already.
    pub fn total(&self) -> f64 {
        self.reconstruction + self.balance + self.extra
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn softmax(y: &[f64]) -> Vec<f64> {
    let top = y.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(x));
    let e: Vec<f64> = y.iter().map(|x| (x - top).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|x| x / sum).collect()
}

/// `sum P (log P - l)` of a state whose hidden tokens are far below the others, with the logits `l` of a prior.
fn negative_entropy(y: &[f64], prior: &[f64]) -> f64 {
    softmax(y).iter().zip(prior).map(|(&p, l)| if p > 0.0 { p * (p.ln() - l) } else { 0.0 }).sum()
}

/// The rows whose energies add up to one: a position, or a problem of a joint model; with the weight of each in a mean.
fn groups(context: Option<usize>, targets: &[u32]) -> Vec<(Vec<usize>, f64)> {
    let counted = |i: &usize| targets[*i] != NO_TARGET;
    match context {
        None => {
            let rows: Vec<usize> = (0..targets.len()).filter(counted).collect();
            let weight = 1.0 / rows.len() as f64;
            rows.into_iter().map(|i| (vec![i], weight)).collect()
        }
        Some(t) => {
            (0..targets.len() / t).map(|p| ((p * t..(p + 1) * t).collect(), t as f64 / targets.len() as f64)).collect()
        }
    }
}

/// Mean over the positions with a target of the cross entropy.
fn cross_entropy(y: &Mat, targets: &[u32], positions: f64) -> f64 {
    let row = |(i, &t): (usize, &u32)| if t == NO_TARGET { 0.0 } else { -softmax(y.row(i))[t as usize].ln() };
    targets.iter().enumerate().map(row).sum::<f64>() / positions
}

/// `alpha D` of a row (guide/mathematics.md section 6).
fn fall(rule: UpdateRule, alpha: f64, p: &[f64], g: &[f64], next: &[f64]) -> f64 {
    let mean = dot(p, g);
    match rule {
        UpdateRule::Probability => (0..p.len()).map(|i| g[i] * (p[i] - next[i])).sum(),
        UpdateRule::Mirror => alpha * (0..p.len()).map(|i| p[i] * (g[i] - mean) * (g[i] - mean)).sum::<f64>(),
        UpdateRule::Logit => alpha * (0..p.len()).map(|i| (p[i] * (g[i] - mean)).powi(2)).sum::<f64>(),
    }
}

struct Step<'a, B: Backend> {
    rollout: Rollout<'a, B>,
    condition: &'a Condition<B::Array>,
    memory: &'a [B::Array],
    at: &'a EnergyAt<B::Array, B::Index>,
}

impl<B: Backend> Step<'_, B> {
    /// Energies of candidates on this step's landscape.
    fn energies(&self, p: &Mat) -> Mat {
        let Rollout { b, model, geometry, .. } = self.rollout;
        let x = Prediction { model, geometry, condition: self.condition, memory: self.memory };
        let energies = energy::forward(b, &x, &self.rollout.mix(&p.upload(b))).0;
        Mat::download(b, &b.mul(&energies, &self.rollout.present()))
    }

    fn groups(&self, targets: &[u32]) -> Vec<(Vec<usize>, f64)> {
        groups(self.rollout.problems.map(|_| self.rollout.geometry.shape.context), targets)
    }

    /// Mean of `relu(F' - F + c alpha D)^2`.
    fn lyapunov(&self, next: &Mat, alphas: &Mat, targets: &[u32]) -> f64 {
        let (b, objective, rule) = (self.rollout.b, self.rollout.objective, self.rollout.model.config.update);
        let (p, e) = (Mat::download(b, &self.at.p.dense(b)), Mat::download(b, &self.at.energy));
        let tau = self.rollout.model.config.tau;
        let g = Mat::download(b, &rollout::direction_at(&self.rollout, self.at));
        let g = if rule == UpdateRule::Logit { Mat::download(b, &self.rollout.unmix(&self.at.dp)) } else { g };
        let y = self.at.y.as_ref().map(|y| Mat::download(b, &self.rollout.masked(self.rollout.with_prior(y.clone()))));
        let prior = Mat::download(b, &self.rollout.with_prior(b.fill(next.rows, next.columns, 0.0)));
        let after: Vec<f64> = (0..next.rows).flat_map(|i| softmax(next.row(i))).collect();
        let after = Mat::new(next.rows, next.columns, after);
        let (energies, present) = (self.energies(&after), Mat::download(b, &self.rollout.present()));
        let row = |i: usize| {
            let down = fall(rule, alphas.data[i], p.row(i), g.row(i), after.row(i));
            let entropy = |y: &Mat| negative_entropy(y.row(i), prior.row(i));
            let entropy = y.as_ref().map_or(0.0, |y| entropy(next) - entropy(y));
            energies.data[i] - e.data[i] + present.data[i] * (tau * entropy + objective.lyapunov_c * down)
        };
        let of = |(rows, weight): (Vec<usize>, f64)| weight * rows.into_iter().map(row).sum::<f64>().max(0.0).powi(2);
        self.groups(targets).into_iter().map(of).sum()
    }
}

/// The loss of a rollout from `initial`; what the objective calls constant is taken from `frozen` if given.
pub fn loss<B: Backend>(rollout: Rollout<'_, B>, targets: &[u32], initial: &Mat, frozen: Option<&Frozen>) -> Loss {
    let (b, n) = (rollout.b, rollout.steps);
    let objective: &Objective = rollout.objective;
    let positions = targets.iter().filter(|&&t| t != NO_TARGET).count() as f64;
    let alphas = rollout.step_sizes(&rollout.alpha().0);
    let mut out = Loss::default();
    let mut y = Mat::download(b, &rollout.masked(initial.upload(b)));
    for i in 0..n {
        if let (Some(f), Flow::Detached) = (frozen, objective.flow) {
            y = f.states[i].clone();
        }
        let (condition, _) = rollout::condition_of(&rollout, rollout.landscape(i));
        let observed = rollout::observe(&rollout, &condition);
        let noised = rollout.noised(i, &y.upload(b));
        let at = rollout::evaluate(&rollout, &condition, &observed, &noised, false);
        let direction = rollout::direction_at(&rollout, &at);
        let next = rollout::advance(&rollout, noised.clone(), &at, &alphas);
        let counted = objective.loss != LossSteps::Last || i + 1 == n;
        let next = match frozen {
            Some(f) if !counted => {
                let rule = update_rule::of::<B>(rollout.model.config.update);
                // the gradient is a constant, the entropy's part of the direction is not
                let before = rollout.within(&rollout.noised(i, &f.states[i].upload(b)));
                let moved = b.axpy(rollout.within(&noised), &b.fill(1, 1, -1.0), &before);
                let entropy = b.scale(&moved, rollout.model.config.tau);
                let direction = b.add(&f.directions[i].upload(b), &entropy);
                rollout.masked(rule.advance(b, (&noised, &at.p.dense(b)), &alphas, &direction))
            }
            _ => next,
        };
        let next = Mat::download(b, &next);
        out.energies.push(Mat::download(b, &at.energy));
        out.trajectory.states.push(y);
        out.trajectory.directions.push(Mat::download(b, &direction));
        let ce = cross_entropy(&next, targets, positions);
        out.reconstruction += objective.step_weight(i, n) * ce;
        if counted {
            if let Some(balance) = &at.balance {
                out.balance += Mat::download(b, &balance.loss).data[0] / n as f64;
            }
            let step = Step { rollout, condition: &condition, memory: &observed.memory, at: &at };
            if objective.lyapunov > 0.0 {
                let sum = step.lyapunov(&next, &Mat::download(b, &alphas), targets);
                out.extra += objective.lyapunov / n as f64 * sum;
            }
            if objective.contrastive > 0.0 && i + 1 == n {
                let last = frozen.and_then(|f| f.last.as_ref()).unwrap_or(&next);
                out.extra += contrastive(&step, last, targets);
            }
            if objective.nce > 0.0 && i + 1 == n {
                let last = frozen.and_then(|f| f.last.as_ref()).unwrap_or(&next);
                let (condition, _) = rollout::condition_of(&rollout, rollout.model.config.landscapes - 1);
                let observed = rollout::observe(&rollout, &condition);
                let step = Step { rollout, condition: &condition, memory: &observed.memory, at: &at };
                out.extra += noise_contrastive(&step, last, targets);
            }
        }
        y = next;
    }
    out.trajectory.last = Some(y);
    out
}

/// `weight * mean (softplus(z_y) + sum_j softplus(-z_{v_j}))` with `z_v = E(v) + ln(k q_v)`.
fn noise_contrastive<B: Backend>(step: &Step<'_, B>, last: &Mat, targets: &[u32]) -> f64 {
    let (rollout, objective) = (&step.rollout, step.rollout.objective);
    let (v, context) = (last.columns, rollout.geometry.shape.context);
    let own: Vec<Vec<f64>> = (0..last.rows).map(|i| softmax(last.row(i))).collect();
    let noise = |draw: usize| -> Vec<u32> {
        let stream = Stream { seed: rollout.seed, step: rollout.step, purpose: Purpose::Noise, detail: draw as u16 };
        let token = |i: usize| {
            // the positions of a sequence share their numbers, those of a problem do not
            let row = if rollout.problems.is_some() { i } else { i / context };
            let gumbel = |j: usize| -(-(1e-6 + (1.0 - 2e-6) * stream.uniform((row * v + j) as u64)).ln()).ln();
            (0..v).max_by(|&a, &b| (last.row(i)[a] + gumbel(a)).total_cmp(&(last.row(i)[b] + gumbel(b)))).unwrap_or(0)
        };
        let counted = targets.iter().enumerate();
        counted.map(|(i, &t)| if t == NO_TARGET { t } else { token(i) as u32 }).collect()
    };
    let k = objective.noise_tokens;
    let points = std::iter::once((targets.to_vec(), 1.0)).chain((0..k).map(|draw| (noise(draw), -1.0)));
    let groups = step.groups(targets);
    let of = |(tokens, sign): (Vec<u32>, f64)| {
        let row = |(i, &t): (usize, &u32)| match t {
            NO_TARGET => own[i].clone(),
            t => (0..v).map(|j| f64::from(u8::from(j == t as usize))).collect(),
        };
        let energies = step.energies(&Mat::new(last.rows, v, tokens.iter().enumerate().flat_map(row).collect()));
        let log_q = |i: usize| if tokens[i] == NO_TARGET { 0.0 } else { own[i][tokens[i] as usize].ln() };
        let z = |rows: &[usize]| rows.iter().map(|&i| energies.data[i] + log_q(i)).sum::<f64>() + (k as f64).ln();
        groups.iter().map(|(rows, weight)| weight * (sign * z(rows)).exp().ln_1p()).sum::<f64>()
    };
    objective.nce * points.map(of).sum::<f64>()
}

/// `weight * mean softplus(E(target) - E(prediction))`.
fn contrastive<B: Backend>(step: &Step<'_, B>, last: &Mat, targets: &[u32]) -> f64 {
    let own: Vec<f64> = (0..last.rows).flat_map(|i| softmax(last.row(i))).collect();
    let own = Mat::new(last.rows, last.columns, own);
    let mut truth = own.clone();
    for (i, &t) in targets.iter().enumerate().filter(|(_, t)| **t != NO_TARGET) {
        truth.data[i * last.columns..(i + 1) * last.columns].fill(0.0);
        truth.data[i * last.columns + t as usize] = 1.0;
    }
    let (positive, negative) = (step.energies(&truth), step.energies(&own));
    let above = |i: usize| positive.data[i] - negative.data[i];
    let one = |(rows, weight): (Vec<usize>, f64)| weight * rows.into_iter().map(above).sum::<f64>().exp().ln_1p();
    step.rollout.objective.contrastive * step.groups(targets).into_iter().map(one).sum::<f64>()
}
