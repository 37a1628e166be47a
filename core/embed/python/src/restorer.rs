//! Damaged text in, restored text out.

use ebt::engine::descent::DescentOptions;
use ebt::{Damage, Restorer as Inner, SessionOptions};
use pyo3::prelude::*;

use crate::error::{raised, refused};
use crate::memory::{RestorerCell, Shared};
use crate::model::{Model, bytes_or};

/// Puts letters back into damaged text: the same bytes as the program `ebt restore`, C and JavaScript.
///
/// Restorer(model=None): without a model it is the one for text typed without Turkish letters.
#[pyclass(frozen, module = "ebt")]
pub struct Restorer {
    cell: Shared<RestorerCell>,
}

/// A character of a text: where it stands in bytes, what it was, what it is, how probable that is, and whether it was in doubt.
#[pyclass(frozen, get_all, module = "ebt")]
pub struct Letter {
    /// Where it stood, in bytes.
    at: usize,
    /// What stood there.
    was: char,
    /// What belongs there.
    #[pyo3(name = "is_")]
    is: char,
    /// How probable the model holds it.
    probability: f32,
    /// Whether anything else might have stood there.
    in_doubt: bool,
}

fn damage(name: &str) -> PyResult<Damage> {
    let found = Damage::ALL.iter().find(|(own, ..)| *own == name).map(|(.., damage)| *damage);
    let names: Vec<&str> = Damage::ALL.iter().map(|(name, ..)| *name).collect();
    found.ok_or_else(|| refused(format!("damage: must be one of {}", names.join(", "))))
}

impl Restorer {
    fn settled(&self, text: &str, damage: Damage) -> Result<(String, Vec<Letter>), ebt::Error> {
        let mut memory = vec![0; Inner::bytes_to_settle(text.len())];
        let (mut letters, mut pass, mut place) = (Vec::<Letter>::new(), 0, 0);
        let restored = self.cell.with(|restorer| {
            let put = &mut |number: usize, letter: ebt::Letter| {
                if number != pass {
                    (pass, place) = (number, 0);
                }
                if number == 0 {
                    let ebt::Letter { at, was, is, probability, in_doubt, .. } = letter;
                    letters.push(Letter { at, was, is, probability, in_doubt });
                } else if let Some(known) = letters.get_mut(place).filter(|_| letter.in_doubt) {
                    (known.is, known.probability) = (letter.is, letter.probability);
                }
                place += 1;
            };
            restorer.settle(text, damage, &DescentOptions::default(), &mut memory, put).map(str::to_owned)
        })?;
        Ok((restored, letters))
    }
}

#[pymethods]
impl Restorer {
    #[new]
    #[pyo3(signature = (model=None))]
    fn new(py: Python<'_>, model: Option<&Model>) -> PyResult<Self> {
        let bytes = bytes_or(model, Model::restore)?;
        let options = SessionOptions { rows: 1, ..SessionOptions::default() };
        py.detach(|| {
            let needed = Inner::bytes_needed(&bytes, &options).map_err(raised)?;
            let cell = Shared::new(bytes, needed, |model, memory| Ok(Inner::new(model, &options, memory)?))?;
            Ok(Self { cell })
        })
    }

    /// The restored text; line ends and all that may not be damaged stay.
    #[pyo3(signature = (text, damage="ascii"))]
    fn restore(&self, py: Python<'_>, text: &str, damage: &str) -> PyResult<String> {
        let damage = self::damage(damage)?;
        let lines = py.detach(|| {
            let lines = text.split_inclusive('\n').map(|line| self.settled(line, damage).map(|(text, _)| text));
            lines.collect::<Result<String, _>>()
        });
        lines.map_err(raised)
    }

    /// Every character of a line, with its probability.
    #[pyo3(signature = (line, damage="ascii"))]
    fn letters(&self, py: Python<'_>, line: &str, damage: &str) -> PyResult<Vec<Letter>> {
        let damage = self::damage(damage)?;
        Ok(py.detach(|| self.settled(line, damage)).map_err(raised)?.1)
    }
}
