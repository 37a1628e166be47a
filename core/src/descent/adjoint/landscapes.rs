//! The landscapes of a rollout and their observed streams: built when a step asks for them, pulled back when they go.

use super::sweep::{LandscapeState, ObservedState, Sweep};
use crate::compute::Backend;
use crate::config::Conditioning;
use crate::descent::rollout::{self, EnergyAt};
use crate::energy::{self, ObservedGradient, Prediction};
use crate::error::{Error, Result};
use crate::layer::condition;
use crate::objective::term::EnergyWithSink;
use crate::objective::{Checkpointing, Flow};

impl<B: Backend> Sweep<'_, '_, B> {
    /// Makes sure that landscape and observed stream of step `i` are there, letting others go when memory is to be saved.
    /// Returns the number of either.
    pub(super) fn ready(&mut self, i: usize) -> (usize, usize) {
        let s = self.rollout.landscape(i);
        let key = self.rollout.observed_key(s);
        if self.landscapes[s].is_none() {
            let (condition, saved) = rollout::condition_of(&self.rollout, s);
            let gradient = energy::zeros_like_condition(self.rollout.b, &condition);
            self.landscapes[s] = Some(LandscapeState { condition, saved, gradient });
        }
        if self.streams[key].is_none() {
            let objective = self.rollout.objective;
            if objective.flow == Flow::Detached || objective.checkpointing != Checkpointing::None {
                self.backprop_observed();
            }
            if let Some(landscape) = &self.landscapes[s] {
                let observed = rollout::observe(&self.rollout, &landscape.condition);
                let gradient = ObservedGradient::zeros(self.rollout.b, self.rollout.model, self.rollout.geometry);
                self.streams[key] = Some(ObservedState { observed, gradient, has_gradient: false });
            }
        }
        (s, key)
    }

    /// The energy of step `i` with its sink.
    pub(super) fn open(&mut self, i: usize) -> Result<EnergyWithSink<'_, B>> {
        let (s, key) = self.ready(i);
        let (Some(landscape), Some(stream)) = (&mut self.landscapes[s], &mut self.streams[key]) else {
            return Err(Error::Replay { at: i });
        };
        stream.has_gradient = true;
        Ok(EnergyWithSink {
            x: Prediction {
                model: self.rollout.model,
                geometry: self.rollout.geometry,
                condition: &landscape.condition,
                memory: &stream.observed.memory,
            },
            grads: &mut *self.grads,
            condition: &mut landscape.gradient,
            memory: &mut stream.gradient.memory,
        })
    }

    /// Evaluates the energy of step `i` at `y (n,V)` (noised already).
    pub(super) fn evaluate(&mut self, i: usize, y: &B::Array, record: bool) -> Result<EnergyAt<B::Array, B::Index>> {
        let (s, key) = self.ready(i);
        match (&self.landscapes[s], &self.streams[key]) {
            (Some(landscape), Some(stream)) => {
                Ok(rollout::evaluate(&self.rollout, &landscape.condition, &stream.observed, y, record))
            }
            _ => Err(Error::Replay { at: i }),
        }
    }

    /// Pulls the collected gradients back through every observed stream and forgets it.
    fn backprop_observed(&mut self) {
        let (b, rollout) = (self.rollout.b, self.rollout);
        for key in 0..self.streams.len() {
            let Some(stream) = self.streams[key].take().filter(|s| s.has_gradient) else { continue };
            if let (Some(problems), Some(d)) = (rollout.problems, stream.gradient.memory.first()) {
                let flagged = (rollout.tokens, problems.places);
                energy::joint::observe_backward(b, rollout.model, flagged, d, self.grads);
                continue;
            }
            if rollout.model.config.condition == Conditioning::Predictions && self.observed_condition.is_none() {
                let plain = condition::unconditioned::<B>(rollout.model);
                self.observed_condition = Some(energy::zeros_like_condition(b, &plain));
            }
            let plain = condition::unconditioned::<B>(rollout.model);
            let (condition, gradient) = match (rollout.model.config.condition, &mut self.observed_condition) {
                (Conditioning::Predictions, Some(gradient)) => (&plain, gradient),
                _ => match &mut self.landscapes[key] {
                    Some(g) => (&g.condition, &mut g.gradient),
                    None => continue,
                },
            };
            let ObservedState { observed, gradient: d, .. } = stream;
            energy::observe_backward(
                b,
                rollout.model,
                rollout.geometry,
                condition,
                &observed,
                &d,
                rollout.tokens,
                self.grads,
                gradient,
            );
        }
    }

    /// Pulls the gradients of all observed streams and condition vectors back to the weights.
    pub(super) fn finish(&mut self) {
        self.backprop_observed();
        let (b, model) = (self.rollout.b, self.rollout.model);
        for (s, landscape) in self.landscapes.iter().enumerate() {
            match landscape {
                Some(LandscapeState { saved: Some(saved), gradient, .. }) => {
                    condition::conditioned_backward(b, model, s, saved, gradient, self.grads);
                }
                Some(LandscapeState { saved: None, gradient, .. }) => {
                    condition::unconditioned_backward(b, model, gradient, self.grads);
                }
                None => {}
            }
        }
        if let Some(gradient) = &self.observed_condition {
            condition::unconditioned_backward(b, model, gradient, self.grads);
        }
    }
}
