//! What goes wrong, as an exception.

use pyo3::PyErr;
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;

create_exception!(ebt, EbtError, PyValueError, "What a model, a setting or a file is refused for, in a sentence.");

/// An exception with the sentence of an error and of its causes.
pub fn raised(error: impl Into<anyhow::Error>) -> PyErr {
    EbtError::new_err(format!("{:#}", error.into()))
}

/// An exception with a sentence.
pub fn refused(sentence: impl Into<String>) -> PyErr {
    EbtError::new_err(sentence.into())
}
