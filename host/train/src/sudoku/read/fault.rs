//! What is wrong with a line, in sentences.

use std::error::Error;
use std::fmt;

use super::super::grid::{Grid, Place};
use super::super::symbol::{from_char, to_char};

/// A line of a file that is no board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// Where in a line something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// The line itself.
    Line,
    /// The field `given`.
    Given,
    /// The field `allowed`.
    Allowed,
    /// A row of the field `allowed`, from 0.
    Row(usize),
    /// The symbols that the field `allowed` has for a cell.
    Cell(Place),
}

/// Why a line is no board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not UTF-8.
    NotText,
    /// It begins like JSON and is none.
    NotJson {
        /// What the reader of JSON says.
        what: String,
        /// The byte at which it says so, from 1.
        byte: usize,
    },
    /// A character that stands neither for a symbol of the grid nor for an unknown cell.
    Character {
        /// Where it is met.
        within: Within,
        /// Its number there, from 1, spaces counted.
        column: usize,
        /// The character.
        found: char,
        /// The grid.
        grid: Grid,
    },
    /// Another number of cells than those of the grid.
    Length {
        /// Where they are.
        within: Within,
        /// Cells found.
        found: usize,
        /// The grid.
        grid: Grid,
    },
    /// A value of another kind than the one expected.
    Kind {
        /// Where it stands.
        within: Within,
        /// What it should be.
        expected: &'static str,
    },
    /// A field that boards do not have.
    Field(String),
    /// A key, or a cell by two keys, that was met before.
    Twice(String),
    /// A key of the field `allowed` that names no cell.
    Cell {
        /// The key.
        key: String,
        /// The grid.
        grid: Grid,
    },
    /// Another number of rows in the field `allowed`.
    Rows {
        /// Rows found.
        found: usize,
        /// The grid.
        grid: Grid,
    },
    /// Another number of cells in a row of the field `allowed`.
    Columns {
        /// The row, from 0.
        row: usize,
        /// Cells found.
        found: usize,
        /// The grid.
        grid: Grid,
    },
    /// A cell that is allowed no symbol.
    Empty(Place),
    /// A cell that is allowed a symbol twice.
    Again {
        /// The cell.
        place: Place,
        /// The symbol as it is written.
        found: char,
    },
    /// A cell with a given symbol that is not among those it is allowed.
    GivenNotAllowed {
        /// The cell.
        place: Place,
        /// The given symbol.
        given: u8,
    },
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line => f.write_str("the line"),
            Self::Given => f.write_str("`given`"),
            Self::Allowed => f.write_str("`allowed`"),
            Self::Row(row) => write!(f, "row {} of `allowed`", row + 1),
            Self::Cell(place) => write!(f, "what `allowed` has for {place}"),
        }
    }
}

/// A key in a sentence: escaped, and no longer than a line of text.
fn shown(key: &str) -> impl fmt::Display {
    let (start, more) = match key.char_indices().nth(40) {
        Some((at, _)) => (&key[..at], "..."),
        None => (key, ""),
    };
    fmt::from_fn(move |f| write!(f, "{start:?}{more}"))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = |grid: &Grid| to_char(grid.symbols() as u8 - 1);
        match self {
            Self::NotText => f.write_str("is not text in UTF-8"),
            Self::NotJson { what, byte } => write!(f, "is not JSON: {what}, at byte {byte}"),
            Self::Character { within, column, found, grid } => {
                write!(f, "character {column} of {within} is {found:?}: ")?;
                match (from_char(*found), within) {
                    (Some(_), _) => write!(f, "the symbols of {grid} are 1 to {}", last(grid)),
                    (None, Within::Cell(_)) => write!(f, "a symbol is one of 1 to {}", last(grid)),
                    (None, _) => {
                        write!(f, "a cell is a symbol from 1 to {}, or one of . 0 _ where it is not known", last(grid))
                    }
                }
            }
            Self::Length { within, found, grid } => {
                write!(f, "{within} has {found} cells, a board of {grid} has {}", grid.cells())
            }
            Self::Kind { within, expected } => write!(f, "{within} is not {expected}"),
            Self::Field(key) => write!(f, "there is no field {}: a board has `given` and `allowed`", shown(key)),
            Self::Twice(key) => write!(f, "{} is there twice", shown(key)),
            Self::Cell { key, grid } => write!(
                f,
                "{} in `allowed` is no cell of {grid}: cells are r1c1 to r{2}c{2}, or 0 to {1} in reading order",
                shown(key),
                grid.cells() - 1,
                grid.symbols()
            ),
            Self::Rows { found, grid } => {
                write!(f, "`allowed` has {found} rows, a board of {grid} has {}", grid.symbols())
            }
            Self::Columns { row, found, grid } => {
                write!(f, "{} has {found} cells, a board of {grid} has {}", Within::Row(*row), grid.symbols())
            }
            Self::Empty(place) => write!(f, "`allowed` has no symbol for {place}"),
            Self::Again { place, found } => write!(f, "`allowed` has {found} twice for {place}"),
            Self::GivenNotAllowed { place, given } => {
                write!(f, "{place} is given {}, which `allowed` does not have for it", to_char(*given))
            }
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, fault } = self;
        // these two speak about the line itself
        let colon = if matches!(fault, Fault::NotText | Fault::NotJson { .. }) { "" } else { ":" };
        write!(f, "line {line}{colon} {fault}")
    }
}

impl Error for Fault {}

impl Error for ReadError {}
