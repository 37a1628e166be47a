//! Contrastive term: `contrastive * mean softplus(E(target) - E(prediction))` on the last landscape, where the target is
//! its one-hot distribution and the prediction a constant.

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
        let truth = b.one_hot(target.targets, rollout.model.config.vocab);
        let present = b.sum_columns(&truth);
        let own = b.softmax(last);
        let (positive, saved_positive) = energy::forward(b, &energy.x, &rollout.mix(&truth));
        let (negative, saved_negative) = energy::forward(b, &energy.x, &rollout.mix(&own));
        // softplus(z), z = E+ - E-: its slope is sigmoid(z); softplus(z) = -ln sigmoid(-z)
        let z = b.add(&positive, &b.scale(&negative, -1.0));
        let rows = b.mul(&b.scale(&present, rollout.objective.contrastive), target.weight);
        let loss = b.scale(&b.ln(&b.sigmoid(&b.scale(&z, -1.0))), -1.0);
        let loss = b.sum_rows(&b.mul(&loss, &rows));
        let slope = b.mul(&b.sigmoid(&z), &rows);
        for (saved, sign, point) in [(&saved_positive, 1.0, &truth), (&saved_negative, -1.0, &own)] {
            energy.pull(b, saved, point, &b.scale(&slope, sign));
        }
        loss
    }
}
