//! Contrastive term: `contrastive * mean softplus(E(target) - E(prediction))` on the last landscape, where the target is
//! its one-hot distribution and the prediction a constant; the mean is over positions with a target, of a joint model over
//! problems.

use super::Objective;
use super::target::Target;
use super::term::{EndTerm, EnergyWithSink, at_targets, softplus};
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
        let has = b.sum_columns(&truth);
        let truth = at_targets(rollout, truth, &own, &has);
        let (positive, saved_positive) = energy::forward(b, &energy.x, &rollout.mix(&truth));
        let (negative, saved_negative) = energy::forward(b, &energy.x, &rollout.mix(&own));
        // z = E+ - E-; the slope of softplus is sigmoid
        let z = b.mul(&b.add(&positive, &b.scale(&negative, -1.0)), &rollout.present());
        let z = rollout.by_energy(z);
        let rows = b.scale(&rollout.mean_weight(&target), rollout.objective.contrastive);
        let loss = b.sum_rows(&b.mul(&softplus(b, &z), &rows));
        let slope = b.mul(&rollout.to_rows(b.mul(&b.sigmoid(&z), &rows)), &rollout.present());
        for (saved, sign, point) in [(&saved_positive, 1.0, &truth), (&saved_negative, -1.0, &own)] {
            energy.pull(b, saved, point, &b.scale(&slope, sign));
        }
        loss
    }
}
