//! The quantities of a golden case: computed, and held against those of the file.

use anyhow::{Result, bail};
use ebt_core::compute::Backend;
use ebt_core::optimizer::OptimizerConfig;
use ebt_core::training::{StepReport, StepSettings, Trainer};
use ebt_model::weights::{Names, unstack};
use serde::Serialize;

use super::case::Case;
use super::joint::{self, Probed};

/// Largest relative errors that pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tolerance {
    /// Of losses, energies, directions `G` and states.
    pub values: f64,
    /// Of the gradient of each parameter.
    pub gradients: f64,
    /// Unit roundoff of products, where it is coarse: then a quantity may also be off by `Sensitivity::FACTOR` times
    /// what such a rounding of the weights alone changes it by.
    pub unit: Option<f64>,
}

impl Tolerance {
    /// For double precision.
    pub const F64: Self = Self { values: 1e-9, gradients: 1e-9, unit: None };
    /// For single precision. Gradients in which terms cancel lose digits: PyTorch reaches 4e-4 on the worst.
    pub const F32: Self = Self { values: 5e-5, gradients: 2e-3, unit: None };
    /// For products of 11 significant bits, tf32 and f16, through two passes of second derivatives.
    pub const ELEVEN_BITS: Self = Self { values: 5e-3, gradients: 2e-2, unit: Some(1.0 / 2048.0) };
    /// For products of 8 significant bits, bf16.
    pub const EIGHT_BITS: Self = Self { values: 4e-2, gradients: 1.6e-1, unit: Some(1.0 / 256.0) };
}

/// One compared quantity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quantity {
    /// Name in the file, without `expect.`.
    pub name: String,
    /// `|ours - theirs| / |theirs|` in Euclidean norms; `|ours|` where theirs is all zero; infinite where lengths differ.
    pub error: f64,
    /// Largest error that passes; 0 where theirs is all zero.
    pub bound: f64,
    /// Whether the error is a number within the bound.
    pub ok: bool,
}

impl Quantity {
    fn compare(name: &str, ours: &[f64], theirs: &[f64], tolerance: f64) -> Self {
        let theirs_norm = norm(theirs.iter().copied());
        let difference = norm(ours.iter().zip(theirs).map(|(a, b)| a - b));
        let same_length = ours.len() == theirs.len();
        let (error, bound) = if theirs_norm == 0.0 { (difference, 0.0) } else { (difference / theirs_norm, tolerance) };
        let error = if same_length { error } else { f64::INFINITY };
        Self { name: name.to_owned(), error, bound, ok: error <= bound }
    }

    /// Raises the bound to `bound`, if that is a higher number; what must be zero must stay so.
    pub(super) fn widen(&mut self, bound: f64) {
        if self.bound > 0.0 && bound.is_finite() && bound > self.bound {
            self.bound = bound;
            self.ok = self.error <= bound;
        }
    }
}

/// Euclidean norm, safe from overflow and underflow of the squares; NaN if any value is.
fn norm(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(0.0, |m: f64, x| m.max(x.abs()));
    // the maximum passes over NaN, the sums do not
    if largest == 0.0 || largest.is_infinite() {
        return values.map(f64::abs).sum();
    }
    largest * values.map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt()
}

