//! Text continued token by token.

use std::ops::ControlFlow;

use ebt::engine::SessionOptions;
use ebt::engine::descent::{DescentOptions, Sampling};
use ebt::{Generator as Inner, Options, Settings};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::certificate::Certificate;
use crate::error::raised;
use crate::memory::{GeneratorCell, Shared};
use crate::model::{Model, bytes_or};
use crate::session::values;
use crate::settings::{settings, storage};

/// Continues a text: the same tokens from the same seed as the program `ebt generate`, C and JavaScript.
///
/// Generator(model=None, *, candidates=1, steps=32, prompt=4096, curvature=False): the most candidates and descent steps of a token,
/// and the most bytes of a prompt.
#[pyclass(frozen, module = "ebt")]
pub struct Generator {
    cell: Shared<GeneratorCell>,
}

/// A generated token.
#[pyclass(frozen, module = "ebt")]
pub struct Token {
    /// Its number in the tokenizer.
    #[pyo3(get)]
    id: u32,
    /// The characters that it completes.
    #[pyo3(get)]
    text: String,
    bytes: Vec<u8>,
    /// Its probability among the tokens that could be drawn.
    #[pyo3(get)]
    probability: f32,
    /// How it was found.
    #[pyo3(get)]
    certificate: Py<Certificate>,
}

#[pymethods]
impl Token {
    /// Its bytes, which may begin or end inside a character.
    #[getter]
    fn bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.bytes)
    }

    fn __repr__(&self) -> String {
        format!("<ebt.Token {} {:?}, probability {:.3}>", self.id, self.text, self.probability)
    }
}

/// What a text took: bits of its tokens (n), their ids (n), where they stand in bytes (n), and of all.
#[pyclass(frozen, module = "ebt")]
pub struct Score {
    ids: Vec<u32>,
    at: Vec<usize>,
    bits: Vec<f32>,
    sum: f64,
    /// Bytes of the text.
    #[pyo3(get)]
    bytes: usize,
}

#[pymethods]
impl Score {
    /// Ids of the tokens (n).
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        self.ids.clone().into_pyarray(py)
    }

    /// Where their bytes begin (n).
    #[getter]
    fn at<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<usize>> {
        self.at.clone().into_pyarray(py)
    }

    /// Bits of every token (n): minus the binary logarithm of its probability.
    #[getter]
    fn bits<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        self.bits.clone().into_pyarray(py)
    }

    /// Bits of all tokens.
    #[getter]
    fn total(&self) -> f64 {
        self.sum
    }

    /// Bits of a byte; None of an empty text.
    #[getter]
    fn bits_per_byte(&self) -> Option<f64> {
        (self.bytes > 0).then(|| self.sum / self.bytes as f64)
    }

    fn __repr__(&self) -> String {
        format!("<ebt.Score {:.1} bits, {} tokens, {} bytes>", self.sum, self.ids.len(), self.bytes)
    }
}

/// A way to finish a text.
#[pyclass(frozen, get_all, module = "ebt")]
pub struct Suggestion {
    /// The word: what was typed of it, and its ending.
    word: String,
    /// What comes behind the text; nothing where its last word is complete.
    ending: String,
    /// The probability that the text goes on so and that its word ends there.
    probability: f32,
}

#[pymethods]
impl Suggestion {
    fn __repr__(&self) -> String {
        format!("<ebt.Suggestion {:?}, probability {:.3}>", self.word, self.probability)
    }
}

/// A token before it is one of Python's.
struct Found {
    id: u32,
    text: String,
    bytes: Vec<u8>,
    probability: f32,
    certificate: Certificate,
}

impl Found {
    fn told(self, py: Python<'_>) -> PyResult<Token> {
        let Self { id, text, bytes, probability, certificate } = self;
        Ok(Token { id, text, bytes, probability, certificate: Py::new(py, certificate)? })
    }
}

fn next(generator: &mut Inner<'_, '_>, settings: &Settings) -> Result<Option<Found>, ebt::Error> {
    let token = generator.next(settings, &mut |_| ControlFlow::Continue(()))?;
    Ok(token.map(|token| Found {
        id: token.id,
        text: token.text.to_string(),
        bytes: token.bytes.to_vec(),
        probability: token.probability,
        certificate: token.certificate.into(),
    }))
}

fn asked(given: Option<&Bound<'_, PyDict>>) -> PyResult<Settings> {
    let mut sampling = Sampling::default();
    let think = settings(given, DescentOptions::default(), Some(&mut sampling))?;
    sampling.validate().map_err(raised)?;
    Ok(Settings { think, sampling })
}

#[pymethods]
impl Generator {
    #[new]
    #[pyo3(signature = (model=None, *, candidates=1, steps=32, prompt=4096, curvature=false, cache="f32"))]
    fn new(
        py: Python<'_>,
        model: Option<&Model>,
        candidates: usize,
        steps: usize,
        prompt: usize,
        curvature: bool,
        cache: &str,
    ) -> PyResult<Self> {
        let bytes = bytes_or(model, Model::sample)?;
        let session =
            SessionOptions { rows: candidates, steps, curvature, cache: storage(cache)?, ..SessionOptions::default() };
        let options = Options { session, prompt };
        py.detach(|| {
            let needed = Inner::bytes_needed(&bytes, &options).map_err(raised)?;
            let cell = Shared::new(bytes, needed, |model, memory| Ok(Inner::new(model, &options, memory)?))?;
            Ok(Self { cell })
        })
    }

