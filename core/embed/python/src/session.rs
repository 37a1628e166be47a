//! Sessions: tokens in, descents and energies out.

use std::ops::ControlFlow;

use ebt::engine::descent::{DescentOptions, Potential as _};
use ebt::engine::{Session as Inner, SessionOptions};
use ebt::packed::Model as Packed;
use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::certificate::Certificate;
use crate::error::{raised, refused};
use crate::memory::{SessionCell, Shared};
use crate::model::{Model, bytes_or};
use crate::settings::{settings, storage};

/// A model with a cache of the tokens that it observed: the next token's distribution by descent, and the energy that is descended on.
///
/// Session(model=None, *, rows=1, steps=32, block=16, curvature=True): `rows` are the most states computed side by side,
/// `steps` the most descent steps of a token, `block` the tokens that are read together. Training text begins with
/// `model.tokenizer.begin`: observe it first.
#[pyclass(frozen, module = "ebt")]
pub struct Session {
    cell: Shared<SessionCell>,
    rows: usize,
    vocabulary: usize,
}

/// Energies (n) and gradients (n, V).
type EnergiesAndGradients<'py> = (Bound<'py, PyArray1<f32>>, Bound<'py, PyArray2<f32>>);

/// The values of an array, row by row.
pub fn values<'a>(array: &'a PyReadonlyArray2<'_, f32>) -> PyResult<&'a [f32]> {
    array.as_slice().map_err(|_| refused("a contiguous array is needed: numpy.ascontiguousarray makes one"))
}

/// What an evaluation gives: energies, and gradients or products.
type Evaluated = (Vec<f32>, Vec<f32>);

impl Session {
    /// Energies of rows of distributions, and, where asked for, their gradients, or products of the Hessian with `along`.
    fn evaluate(
        &self,
        landscape: usize,
        p: &[f32],
        along: Option<&[f32]>,
        gradients: bool,
    ) -> anyhow::Result<Evaluated> {
        let (vocabulary, rows) = (self.vocabulary, self.rows);
        let count = p.len() / vocabulary;
        let mut energies = vec![0.0; count];
        let mut out = vec![0.0; if gradients || along.is_some() { p.len() } else { 0 }];
        self.cell.with(|session| {
            let landscapes = session.model().config.landscapes;
            anyhow::ensure!(landscape < landscapes, "landscape: the model has {landscapes}");
            for first in (0..count).step_by(rows) {
                let n = rows.min(count - first);
                let part = first * vocabulary..(first + n) * vocabulary;
                let active = vec![true; n];
                let mut potential = session.potential(n)?;
                potential.energy(landscape, &p[part.clone()], &active, &mut energies[first..first + n]);
                if gradients || along.is_some() {
                    potential.gradient(&active, &mut out[part.clone()]);
                }
                if let Some(along) = along {
                    let known = potential.curvature(&active, &along[part.clone()], &mut out[part]);
                    anyhow::ensure!(known, "the session was opened without curvature");
                }
            }
            Ok((energies, out))
        })
    }

    fn distributions<'a>(&self, p: &'a PyReadonlyArray2<'_, f32>) -> PyResult<&'a [f32]> {
        let columns = p.as_array().ncols();
        if columns != self.vocabulary {
            return Err(refused(format!(
                "an array of (n, {}) is needed, with {columns} columns it has another vocabulary",
                self.vocabulary
            )));
        }
        values(p)
    }
}

#[pymethods]
impl Session {
    #[new]
    #[pyo3(signature = (model=None, *, rows=1, steps=32, block=16, curvature=true, cache="f32"))]
    fn new(
        py: Python<'_>,
        model: Option<&Model>,
        rows: usize,
        steps: usize,
        block: usize,
        curvature: bool,
        cache: &str,
    ) -> PyResult<Self> {
        let bytes = bytes_or(model, Model::sample)?;
        let options = SessionOptions { block, rows, steps, trials: true, curvature, cache: storage(cache)? };
        py.detach(|| {
            let config = Packed::read(&bytes).map_err(raised)?.config;
            let needed = Inner::bytes_needed(&config, &options).map_err(raised)?;
            let vocabulary = config.vocab;
            let cell =
                Shared::new(bytes, needed, |model, memory| Ok(Inner::new(Packed::read(model)?, &options, memory)?))?;
            Ok(Self { cell, rows, vocabulary })
        })
    }

    /// Forgets all tokens.
    fn reset(&self) {
        self.cell.with(|session| session.reset());
    }

