//! Joint problems: sets of allowed tokens in, answers out.

use std::ops::ControlFlow;

use ebt::engine::descent::DescentOptions;
use ebt::packed::Model as Packed;
use ebt::{Prior, Problem, SessionOptions, Solver as Inner};
use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::certificate::Certificate;
use crate::error::{raised, refused};
use crate::memory::{Shared, SolverCell};
use crate::model::{Model, bytes_or};
use crate::settings::settings;

/// Answers problems whose unknowns depend on each other, by descent on one energy of all cells.
///
/// Solver(model=None, *, starts=1, steps=64): the most starts side by side, and the most steps of all rounds together. Without
/// a model it is the one of Sudokus of 6 x 6.
#[pyclass(frozen, module = "ebt")]
pub struct Solver {
    cell: Shared<SolverCell>,
    vocabulary: usize,
    has_energy: bool,
}

/// The answer to a problem.
#[pyclass(frozen, module = "ebt")]
pub struct Solution {
    answer: Vec<u32>,
    probabilities: Array2<f32>,
    /// How it was found.
    #[pyo3(get)]
    certificate: Py<Certificate>,
}

#[pymethods]
impl Solution {
    /// The most probable allowed token of every cell (cells).
    #[getter]
    fn answer<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        self.answer.clone().into_pyarray(py)
    }

    /// The final distributions (cells, V).
    #[getter]
    fn probabilities<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f32>> {
        self.probabilities.clone().into_pyarray(py)
    }
}

/// What a solution is made of, before it is one of Python's.
type Found = (Vec<u32>, Vec<f32>, Certificate);

#[pymethods]
impl Solver {
    #[new]
    #[pyo3(signature = (model=None, *, starts=1, steps=64))]
    fn new(py: Python<'_>, model: Option<&Model>, starts: usize, steps: usize) -> PyResult<Self> {
        let bytes = bytes_or(model, Model::sudoku)?;
        let options = SessionOptions { rows: starts, steps, curvature: true, ..SessionOptions::default() };
        py.detach(|| {
            let config = Packed::read(&bytes).map_err(raised)?.config;
            let needed = Inner::bytes_needed(&config, &options).map_err(raised)?;
            let (vocabulary, has_energy) = (config.vocab, config.has_energy());
            let cell =
                Shared::new(bytes, needed, |model, memory| Ok(Inner::new(Packed::read(model)?, &options, memory)?))?;
            Ok(Self { cell, vocabulary, has_energy })
        })
    }

    /// Answers a problem. `allowed` (cells, V) says which tokens a cell may hold: one alone is given. Settings: steps=16,
    /// step_size=("scaled", 0.5), starts=1, choose="free", commits=0, certify=True, seed=0, ...
    #[pyo3(signature = (allowed, **given))]
    fn solve(
        &self,
        py: Python<'_>,
        allowed: PyReadonlyArray2<'_, bool>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Solution> {
        let allowed = allowed.as_array();
        let (cells, columns) = allowed.dim();
        if columns != self.vocabulary {
            return Err(refused(format!("allowed: the model has {} tokens, not {columns}", self.vocabulary)));
        }
        let words = columns.div_ceil(32);
        let mut sets = vec![0u32; cells * words];
        for ((cell, token), _) in allowed.indexed_iter().filter(|(_, allowed)| **allowed) {
            sets[cell * words + token / 32] |= 1 << (token % 32);
        }
        let usual = if self.has_energy { DescentOptions::joint() } else { DescentOptions::default() };
        let think = settings(given, usual, None)?;
        let found = py.detach(|| {
            self.cell.with(|solver| {
                let problem = Problem { cells, allowed: &sets, prior: Prior::default() };
                let solution = solver.solve(problem, &think, &mut |_| ControlFlow::Continue(()))?;
                let found: Found =
                    (solution.answer().collect(), solution.all_probabilities().to_vec(), solution.certificate.into());
                Ok::<_, ebt::EngineError>(found)
            })
        });
        let (answer, probabilities, certificate) = found.map_err(raised)?;
        let probabilities = Array2::from_shape_vec((cells, columns), probabilities).map_err(raised)?;
        Ok(Solution { answer, probabilities, certificate: Py::new(py, certificate)? })
    }
}
