//! What is differentiated beyond the first order: one tangent through both passes of the energy.

use alloc::vec::Vec;

use super::sweep::Sweep;
use crate::compute::Backend;
use crate::descent::distribution::VocabMatrix;
use crate::descent::rollout::EnergyAt;
use crate::dual::{Dual, DualTensor};
use crate::energy;
use crate::error::Result;
use crate::record::Replay;

impl<B: Backend> Sweep<'_, '_, B> {
    /// Pushes the direction `u (n,V)`, mixed to `(n,D)`, through both passes of the energy; returns `d(dE/dp) (n,D)`.
    pub(super) fn second_order(
        &mut self,
        i: usize,
        at: &EnergyAt<B::Array, B::Index>,
        u: &VocabMatrix<'_, B::Array, B::Index>,
        mixed: &B::Array,
    ) -> Result<B::Array> {
        let (_, key) = self.ready(i);
        let (rollout, b) = (self.rollout, self.rollout.b);
        let balance = self.balance_gradient(at, key);
        let mut opened = self.open(i)?;
        let x = opened.x;
        let ones = rollout.scaled(rollout.present());
        let point = DualTensor { value: at.mixed.clone(), tangent: Some(mixed.clone()) };
        let dp = match &at.tape {
            Some(tape) => {
                let replay = Replay::new(b, tape);
                let d = Dual::with_values(b, &replay);
                let (_, saved) = energy::forward(&d, &x, &point);
                let dp = energy::backward(&d, &x, &saved, &ones, Some(opened.sink(&balance)));
                drop(saved);
                replay.finish()?;
                dp
            }
            None => {
                let d = Dual::new(b);
                let (_, saved) = energy::checkpointed_forward(&d, &x, &point);
                energy::checkpointed_backward(&d, &x, &saved, &ones, Some(opened.sink(&balance)))
            }
        };
        // dW_v = P^T dp, of which the tangent: u^T dp + P^T d(dp)
        let slot = &mut opened.grads[rollout.model.layout.vocabulary];
        u.accumulate(b, slot, &dp.value);
        let (rows, columns) = b.shape(&dp.value);
        let tangent = dp.tangent.unwrap_or_else(|| b.fill(rows, columns, 0.0));
        at.p.view().accumulate(b, slot, &tangent);
        Ok(tangent)
    }

    /// Outer gradients on the gates `(n,E)`: the predicted stream's by block; those of observed stream `key` are added to it.
    fn balance_gradient(&mut self, at: &EnergyAt<B::Array, B::Index>, key: usize) -> Vec<Option<B::Array>> {
        let (b, rollout) = (self.rollout.b, self.rollout);
        let Some(balance) = &at.balance else { return Vec::new() };
        let factor = self.target.share / rollout.steps as f64;
        let mut predicted = Vec::new();
        for (layer, gradient) in balance.gradient.iter().enumerate() {
            let rows = gradient
                .as_ref()
                .map(|g| b.gather_rows(&self.target.scaled(b, b.scale(g, factor)), rollout.geometry.groups));
            if let (Some(rows), Some(stream)) = (&rows, &mut self.streams[key]) {
                let slot = &mut stream.gradient.balance[layer];
                *slot = Some(match slot.take() {
                    Some(sum) => b.add(&sum, rows),
                    None => rows.clone(),
                });
            }
            predicted.push(rows);
        }
        predicted
    }
}