    /// Reads tokens.
    fn observe(&self, py: Python<'_>, ids: Vec<u32>) -> PyResult<()> {
        py.detach(|| self.cell.with(|session| session.observe(&ids))).map_err(raised)
    }

    /// Tokens observed so far.
    #[getter]
    fn position(&self) -> u64 {
        self.cell.with(|session| session.position())
    }

    /// Descends on the energy of the next token's distribution, and says how: think(steps=0, step_size="model", candidates=1,
    /// choose="energy", certify=False, curvature=0, tolerance=0, dissipation=0, noise="none", seed=0, ...).
    #[pyo3(signature = (**given))]
    fn think(&self, py: Python<'_>, given: Option<&Bound<'_, PyDict>>) -> PyResult<Certificate> {
        let think = settings(given, DescentOptions::default(), None)?;
        py.detach(|| {
            self.cell.with(|session| {
                let certificate = session.think(&think, &mut |_| ControlFlow::Continue(()));
                certificate.map(Certificate::from).map_err(raised)
            })
        })
    }

    /// Logits (V) of the next token after the last `think`; empty before it.
    #[getter]
    fn logits<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        self.cell.with(|session| session.logits().to_vec()).into_pyarray(py)
    }

    /// Their softmax (V).
    #[getter]
    fn probabilities<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        self.cell.with(|session| session.probabilities().to_vec()).into_pyarray(py)
    }

    /// Energies (n) of distributions (n, V) of the next token.
    #[pyo3(signature = (p, landscape=0))]
    fn energies<'py>(
        &self,
        py: Python<'py>,
        p: PyReadonlyArray2<'py, f32>,
        landscape: usize,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let p = self.distributions(&p)?;
        let (energies, _) = py.detach(|| self.evaluate(landscape, p, None, false)).map_err(raised)?;
        Ok(energies.into_pyarray(py))
    }

    /// Energies (n) of distributions (n, V), and their gradients dE/dP (n, V).
    #[pyo3(signature = (p, landscape=0))]
    fn gradients<'py>(
        &self,
        py: Python<'py>,
        p: PyReadonlyArray2<'py, f32>,
        landscape: usize,
    ) -> PyResult<EnergiesAndGradients<'py>> {
        let rows = p.as_array().nrows();
        let p = self.distributions(&p)?;
        let (energies, gradients) = py.detach(|| self.evaluate(landscape, p, None, true)).map_err(raised)?;
        Ok((energies.into_pyarray(py), self.matrix(rows, gradients)?.into_pyarray(py)))
    }

    /// Products H u (n, V) of the Hessian d^2E/dP^2 at distributions (n, V) with directions (n, V).
    #[pyo3(signature = (p, u, landscape=0))]
    fn hessian_products<'py>(
        &self,
        py: Python<'py>,
        p: PyReadonlyArray2<'py, f32>,
        u: PyReadonlyArray2<'py, f32>,
        landscape: usize,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let rows = p.as_array().nrows();
        let (p, u) = (self.distributions(&p)?, self.distributions(&u)?);
        if p.len() != u.len() {
            return Err(refused("as many directions as distributions are needed"));
        }
        let (_, products) = py.detach(|| self.evaluate(landscape, p, Some(u), false)).map_err(raised)?;
        Ok(self.matrix(rows, products)?.into_pyarray(py))
    }

    /// Reads tokens, and says how well each was predicted from those before it: losses (n, steps) in nats after every step. With several
    /// candidates only that of the one kept, in its last step.
    #[pyo3(signature = (ids, **given))]
    fn score<'py>(
        &self,
        py: Python<'py>,
        ids: Vec<u32>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let think = settings(given, DescentOptions::default(), None)?;
        let (steps, losses) = py
            .detach(|| {
                self.cell.with(|session| {
                    let usual = session.dynamics_mut().steps;
                    let steps = if think.steps == 0 { usual } else { think.steps };
                    let mut losses = vec![f32::NAN; ids.len() * steps];
                    session.score(&ids, &think, &mut |index, step, loss| losses[index * steps + step] = loss)?;
                    Ok::<_, ebt::EngineError>((steps, losses))
                })
            })
            .map_err(raised)?;
        let shaped = Array2::from_shape_vec((ids.len(), steps), losses).map_err(raised)?;
        Ok(shaped.into_pyarray(py))
    }

    fn __repr__(&self) -> String {
        format!("<ebt.Session after {} tokens>", self.position())
    }
}

impl Session {
    fn matrix(&self, rows: usize, values: Vec<f32>) -> PyResult<Array2<f32>> {
        Array2::from_shape_vec((rows, self.vocabulary), values).map_err(raised)
    }
}
