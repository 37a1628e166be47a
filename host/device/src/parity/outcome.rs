//! What a backend makes of a golden case.

use anyhow::{Result, bail};
use ebt_core::compute::Backend;
use ebt_core::optimizer::OptimizerConfig;
use ebt_core::training::{StepReport, StepSettings, Trainer};

use super::case::Case;
use super::download::download;
use super::probe::{Probed, probe};

/// What a backend makes of a case.
pub(super) struct Outcome {
    pub(super) report: StepReport,
    pub(super) energies: Vec<f64>,
    pub(super) directions: Vec<f64>,
    pub(super) states: Vec<f64>,
    pub(super) gradients: Vec<Vec<f64>>,
    /// Of a joint energy what its rollout does not tell.
    pub(super) probed: Option<Probed>,
}

/// Loss scales, where the backend needs them, are lowered until nothing overflows, as skipped training steps do.
pub(super) fn compute<B: Backend>(b: &B, case: &Case, weights: &[Vec<f64>]) -> Result<Outcome> {
    let weights = case.layout.entries.iter().zip(weights).map(|(e, w)| b.upload_f64(e.rows, e.columns, w)).collect();
    let (config, objective) = (case.config.clone(), case.objective.clone());
    let mut trainer = Trainer::with_weights(b, config, objective, OptimizerConfig::default(), weights)?;
    let settings =
        StepSettings { seed: 0, step: 0, rate: 0.0, micro_batch: case.sequences.batch, ema_decay: 0.0, part: None };
    loop {
        let (report, traces) = trainer.gradient(b, &case.sequences, &settings, Some(&case.initial), true)?;
        let [trace] = traces.as_slice() else { bail!("{} rollouts were traced instead of one", traces.len()) };
        let probing = case.expected.joint.as_ref().filter(|_| case.config.has_energy());
        let last = probing.and_then(|_| trace.states.last());
        let outcome = Outcome {
            energies: download(b, &trace.energies),
            directions: download(b, &trace.directions),
            states: download(b, &trace.states),
            gradients: trainer.gradients().iter().map(|g| download(b, std::slice::from_ref(g))).collect(),
            probed: last.map(|last| probe(b, &trainer, case, last)).transpose()?,
            report,
        };
        b.status()?;
        let is_finite = |values: &[f64]| values.iter().all(|x| x.is_finite());
        let inner = is_finite(&outcome.directions);
        let finite = inner && outcome.report.loss.is_finite() && outcome.gradients.iter().all(|g| is_finite(g));
        if finite || !b.needs_loss_scale() || trainer.loss_scale.exhausted() {
            return Ok(outcome);
        }
        trainer.loss_scale.adapt(inner, finite);
    }
}
