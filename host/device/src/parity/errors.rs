//! The quantities of a golden case: computed, and held against those of the file.

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_model::weights::{Names, unstack};
use serde::Serialize;

use super::case::Case;
use super::choices::Choices;
use super::joint::ExpectedJoint;
use super::outcome::{Outcome, compute};

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
            let all = of_problems(case, joint, &outcome);
            quantities.extend(all.iter().map(|(name, ours, theirs)| value(name, ours, theirs)));
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

/// Quantities `(name, ours, theirs)` of a case of problems whose names are not those of every case. The states of `outcome` are
/// those after every step.
fn of_problems<'a>(
    case: &'a Case,
    theirs: &'a ExpectedJoint,
    outcome: &Outcome,
) -> Vec<(&'static str, Vec<f64>, Vec<f64>)> {
    let choices = Choices::of(case);
    let mut all = vec![
        ("lyapunov", vec![outcome.report.extra], theirs.lyapunov.clone()),
        ("states", choices.canonical(&outcome.states), choices.canonical(&case.expected.states)),
    ];
    let Some(probed) = &outcome.probed else { return all };
    let before = [&case.initial, &outcome.states[..outcome.states.len() - case.initial.len()]].concat();
    let visited = [&case.initial[..], &outcome.states].concat();
    let tau = case.config.tau;
    let gradients: Vec<f64> = outcome.directions.iter().zip(&before).map(|(d, y)| d - tau * y).collect();
    let energies = outcome.energies.iter().chain(&probed.last).copied();
    let entropies = choices.entropies(&visited);
    let free = choices.by_problem(energies).iter().zip(&entropies).map(|(e, h)| e - tau * h).collect();
    all.extend([
        ("energies", outcome.energies.clone(), case.expected.energies.clone()),
        ("gradients", choices.canonical(&gradients), choices.canonical(&case.expected.gradients)),
        ("free_energies", free, theirs.free_energies.clone()),
        ("dissipations", choices.variances(&before, &outcome.directions), theirs.dissipations.clone()),
        ("entropies", entropies[..entropies.len() - case.sequences.batch].to_vec(), theirs.entropies.clone()),
    ]);
    if let Some([_, hu]) = &theirs.curvature {
        all.push(("hvp", choices.canonical(&probed.curvature), choices.canonical(hu)));
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