    /// Back to the beginning of an empty text.
    fn reset(&self) {
        self.cell.with(|generator| generator.reset());
    }

    /// Adds text to the text so far.
    fn prompt(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        py.detach(|| self.cell.with(|generator| generator.prompt(text))).map_err(raised)
    }

    /// Thinks of the next token and draws it; None when the model ended the text. Settings are those of `Session.think`, and
    /// temperature=1, top_k=0, top_p=1, min_p=0.
    #[pyo3(signature = (**given))]
    fn next(&self, py: Python<'_>, given: Option<&Bound<'_, PyDict>>) -> PyResult<Option<Token>> {
        let settings = asked(given)?;
        let found = py.detach(|| self.cell.with(|generator| next(generator, &settings))).map_err(raised)?;
        found.map(|found| found.told(py)).transpose()
    }

    /// Starts anew with a prompt, and continues it by at most so many tokens: a list of them. Settings as in `next`.
    #[pyo3(signature = (prompt, tokens=60, **given))]
    fn generate(
        &self,
        py: Python<'_>,
        prompt: &str,
        tokens: usize,
        given: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Vec<Token>> {
        let settings = asked(given)?;
        let mut all = Vec::new();
        py.detach(|| {
            self.cell.with(|generator| {
                generator.reset();
                generator.prompt(prompt)
            })
        })
        .map_err(raised)?;
        for _ in 0..tokens {
            py.check_signals()?;
            let found = py.detach(|| self.cell.with(|generator| next(generator, &settings))).map_err(raised)?;
            let Some(found) = found else { break };
            all.push(found.told(py)?);
        }
        Ok(all)
    }

    /// Adds text of any length to the text so far, and says what it took: the bits of every token. Settings are those of `Session.think`.
    #[pyo3(signature = (text, **given))]
    fn score(&self, py: Python<'_>, text: &str, given: Option<&Bound<'_, PyDict>>) -> PyResult<Score> {
        let think = settings(given, DescentOptions::default(), None)?;
        let mut each = Score { ids: Vec::new(), at: Vec::new(), bits: Vec::new(), sum: 0.0, bytes: 0 };
        let put = &mut |scored: ebt::Scored<'_>| {
            each.ids.push(scored.id);
            each.at.push(scored.at);
            each.bits.push(scored.bits);
        };
        let whole = py.detach(|| self.cell.with(|generator| generator.score(text, &think, put))).map_err(raised)?;
        Ok(Score { sum: whole.bits, bytes: whole.bytes, ..each })
    }

    /// The front of a text whose tokens are the same whatever follows the text: what is prompted before `suggest`.
    fn finished(&self, text: &str) -> String {
        let length = self.cell.with(|generator| generator.tokenizer().finished(text));
        text.get(..length).unwrap_or_default().to_owned()
    }

    /// The likeliest ways to go on, after the text so far and `text`, to the end of the word that `text` ends in, or by a whole word
    /// where it ends in none. The text so far stays as it is. Settings are those of `Session.think`.
    #[pyo3(signature = (text, words=5, *, evaluations=64, paths=256, longest=64, least=1.0, **given))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn suggest(
        &self,
        py: Python<'_>,
        text: &str,
        words: usize,
        evaluations: usize,
        paths: usize,
        longest: usize,
        least: f32,
        given: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Vec<Suggestion>> {
        let think = settings(given, DescentOptions::default(), None)?;
        let options = ebt::SuggestOptions { words, evaluations, paths, bytes: longest, least };
        let mut memory = vec![0u32; options.bytes_needed().map_err(raised)?.div_ceil(4)];
        let typed = text.get(ebt::word_start(text)..).unwrap_or_default();
        let mut all = Vec::new();
        py.detach(|| {
            self.cell.with(|generator| {
                generator.suggest(text, &think, &options, bytemuck::cast_slice_mut(&mut memory), &mut |suggestion| {
                    let ending = suggestion.ending.to_owned();
                    let word = format!("{typed}{ending}").trim_start().to_owned();
                    all.push(Suggestion { word, ending, probability: suggestion.probability });
                })
            })
        })
        .map_err(raised)?;
        Ok(all)
    }

    /// Energies (n) on a landscape of distributions (n, V) of the token that the last `next` found.
    #[pyo3(signature = (p, landscape=0))]
    fn energies<'py>(
        &self,
        py: Python<'py>,
        p: PyReadonlyArray2<'py, f32>,
        landscape: usize,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let rows = p.as_array().nrows();
        let p = values(&p)?;
        let mut energies = vec![0.0; rows];
        py.detach(|| self.cell.with(|generator| generator.energies(landscape, p, &mut energies))).map_err(raised)?;
        Ok(energies.into_pyarray(py))
    }

    /// Tokens of the text so far, the one that begins it included.
    #[getter]
    fn position(&self) -> u64 {
        self.cell.with(|generator| generator.position())
    }

    /// What is left of the text when no token follows: U+FFFD if it ended inside a character.
    fn finish(&self) -> &'static str {
        self.cell.with(|generator| generator.finish())
    }
}
