//! Text to tokens and back.

use std::path::PathBuf;
use std::sync::Arc;

use ebt_tokenizer::{Special, Tokenizer as Inner};
use numpy::{IntoPyArray, PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::{raised, refused};

/// A lossless tokenizer: any text comes back byte for byte.
///
/// Tokenizer(path) opens a `tokenizer.json` or a compact tokenizer; without a path it is the one of 4,096 tokens that the package
/// brings along.
#[pyclass(frozen, module = "ebt")]
pub struct Tokenizer {
    pub inner: Arc<Inner>,
}

/// Ids (n), and the bytes (n, 2) that they cover.
type IdsAndPlaces<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray2<usize>>);

#[pymethods]
impl Tokenizer {
    #[new]
    #[pyo3(signature = (path=None))]
    fn new(path: Option<PathBuf>) -> PyResult<Self> {
        let inner = match path {
            Some(path) => Inner::from_file(&path),
            None => Inner::from_json(ebt_fixtures::TOKENIZER),
        };
        Ok(Self { inner: Arc::new(inner.map_err(raised)?) })
    }

    /// The ids of a text, without a begin token.
    fn encode<'py>(&self, py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let ids = py.detach(|| self.inner.encode(text)).map_err(raised)?;
        Ok(ids.into_pyarray(py))
    }

    /// The ids of a text, and an array (n, 2) of the bytes that each covers: where it begins and where it ends.
    fn encode_with_offsets<'py>(&self, py: Python<'py>, text: &str) -> PyResult<IdsAndPlaces<'py>> {
        let (ids, offsets) = py
            .detach(|| {
                let ids = self.inner.encode(text)?;
                let offsets = self.inner.offsets(&ids)?;
                Ok::<_, ebt_tokenizer::TokenizerError>((ids, offsets))
            })
            .map_err(raised)?;
        let places: Vec<[usize; 2]> = offsets.into_iter().map(|range| [range.start, range.end]).collect();
        let places = numpy::ndarray::Array2::from(places);
        Ok((ids.into_pyarray(py), places.into_pyarray(py)))
    }

    /// The text of ids; what is no UTF-8 becomes U+FFFD.
    fn decode(&self, ids: Vec<u32>) -> PyResult<String> {
        self.inner.decode(&ids).map_err(raised)
    }

    /// The bytes of ids.
    fn decode_bytes<'py>(&self, py: Python<'py>, ids: Vec<u32>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.inner.decode_bytes(&ids).map_err(raised)?))
    }

    /// The bytes of a token; none for a special one.
    fn token_bytes<'py>(&self, py: Python<'py>, id: u32) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.inner.token_bytes(id).ok_or_else(|| refused(format!("there is no token {id}")))?;
        Ok(PyBytes::new(py, bytes))
    }

    /// The token that stands before every text; None where there is none.
    #[getter]
    fn begin(&self) -> Option<u32> {
        self.inner.special(Special::Begin)
    }

    fn __len__(&self) -> usize {
        self.inner.vocabulary_size()
    }

    fn __repr__(&self) -> String {
        format!("<ebt.Tokenizer of {} tokens>", self.inner.vocabulary_size())
    }
}
