//! A joint energy outside of a rollout: at the last state, and its Hessian at the first.

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::descent::rollout::{self, Rollout};
use ebt_core::dual::{Dual, DualTensor};
use ebt_core::energy::{self, Prediction};
use ebt_core::training::{DeviceSequences, Trainer};

use super::case::Case;
use super::download::download;

/// What a backend makes of a joint energy outside of a rollout.
#[derive(Debug, Default)]
pub(super) struct Probed {
    /// Energies after the last step `(B, T)`.
    pub(super) last: Vec<f64>,
    /// `H u (B, T, V)` at the initial state; empty where the case has no direction.
    pub(super) curvature: Vec<f64>,
}

/// Evaluates the energy of a case at `last (B T, V)`, and its Hessian at the initial state.
///
/// # Errors
///
/// A batch that the model does not take.
pub(super) fn probe<B: Backend>(b: &B, trainer: &Trainer<B>, case: &Case, last: &B::Array) -> Result<Probed> {
    let device = DeviceSequences::upload(b, &trainer.config, &case.sequences)?;
    let rollout = Rollout {
        b,
        model: trainer.model(),
        geometry: device.geometry(&trainer.config),
        tokens: device.tokens(),
        problems: device.problems(),
        objective: &trainer.objective,
        seed: 0,
        step: 0,
        first_row: 0,
        steps: case.objective.min_steps,
        scaling: None,
    };
    let (condition, _) = rollout::condition_of(&rollout, 0);
    let observed = rollout::observe(&rollout, &condition);
    let at_last = rollout::evaluate(&rollout, &condition, &observed, last, false);
    let mut probed = Probed { last: download(b, &[at_last.energy]), curvature: Vec::new() };
    if let Some([u, _]) = case.expected.joint.as_ref().and_then(|joint| joint.curvature.as_ref()) {
        let (n, v) = (rollout.geometry.shape.rows(), trainer.config.vocab);
        let p = rollout.distribution(&rollout.masked(b.upload_f64(n, v, &case.initial)));
        let tangent = Some(rollout.mix(&b.upload_f64(n, v, u)));
        let point = DualTensor { value: rollout.mix_distribution(&p), tangent };
        let memory = &observed.memory;
        let x = Prediction { model: rollout.model, geometry: rollout.geometry, condition: &condition, memory };
        let dual = Dual::new(b);
        let (_, saved) = energy::forward(&dual, &x, &point);
        let dp = energy::backward(&dual, &x, &saved, &rollout.present(), None);
        probed.curvature = dp.tangent.map_or_else(Vec::new, |dp| download(b, &[rollout.unmix(&dp)]));
    }
    Ok(probed)
}
