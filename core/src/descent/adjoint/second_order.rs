//! What is differentiated beyond the first order, and the terms of the loss beside the cross entropy.

use alloc::vec::Vec;

use super::{Outcome, Work};
use crate::compute::Backend;
use crate::descent::distribution::Wide;
use crate::descent::lyapunov;
use crate::descent::rollout::Evaluated;
use crate::dual::{Dual, DualTensor};
use crate::energy::{self, Prediction, PredictionSink};
use crate::error::{Error, Result};
use crate::record::Replay;

impl<B: Backend> Work<'_, '_, B> {
    /// Pushes the direction `u (n,V)`, mixed to `(n,D)`, through both passes of the energy; returns `d(dE/dp)`.
    pub(super) fn second_order(
        &mut self,
        i: usize,
        at: &Evaluated<B::Array, B::Index>,
        u: &Wide<'_, B::Array, B::Index>,
        mixed: &B::Array,
    ) -> Result<B::Array> {
        let (s, key) = self.ready(i);
        let (scene, b) = (self.scene, self.scene.b);
        let owed = self.owed_balance(at, key);
        let (Some(ground), Some(stage)) = (&mut self.grounds[s], &mut self.stages[key]) else {
            return Err(Error::Replay { at: i });
        };
        stage.owed = true;
        let x = Prediction {
            model: scene.model,
            geometry: scene.geometry,
            condition: &ground.condition,
            memory: &stage.observed.memory,
        };
        let sink = PredictionSink {
            grads: &mut *self.grads,
            condition: &mut ground.gradient,
            memory: &mut stage.gradient.memory,
            balance: &owed,
        };
        let ones = scene.scaled(b.fill(scene.geometry.shape.rows(), 1, 1.0));
        let point = DualTensor { value: at.mixed.clone(), tangent: Some(mixed.clone()) };
        let dp = match &at.tape {
            Some(tape) => {
                let replay = Replay::new(b, tape);
                let d = Dual::with_values(b, &replay);
                let (_, saved) = energy::forward(&d, &x, &point);
                let dp = energy::backward(&d, &x, &saved, &ones, Some(sink));
                drop(saved);
                replay.finish()?;
                dp
            }
            None => {
                let d = Dual::new(b);
                let (_, saved) = energy::lean_forward(&d, &x, &point);
                energy::lean_backward(&d, &x, &saved, &ones, Some(sink))
            }
        };
        // dW_v = P^T dp, of which the tangent: u^T dp + P^T d(dp)
        let slot = &mut self.grads[scene.model.layout.vocabulary];
        u.collect(b, slot, &dp.value);
        let (rows, columns) = b.shape(&dp.value);
        let tangent = dp.tangent.unwrap_or_else(|| b.fill(rows, columns, 0.0));
        at.p.view().collect(b, slot, &tangent);
        Ok(tangent)
    }

    /// Outer gradients on the gates: the predicted stream's by block; the observed stream's are added to its stage.
    fn owed_balance(&mut self, at: &Evaluated<B::Array, B::Index>, key: usize) -> Vec<Option<B::Array>> {
        let (b, scene) = (self.scene.b, self.scene);
        let Some(balance) = &at.balance else { return Vec::new() };
        let factor = self.target.share / scene.steps as f64;
        let mut owed = Vec::new();
        for (layer, gradient) in balance.gradient.iter().enumerate() {
            let rows = gradient
                .as_ref()
                .map(|g| b.gather_rows(&self.target.scaled(b, b.scale(g, factor)), scene.geometry.groups));
            if let (Some(rows), Some(stage)) = (&rows, &mut self.stages[key]) {
                let slot = &mut stage.gradient.balance[layer];
                *slot = Some(match slot.take() {
                    Some(sum) => b.add(&sum, rows),
                    None => rows.clone(),
                });
            }
            owed.push(rows);
        }
        owed
    }

    /// The Lyapunov term of step `i`, see [`lyapunov`].
    pub(super) fn lyapunov(
        &mut self,
        i: usize,
        next: &B::Array,
        at: &Evaluated<B::Array, B::Index>,
        out: &mut Outcome<B::Array>,
    ) -> Option<lyapunov::Pulled<B::Array>> {
        if self.scene.objective.lyapunov == 0.0 {
            return None;
        }
        let (s, key) = self.ready(i);
        let (scene, b) = (self.scene, self.scene.b);
        let (Some(ground), Some(stage)) = (&mut self.grounds[s], &mut self.stages[key]) else { return None };
        stage.owed = true;
        let term = lyapunov::Term {
            scene,
            observed: &stage.observed,
            condition: &ground.condition,
            at,
            next,
            alphas: &self.alphas,
            targets: self.target.targets,
            weight: self.target.weight,
        };
        let pulled = lyapunov::term(&term, self.grads, &mut ground.gradient, &mut stage.gradient.memory);
        out.extra = b.add(&out.extra, &pulled.loss);
        if let Some(ids) = scene.model.layout.energy {
            // alpha_t = r_t alpha, r_t = alpha_t / alpha
            let inner = b.sum_rows(&b.mul(&pulled.alpha, &self.alphas));
            let slope = b.mul(&self.alpha_slope, &b.recip(&self.alpha));
            b.collect(&mut self.grads[ids.alpha], &b.mul(&inner, &slope));
        }
        Some(pulled)
    }

    /// `contrastive * softplus(E(target) - E(prediction))` on the last landscape; the prediction is a constant.
    pub(super) fn contrast(&mut self, out: &mut Outcome<B::Array>) -> Result<()> {
        let (scene, b) = (self.scene, self.scene.b);
        let weight = scene.objective.contrastive;
        if weight == 0.0 {
            return Ok(());
        }
        let (s, key) = self.ready(scene.steps - 1);
        let (Some(ground), Some(stage)) = (&mut self.grounds[s], &mut self.stages[key]) else { return Ok(()) };
        stage.owed = true;
        let x = Prediction {
            model: scene.model,
            geometry: scene.geometry,
            condition: &ground.condition,
            memory: &stage.observed.memory,
        };
        let truth = b.one_hot(self.target.targets, scene.model.config.vocab);
        let present = b.sum_columns(&truth);
        let own = b.softmax(&out.last);
        let (positive, saved_positive) = energy::forward(b, &x, &scene.mix(&truth));
        let (negative, saved_negative) = energy::forward(b, &x, &scene.mix(&own));
        // softplus(z), z = E+ - E-: its slope is sigmoid(z); softplus(z) = -ln sigmoid(-z)
        let z = b.add(&positive, &b.scale(&negative, -1.0));
        let rows = b.mul(&b.scale(&present, weight), self.target.weight);
        let loss = b.scale(&b.ln(&b.sigmoid(&b.scale(&z, -1.0))), -1.0);
        out.extra = b.add(&out.extra, &b.sum_rows(&b.mul(&loss, &rows)));
        let slope = b.mul(&b.sigmoid(&z), &rows);
        for (saved, sign, point) in [(&saved_positive, 1.0, &truth), (&saved_negative, -1.0, &own)] {
            let sink = PredictionSink {
                grads: &mut *self.grads,
                condition: &mut ground.gradient,
                memory: &mut stage.gradient.memory,
                balance: &[],
            };
            let dp = energy::backward(b, &x, saved, &b.scale(&slope, sign), Some(sink));
            b.collect_product(&mut self.grads[scene.model.layout.vocabulary], 0, point, &dp);
        }
        Ok(())
    }
}
