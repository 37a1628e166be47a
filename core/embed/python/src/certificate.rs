//! How a token or an answer was found, as arrays.

use ebt::{Certificate as Borrowed, Stop};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// How a token, or the answer to a problem, was arrived at. Arrays run over the steps of the descent; those that were not asked for
/// are empty.
#[pyclass(frozen, module = "ebt")]
pub struct Certificate {
    steps: usize,
    stop: &'static str,
    landscapes: Vec<u32>,
    rounds: Vec<u32>,
    energies: Vec<f32>,
    energies_after: Vec<f32>,
    step_sizes: Vec<f32>,
    dissipations: Vec<f32>,
    decreased: Vec<bool>,
    all_decreased: Option<bool>,
    alpha_lambda: Vec<f32>,
    candidate_energies: Vec<f32>,
    candidate: usize,
    acceptance: Option<f32>,
    end: Option<ebt::Assessment>,
}

impl From<Borrowed<'_>> for Certificate {
    fn from(of: Borrowed<'_>) -> Self {
        let stop = match of.stop {
            Stop::Steps => "steps",
            Stop::Energy => "energy",
            Stop::Dissipation => "dissipation",
            Stop::Stationary => "stationary",
            _ => "other",
        };
        Self {
            steps: of.steps,
            stop,
            landscapes: of.landscapes.to_vec(),
            rounds: of.rounds.to_vec(),
            energies: of.energies.to_vec(),
            energies_after: of.energies_after.to_vec(),
            step_sizes: of.step_sizes.to_vec(),
            dissipations: of.dissipations.to_vec(),
            decreased: of.decreased.to_vec(),
            all_decreased: of.all_decreased,
            alpha_lambda: of.alpha_lambda.to_vec(),
            candidate_energies: of.candidate_energies.to_vec(),
            candidate: of.candidate,
            acceptance: of.acceptance,
            end: of.end,
        }
    }
}

macro_rules! arrays {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty;)*) => {
        #[pymethods]
        impl Certificate {
            /// Steps that were taken.
            #[getter]
            fn steps(&self) -> usize {
                self.steps
            }
            /// Why the descent stopped: "steps", "energy", "dissipation" or "stationary".
            #[getter]
            fn stop(&self) -> &'static str {
                self.stop
            }
            /// The candidate that was kept.
            #[getter]
            fn candidate(&self) -> usize {
                self.candidate
            }
            /// Whether every step decreased the energy sufficiently; None where that was not evaluated.
            #[getter]
            fn all_decreased(&self) -> Option<bool> {
                self.all_decreased
            }
            /// Share of accepted Metropolis proposals; None where there were none.
            #[getter]
            fn acceptance(&self) -> Option<f32> {
                self.acceptance
            }
            /// Energy, free energy, entropy, residual and votes at the end; None where they were not assessed.
            #[getter]
            fn end<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
                let Some(end) = self.end else { return Ok(None) };
                let dict = PyDict::new(py);
                let values = [("energy", end.energy), ("free", end.free), ("entropy", end.entropy), ("residual", end.residual)];
                for (name, value) in values {
                    dict.set_item(name, value)?;
                }
                dict.set_item("votes", end.votes)?;
                Ok(Some(dict))
            }
            $(
                $(#[doc = $doc])*
                #[getter]
                fn $name<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<$type>> {
                    self.$name.clone().into_pyarray(py)
                }
            )*
            fn __repr__(&self) -> String {
                let ends = [self.energies.first(), self.energies.last()].map(|e| e.copied().unwrap_or(f32::NAN));
                format!("<ebt.Certificate: {} steps, energies {:.4} to {:.4}>", self.steps, ends[0], ends[1])
            }
        }
    };
}
arrays! {
    /// The landscape of every step.
    landscapes: u32;
    /// The round of committing of every step.
    rounds: u32;
    /// The energy before every step.
    energies: f32;
    /// The energy after every step on the same landscape.
    energies_after: f32;
    /// The step size of every step; 0 where no trial was accepted.
    step_sizes: f32;
    /// The dissipation of every step.
    dissipations: f32;
    /// Whether every step decreased the energy sufficiently.
    decreased: bool;
    /// `alpha lambda_max` of every step.
    alpha_lambda: f32;
    /// Final energies of all candidates.
    candidate_energies: f32;
}
