//! Python bindings of [`ebt`]: models, sessions, text, joint problems and tokenizers, with arrays of numpy.
//!
//! Everything computes with the global interpreter lock released, one call at a time an object; what goes wrong is
//! `ebt.EbtError`, a `ValueError` with the sentence of the library.

mod certificate;
mod error;
mod generator;
mod memory;
mod model;
mod restorer;
mod session;
mod settings;
mod solver;
mod tokenizer;

use pyo3::prelude::*;

/// Energy-based language models: the compiled part.
#[pymodule]
mod _ebt {
    #[pymodule_export]
    use super::certificate::Certificate;
    #[pymodule_export]
    use super::error::EbtError;
    #[pymodule_export]
    use super::generator::{Generator, Score, Suggestion, Token};
    #[pymodule_export]
    use super::model::Model;
    #[pymodule_export]
    use super::restorer::{Letter, Restorer};
    #[pymodule_export]
    use super::session::Session;
    #[pymodule_export]
    use super::solver::{Solution, Solver};
    #[pymodule_export]
    use super::tokenizer::Tokenizer;

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "the name that Python programs expect")]
    const __version__: &str = ebt::VERSION;
}
