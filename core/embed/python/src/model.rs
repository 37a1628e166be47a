//! Models from files and bytes.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use ebt::packed::{self, Storage};
use ebt_core::config::{ModelKind, UpdateRule};
use ebt_tokenizer::Tokenizer as Inner;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::raised;
use crate::tokenizer::Tokenizer;

/// A model, ready for sessions, generators, solvers and restorers, which share its bytes.
///
/// Model(path) opens a packed model (`.ebp`), a model file (`.ebt`) or the folder of a run. Without a path it is the sample
/// model that the package brings along.
#[pyclass(frozen, module = "ebt")]
pub struct Model {
    pub bytes: Arc<[u8]>,
    name: String,
    /// That of a model file, whose tokenizer may have no compact form.
    tokenizer: Option<Arc<Inner>>,
}

/// The bytes of a packed model, and the tokenizer of a model file.
type Opened = (Arc<[u8]>, Option<Arc<Inner>>);

fn open(path: &std::path::Path) -> anyhow::Result<Opened> {
    let file = ebt_model::locate(path)?;
    let name = || file.display().to_string();
    let bytes = std::fs::read(&file).with_context(name)?;
    if bytes.starts_with(&packed::MAGIC) {
        return Ok((bytes.into(), None));
    }
    let model = ebt_model::load(path)?;
    let compact = model.tokenizer.as_ref().and_then(|tokenizer| tokenizer.to_compact().ok());
    let contents = packed::Contents {
        config: &model.config,
        objective: &model.objective,
        provenance: &model.provenance,
        weights: &model.weights,
        storage: Storage::F32,
        language: model.words.as_deref().or(compact),
    };
    let bytes = packed::pack(&contents).with_context(name)?;
    Ok((bytes.into(), model.tokenizer.map(Arc::new)))
}

impl Model {
    fn of(bytes: Arc<[u8]>, name: String, tokenizer: Option<Arc<Inner>>) -> PyResult<Self> {
        packed::Model::read(&bytes).with_context(|| name.clone()).map_err(raised)?;
        Ok(Self { bytes, name, tokenizer })
    }

    fn built_in(bytes: &'static [u8], name: &str) -> PyResult<Self> {
        Self::of(bytes.into(), name.to_owned(), None)
    }

    fn read(&self) -> PyResult<packed::Model<'_>> {
        packed::Model::read(&self.bytes).map_err(raised)
    }
}

/// The bytes of a model, or of the one that the package brings along.
pub fn bytes_or(model: Option<&Model>, built_in: fn() -> PyResult<Model>) -> PyResult<Arc<[u8]>> {
    model.map_or_else(|| built_in().map(|model| model.bytes), |model| Ok(Arc::clone(&model.bytes)))
}

#[pymethods]
impl Model {
    #[new]
    #[pyo3(signature = (path=None))]
    fn new(py: Python<'_>, path: Option<PathBuf>) -> PyResult<Self> {
        let Some(path) = path else { return Self::sample() };
        let (bytes, tokenizer) = py.detach(|| open(&path)).map_err(raised)?;
        Self::of(bytes, path.display().to_string(), tokenizer)
    }

    /// A packed model in bytes.
    #[staticmethod]
    fn from_bytes(bytes: &[u8]) -> PyResult<Self> {
        Self::of(bytes.into(), String::from("the bytes"), None)
    }

    /// The model of Turkish text that the package brings along.
    #[staticmethod]
    pub fn sample() -> PyResult<Self> {
        Self::built_in(ebt_fixtures::SAMPLE_MODEL, "the built-in sample model")
    }

    /// The model of Sudokus of 6 x 6 that the package brings along.
    #[staticmethod]
    pub fn sudoku() -> PyResult<Self> {
        Self::built_in(ebt_fixtures::SUDOKU_MODEL, "the built-in solver")
    }

    /// The model that puts Turkish letters back that the package brings along.
    #[staticmethod]
    pub fn restore() -> PyResult<Self> {
        Self::built_in(ebt_fixtures::RESTORE_MODEL, "the built-in restorer")
    }

    /// The model for letters that were lost, mistyped or misread that the package brings along.
    #[staticmethod]
    pub fn mistakes() -> PyResult<Self> {
        Self::built_in(ebt_fixtures::MISTAKES_MODEL, "the built-in model of mistakes")
    }

    /// What it is: "ebt" (next tokens by descent), "joint" (problems), "transformer" (the baseline).
    #[getter]
    fn kind(&self) -> PyResult<&'static str> {
        Ok(match self.read()?.config.kind {
            ModelKind::Ebt => "ebt",
            ModelKind::Joint => "joint",
            ModelKind::Transformer => "transformer",
        })
    }

    /// Sizes and semantics, and how the model descends.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let model = self.read()?;
        let (c, d) = (&model.config, &model.descent);
        let dict = PyDict::new(py);
        for (name, value) in [
            ("vocabulary", c.vocab),
            ("dim", c.dim),
            ("layers", c.layers),
            ("heads", c.heads),
            ("context", c.context),
            ("landscapes", c.landscapes),
            ("steps", d.steps),
        ] {
            dict.set_item(name, value)?;
        }
        let rule = UpdateRule::ALL.iter().find(|(.., rule)| *rule == c.update).map(|(name, ..)| *name);
        dict.set_item("rule", rule)?;
        dict.set_item("alpha", d.alpha)?;
        dict.set_item("tau", c.tau)?;
        dict.set_item("has_energy", c.has_energy())?;
        dict.set_item("storage", model.storage.name())?;
        dict.set_item("bytes", self.bytes.len())?;
        Ok(dict)
    }

    /// Where the model comes from.
    #[getter]
    fn provenance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (key, value) in self.read()?.provenance() {
            dict.set_item(key, value)?;
        }
        Ok(dict)
    }

    /// The tokenizer of the model; None where it has none.
    #[getter]
    fn tokenizer(&self) -> PyResult<Option<Tokenizer>> {
        if let Some(inner) = &self.tokenizer {
            return Ok(Some(Tokenizer { inner: Arc::clone(inner) }));
        }
        let model = self.read()?;
        let inner = model.tokenizer().map(Inner::from_compact).transpose().map_err(raised)?;
        Ok(inner.map(|inner| Tokenizer { inner: Arc::new(inner) }))
    }

    fn __repr__(&self) -> PyResult<String> {
        let model = self.read()?;
        let c = &model.config;
        Ok(format!(
            "<ebt.Model {}: {}, {} blocks of width {}, vocabulary {}, {}>",
            self.name,
            self.kind()?,
            c.layers,
            c.dim,
            c.vocab,
            model.storage.name()
        ))
    }
}
