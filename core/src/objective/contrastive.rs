//! Contrastive term: `contrastive * mean softplus(E(target) - E(prediction))` on the last landscape, where the target is
//! its one-hot distribution and the prediction a constant; the mean is over positions with a target, of a joint model over
//! problems.

use super::Objective;
use super::target::Target;
use super::term::{EndTerm, EnergyWithSink};
use crate::compute::Backend;
use crate::descent::rollout::Rollout;
use crate::energy;

/// See the module text.
#[derive(Debug)]
pub struct Contrastive;

impl<B: Backend> EndTerm<B> for Contrastive {
    fn weight(&self, objective: &Objective) -> f64 {
        objective.contrastive
    }

    fn pull(
        &self,
        rollout: &Rollout<'_, B>,
        last: &B::Array,
        target: Target<'_, B::Array, B::Index>,
        energy: &mut EnergyWithSink<'_, B>,
    ) -> B::Array {
        let b = rollout.b;
        let own = b.softmax(last);
        let truth = b.one_hot(target.targets, rollout.model.config.vocab);
        let truth = match rollout.problems {
            // given positions, and those without a target, are as they were
            Some(_) => {
                let without = b.offset(&b.scale(&b.sum_columns(&truth), -1.0), 1.0);
                b.add(&truth, &b.mul(&own, &without))
            }
            None => truth,
        };
        let (positive, saved_positive) = energy::forward(b, &energy.x, &rollout.mix(&truth));
        let (negative, saved_negative) = energy::forward(b, &energy.x, &rollout.mix(&own));
        // softplus(z), z = E+ - E-: its slope is sigmoid(z); softplus(z) = -ln sigmoid(-z)
        let z = b.mul(&b.add(&positive, &b.scale(&negative, -1.0)), &rollout.present());
        let z = rollout.by_energy(z);
        let rows = b.scale(&rollout.mean_weight(&target), rollout.objective.contrastive);
        let loss = b.scale(&b.ln(&b.sigmoid(&b.scale(&z, -1.0))), -1.0);
        let loss = b.sum_rows(&b.mul(&loss, &rows));
        let slope = b.mul(&rollout.to_rows(b.mul(&b.sigmoid(&z), &rows)), &rollout.present());
        for (saved, sign, point) in [(&saved_positive, 1.0, &truth), (&saved_negative, -1.0, &own)] {
            energy.pull(b, saved, point, &b.scale(&slope, sign));
        }
        loss
    }
}