/// Every quantity of a case with these weights in place of its own.
pub(super) fn errors<B: Backend>(
    b: &B,
    case: &Case,
    weights: &[Vec<f64>],
    tolerance: Tolerance,
) -> Result<Vec<Quantity>> {
    let outcome = compute(b, case, weights)?;
    let expected = &case.expected;
    let value = |name, ours: &[f64], theirs: &[f64]| Quantity::compare(name, ours, theirs, tolerance.values);
    let mut quantities = vec![
        value("loss", &[outcome.report.loss], &expected.loss),
        value("reconstruction", &[outcome.report.reconstruction], &expected.reconstruction),
        value("balance", &[outcome.report.balance], &expected.balance),
        value("step_losses", &outcome.report.step_losses, &expected.step_losses),
    ];
    match &expected.joint {
        Some(joint) => {
            let of_problems = joint::quantities(case, joint, &outcome);
            quantities.extend(of_problems.iter().map(|(name, ours, theirs)| value(name, ours, theirs)));
        }
        None => quantities.extend([
            value("energies", &outcome.energies, &expected.energies),
            value("gradients", &outcome.directions, &expected.gradients),
            value("states", &outcome.states, &expected.states),
        ]),
    }
    for (id, part) in Names::of(&case.layout).required() {
        let ours = unstack(&case.layout.entries[id], part, &outcome.gradients[id]);
        let theirs = case.gradient(&part.name)?.unwrap_or_else(|| vec![0.0; ours.len()]);
        quantities.push(Quantity::compare(&format!("grad.{}", part.name), &ours, &theirs, tolerance.gradients));
    }
    Ok(quantities)
}

/// What a backend makes of a case.
pub(super) struct Outcome {
    pub(super) report: StepReport,
    pub(super) energies: Vec<f64>,
    pub(super) directions: Vec<f64>,
    pub(super) states: Vec<f64>,
    gradients: Vec<Vec<f64>>,
    /// Of a joint energy what its rollout does not tell.
    pub(super) probed: Option<Probed>,
}

/// Loss scales, where the backend needs them, are lowered until nothing overflows, as skipped training steps do.
fn compute<B: Backend>(b: &B, case: &Case, weights: &[Vec<f64>]) -> Result<Outcome> {
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
            probed: last.map(|last| joint::probe(b, &trainer, case, last)).transpose()?,
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

/// All values of a list of matrices, one after the other.
pub(super) fn download<B: Backend>(b: &B, list: &[B::Array]) -> Vec<f64> {
    let mut all = Vec::new();
    for a in list {
        let (rows, columns) = b.shape(a);
        let start = all.len();
        all.resize(start + rows * columns, f64::NAN);
        b.download_f64(a, &mut all[start..]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_is_relative_and_strict_about_zeros_and_nan() {
        let error = |ours: &[f64], theirs: &[f64]| Quantity::compare("x", ours, theirs, 0.1);
        assert!(error(&[1.0, 1.05], &[1.0, 1.0]).ok);
        assert!(!error(&[1.0, 1.5], &[1.0, 1.0]).ok);
        assert!(error(&[0.0], &[0.0]).ok && !error(&[1e-300], &[0.0]).ok);
        assert!(!error(&[f64::NAN], &[1.0]).ok && !error(&[1.0], &[1.0, 1.0]).ok);
        assert!(!error(&[f64::NAN, 1.0], &[1.0, 1.0]).ok && !error(&[f64::NAN, 0.0], &[0.0, 0.0]).ok);
        assert!(!error(&[f64::INFINITY], &[1.0]).ok && !error(&[2e-200], &[1e-200]).ok);
        assert_eq!(error(&[3.0], &[2.0]).error, 0.5);
    }

    #[test]
    fn a_wider_bound_forgives_errors_but_neither_zeros_nor_nan_nor_lengths() {
        let widened = |ours: &[f64], theirs: &[f64], bound| {
            let mut quantity = Quantity::compare("x", ours, theirs, 0.1);
            quantity.widen(bound);
            (quantity.ok, quantity.bound)
        };
        assert_eq!(widened(&[1.5], &[1.0], 0.6), (true, 0.6));
        assert_eq!(widened(&[1.5], &[1.0], 0.4), (false, 0.4));
        assert_eq!(widened(&[1.0], &[1.0], 0.01), (true, 0.1));
        assert_eq!(widened(&[0.1], &[0.0], 9.0), (false, 0.0));
        assert!(!widened(&[f64::NAN], &[1.0], 9.0).0 && !widened(&[2.0, 1.0], &[1.0], 9.0).0);
        assert_eq!(widened(&[1.5], &[1.0], f64::NAN), (false, 0.1));
    }
}
