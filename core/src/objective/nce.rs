//! Binary noise contrastive estimation (Gutmann and Hyvärinen, AISTATS 2010; Ma and Collins, arXiv 1809.01812) of energies at vertices,
//! on the last landscape: one of its own where there are more landscapes than steps. With `k` tokens `v_j` of noise drawn from the
//! prediction `q`, a constant, and `z_v = E(onehot v) + ln(k q_v)`,
//!
//! `nce * mean (softplus(z_y) + sum_j softplus(-z_{v_j}))`,
//!
//! the mean over positions with a target. At its least `E(onehot v) = -ln p_v`, with no constant left open. Of a joint model a token is
//! one for every position of a problem, energies and logarithms are sums, and the mean is over problems.

use super::Objective;
use super::target::Target;
use super::term::{EndTerm, EnergyWithSink, at_targets, softplus};
use crate::compute::Backend;
use crate::descent::rollout::Rollout;
use crate::energy;
use crate::random::Purpose;

/// See the module text.
#[derive(Debug)]
pub struct NoiseContrastive;

/// Least distance of a uniform draw from 0 and 1: the Gumbel numbers are finite in single precision.
const SMALLEST: f64 = 1e-6;

/// Tokens drawn from `softmax(last)`, as one-hot rows `(n,V)`: the greatest of `last + g` with Gumbel numbers `g` (Gumbel 1954). The
/// positions of a sequence share them, each position's draw having the right distribution; positions of a problem, whose product
/// is one draw, do not.
fn drawn<B: Backend>(rollout: &Rollout<'_, B>, last: &B::Array, draw: usize) -> B::Array {
    let (b, (n, v)) = (rollout.b, rollout.b.shape(last));
    let (rows, first) = match rollout.problems {
        Some(_) => (n, rollout.first_row),
        None => (rollout.geometry.shape.batch, rollout.first_row / rollout.geometry.shape.context as u64),
    };
    let stream = rollout.stream(Purpose::Noise, draw);
    let uniform = b.uniform(rows, v, stream, first * v as u64, SMALLEST, 1.0 - SMALLEST);
    let gumbel = b.scale(&b.ln(&b.scale(&b.ln(&uniform), -1.0)), -1.0);
    let gumbel = match rollout.problems {
        Some(_) => gumbel,
        None => b.gather_rows(&gumbel, rollout.geometry.sequences),
    };
    let z = b.add(last, &gumbel);
    let below = b.heaviside(&b.add(&b.scale(&z, -1.0), &b.max_columns(&z)));
    b.offset(&b.scale(&below, -1.0), 1.0)
}

impl<B: Backend> EndTerm<B> for NoiseContrastive {
    fn weight(&self, objective: &Objective) -> f64 {
        objective.nce
    }

    fn step(&self, rollout: &Rollout<'_, B>) -> usize {
        rollout.model.config.landscapes - 1
    }

    fn pull(
        &self,
        rollout: &Rollout<'_, B>,
        last: &B::Array,
        target: Target<'_, B::Array, B::Index>,
        energy: &mut EnergyWithSink<'_, B>,
    ) -> B::Array {
        let (b, objective) = (rollout.b, rollout.objective);
        let own = b.softmax(last);
        let truth = b.one_hot(target.targets, rollout.model.config.vocab);
        let has = b.sum_columns(&truth);
        let lse = b.log_sum_exp(last);
        let log_k = b.ln(&b.fill(1, 1, objective.noise_tokens as f64));
        let rows = b.scale(&rollout.mean_weight(&target), objective.nce);
        let noise = (0..objective.noise_tokens).map(|draw| (drawn(rollout, last, draw), -1.0));
        let mut loss = b.fill(1, 1, 0.0);
        for (tokens, sign) in core::iter::once((truth, 1.0)).chain(noise) {
            let log_q = b.add(&b.sum_columns(&b.mul(&tokens, last)), &b.scale(&lse, -1.0));
            let log_noise = b.add(&rollout.by_energy(b.mul(&log_q, &has)), &log_k);
            let point = at_targets(rollout, tokens, &own, &has);
            let (e, saved) = energy::forward(b, &energy.x, &rollout.mix(&point));
            let e = rollout.by_energy(b.mul(&e, &rollout.present()));
            let z = b.scale(&b.add(&e, &log_noise), sign);
            loss = b.add(&loss, &b.sum_rows(&b.mul(&softplus(b, &z), &rows)));
            let slope = b.scale(&b.mul(&b.sigmoid(&z), &rows), sign);
            let slope = b.mul(&rollout.to_rows(slope), &rollout.present());
            energy.pull(b, &saved, &point, &slope);
        }
        loss
    }
}
