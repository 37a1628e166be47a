//! Golden cases one after the other, on a device.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ebt_core::compute::Backend;
use ebt_cpu::Cpu;
use serde::Serialize;

use super::case::Case;
use super::errors::{Quantity, Tolerance, errors};
use super::sensitivity::Sensitivity;
use crate::device::{BackendTask, Device, on_processor};

/// What came of a case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseReport {
    /// The file, as it was named.
    pub file: String,
    /// Name of the backend.
    pub backend: String,
    /// Whether the case could be computed and every quantity is within its bound.
    pub ok: bool,
    /// Why the case could not be computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What was compared.
    pub quantities: Vec<Quantity>,
    /// Tensors of the file that this program knows nothing to compare with.
    pub not_compared: Vec<String>,
}

/// Computes cases on a device and gives the report of each to `each`.
///
/// # Errors
///
/// A device that cannot be opened, and what `each` returns.
pub fn compare(
    device: &Device,
    files: &[PathBuf],
    tolerance: Tolerance,
    each: &mut dyn FnMut(CaseReport) -> Result<()>,
) -> Result<()> {
    device.with_backend(Comparing { files, tolerance, each })
}

/// The same in double precision, on the processor.
///
/// # Errors
///
/// Threads that cannot be had, and what `each` returns.
pub fn compare_in_double(
    threads: usize,
    files: &[PathBuf],
    tolerance: Tolerance,
    each: &mut dyn FnMut(CaseReport) -> Result<()>,
) -> Result<()> {
    on_processor(Cpu::<f64>::new(threads), Comparing { files, tolerance, each })
}

struct Comparing<'a> {
    files: &'a [PathBuf],
    tolerance: Tolerance,
    each: &'a mut dyn FnMut(CaseReport) -> Result<()>,
}

impl BackendTask for Comparing<'_> {
    type Output = ();

    fn run<B: Backend>(self, b: &B) -> Result<()> {
        self.files.iter().try_for_each(|file| (self.each)(case(b, file, self.tolerance)))
    }
}

/// Computes one case; a file that is none is reported, so that the others still run.
fn case<B: Backend>(b: &B, file: &Path, tolerance: Tolerance) -> CaseReport {
    let compared = || -> Result<(Vec<Quantity>, Vec<String>)> {
        let case = Case::open(file)?;
        let quantities = run(b, &case, tolerance).with_context(|| file.display().to_string())?;
        Ok((quantities, case.not_compared))
    };
    let (file, backend) = (file.display().to_string(), b.name().to_owned());
    match compared() {
        Ok((quantities, not_compared)) => {
            let ok = quantities.iter().all(|q| q.ok);
            CaseReport { file, backend, ok, problem: None, quantities, not_compared }
        }
        Err(error) => {
            let problem = Some(format!("{error:#}"));
            CaseReport { file, backend, ok: false, problem, quantities: Vec::new(), not_compared: Vec::new() }
        }
    }
}

/// Computes a case on a backend and compares every quantity: losses, energies, directions, states, and the gradient
/// of every parameter. A parameter without a gradient in the file must have a gradient of zero.
///
/// # Errors
///
/// A case the backend cannot compute.
pub fn run<B: Backend>(b: &B, case: &Case, tolerance: Tolerance) -> Result<Vec<Quantity>> {
    let mut quantities = errors(b, case, &case.weights, tolerance)?;
    if let Some(unit) = tolerance.unit {
        let sensitivity = Sensitivity::measure(case, unit)?;
        for quantity in &mut quantities {
            quantity.widen(Sensitivity::FACTOR * sensitivity.of(&quantity.name));
        }
    }
    Ok(quantities)
}
