//! Lyapunov loss on the training trajectory: `mean relu(F_{i+1} - F_i + c alpha D_i)^2`, both energies on the landscape of
//! step `i` and with the entropy `tau sum P log P` where the model has one; the mean is over positions with a target, of a
//! joint model over problems. The energy afterwards is that at `softmax(Y_{i+1})` without noise, and `alpha D_i` what the update rule promises (see
//! [`Dissipation`](crate::descent::update_rule::Dissipation)).
//!
//! With `q = 2 weight relu(.) / positions`, the gradient has four parts: `q dE_{i+1}` (weights, and the next state through
//! `J`), `-q dE_i` (weights, and `P_i`), and through `D` a direction `w = q c d(alpha D)/dG` for the second-order pass, with
//! `q c d(alpha D)/dP` on the state and `q c D` on alpha.

use super::Objective;
use super::term::{EnergyWithSink, Step, StepGradient, StepTerm};
use crate::compute::Backend;
use crate::descent::rollout::Rollout;
use crate::descent::update_rule::Speed;
use crate::energy;

/// See the module text.
#[derive(Debug)]
pub struct Lyapunov;

impl<B: Backend> StepTerm<B> for Lyapunov {
    fn is_asked(&self, objective: &Objective) -> bool {
        objective.measures_decrease()
    }

    fn pull(
        &self,
        rollout: &Rollout<'_, B>,
        step: &Step<'_, B>,
        energy: &mut EnergyWithSink<'_, B>,
    ) -> StepGradient<B::Array> {
        let b = rollout.b;
        let (weight, c) = (rollout.objective.lyapunov / rollout.steps as f64, rollout.objective.lyapunov_c);
        let p = &step.at.p.dense(b);
        let p_next = b.softmax(step.next);
        let g = rollout.unscaled(rollout.unmix(&step.at.dp));
        let entropy = rollout.entropy().zip(step.at.y.as_ref());
        let g = entropy.map_or_else(|| g.clone(), |(tau, y)| b.add(&g, &b.scale(y, tau)));
        let promised = rollout.rule().dissipation(b, Speed { p, g: &g, next: &p_next, alpha: step.alphas });
        let (after, saved_after) = energy::forward(b, &energy.x, &rollout.mix(&p_next));
        let (after, before) = (b.mul(&after, &rollout.present()), b.scale(&step.at.energy, -1.0));
        let mut rise = b.add(&b.add(&after, &before), &b.scale(&promised.fall, c));
        if let Some((tau, y)) = entropy {
            let after = rollout.negative_entropy(&p_next, step.next, tau);
            let before = rollout.negative_entropy(p, &rollout.masked(rollout.with_prior(y.clone())), -tau);
            rise = b.add(&rise, &b.add(&after, &before));
        }
        let rise = rollout.by_energy(b.mul(&rise, &rollout.present()));
        let mean = rollout.mean_weight(&step.target);
        let risen = b.heaviside(&rise);
        let hinge = b.mul(&rise, &risen);
        let decreased = b.sum_rows(&b.mul(&b.offset(&b.scale(&risen, -1.0), 1.0), &mean));
        let loss = b.scale(&b.sum_rows(&b.mul(&b.mul(&hinge, &hinge), &mean)), weight);
        let q = rollout.to_rows(b.mul(&b.scale(&hinge, 2.0 * weight), &mean));
        let q = b.mul(&q, &rollout.present());
        let minus_q = b.scale(&q, -1.0);
        let mut on_next = rollout.unmix(&energy.pull(b, &saved_after, &p_next, &q));
        drop(saved_after);
        let (_, saved) = energy::forward(b, &energy.x, &step.at.mixed);
        let mut on_p = rollout.unmix(&energy.pull(b, &saved, p, &minus_q));
        let qc = b.scale(&q, c);
        let by_g = b.mul(&promised.by_g, &qc);
        let state = entropy.map(|(tau, y)| {
            // log P - l = Y - l up to a constant of the row
            on_next = b.axpy(on_next.clone(), &b.scale(&q, tau), &rollout.within(step.next));
            on_p = b.axpy(on_p.clone(), &b.scale(&minus_q, tau), y);
            b.scale(&by_g, tau)
        });
        let (on_next, alpha) = match &promised.by_next {
            Some(by_next) => (b.add(&on_next, &b.mul(by_next, &qc)), b.scale(&qc, 0.0)),
            None => (on_next, b.mul(&b.mul(&promised.fall, &qc), &b.recip(step.alphas))),
        };
        StepGradient {
            loss,
            next: b.softmax_backward(&p_next, &on_next),
            p: b.add(&on_p, &b.mul(&promised.by_p, &qc)),
            state,
            direction: by_g,
            alpha,
            decreased: Some(decreased),
        }
    }
}
