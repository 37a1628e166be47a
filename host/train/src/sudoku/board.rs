//! Which symbols the cells of a board may hold.

use std::error::Error;
use std::fmt;

use super::grid::{Grid, Place};
use super::symbol::{list, members, only, to_char};

/// For every cell of a grid a set of allowed symbols that is not empty. A cell is *given* where its set holds one symbol, *free*
/// where it holds all, else *restricted*.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Board {
    grid: Grid,
    allowed: Vec<u32>,
}

/// Why sets are no board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoardError {
    /// Another number of sets than of cells.
    Length {
        /// Sets found.
        found: usize,
        /// Cells of the grid.
        expected: usize,
    },
    /// A cell without any allowed symbol.
    Empty(Place),
    /// A cell whose set holds something that is no symbol of the grid.
    Symbol(Place),
}

impl Board {
    /// The board with these sets, one a cell.
    ///
    /// # Errors
    ///
    /// Another number of sets than of cells; a set that is empty or holds what is no symbol of the grid.
    pub fn new(grid: Grid, allowed: Vec<u32>) -> Result<Self, BoardError> {
        if allowed.len() != grid.cells() {
            return Err(BoardError::Length { found: allowed.len(), expected: grid.cells() });
        }
        let at = |wrong: &dyn Fn(u32) -> bool| allowed.iter().position(|&set| wrong(set)).map(|cell| grid.place(cell));
        if let Some(place) = at(&|set| set == 0) {
            return Err(BoardError::Empty(place));
        }
        if let Some(place) = at(&|set| set & !grid.all() != 0) {
            return Err(BoardError::Symbol(place));
        }
        Ok(Self { grid, allowed })
    }

    /// The board with sets that are known to be right.
    pub(crate) fn of(grid: Grid, allowed: Vec<u32>) -> Self {
        Self { grid, allowed }
    }

    /// The board on which every cell is free.
    pub fn empty(grid: Grid) -> Self {
        Self { grid, allowed: vec![grid.all(); grid.cells()] }
    }

    /// Its shape.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// The set of every cell.
    pub fn allowed(&self) -> &[u32] {
        &self.allowed
    }

    /// The symbol of a given cell.
    pub fn given(&self, cell: usize) -> Option<u8> {
        only(self.allowed[cell])
    }

    /// Number of given cells.
    pub fn givens(&self) -> usize {
        self.allowed.iter().filter(|set| set.is_power_of_two()).count()
    }
}

/// As [`read`](super::read) reads it: a line of text, or of JSON where cells are restricted.
impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line =
            fmt::from_fn(|f| self.allowed.iter().try_for_each(|&set| write!(f, "{}", only(set).map_or('.', to_char))));
        let free = |set: u32| set == self.grid.all();
        let mut restricted =
            self.allowed.iter().enumerate().filter(|(_, set)| !set.is_power_of_two() && !free(**set)).peekable();
        if restricted.peek().is_none() {
            return line.fmt(f);
        }
        write!(f, r#"{{"given": "{line}", "allowed": {{"#)?;
        for (number, (cell, &set)) in restricted.enumerate() {
            let (Place { row, column }, comma) = (self.grid.place(cell), if number == 0 { "" } else { ", " });
            write!(f, r#"{comma}"r{}c{}": "{}""#, row + 1, column + 1, list(members(set).collect::<Vec<_>>()))?;
        }
        f.write_str("}}")
    }
}

impl fmt::Display for BoardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found, expected } => write!(f, "{found} sets of symbols for {expected} cells"),
            Self::Empty(place) => write!(f, "{place} allows no symbol"),
            Self::Symbol(place) => write!(f, "{place} allows what is no symbol of the grid"),
        }
    }
}

impl Error for BoardError {}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::grid::tests::grids;
    use super::*;

    /// Any board: about a third of its cells given, restricted and free each.
    pub fn any_board() -> impl Strategy<Value = Board> {
        let set = |all: u32| prop_oneof![Just(all), (0..all.count_ones()).prop_map(|v| 1 << v), 1..=all];
        prop::sample::select(grids().collect::<Vec<_>>()).prop_flat_map(move |grid| {
            prop::collection::vec(set(grid.all()), grid.cells()).prop_map(move |sets| Board::new(grid, sets).unwrap())
        })
    }

    #[test]
    fn sets_that_are_no_board_are_refused() {
        let with = |cell: usize, set| {
            let mut sets = vec![15; 16];
            sets[cell] = set;
            Board::new(Grid::FOUR, sets).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(with(5, 0).unwrap_err(), "row 2, column 2 allows no symbol");
        assert_eq!(with(15, 16).unwrap_err(), "row 4, column 4 allows what is no symbol of the grid");
        assert_eq!(Board::new(Grid::FOUR, vec![1]), Err(BoardError::Length { found: 1, expected: 16 }));
        assert_eq!(with(0, 1), Ok(()));
    }

    #[test]
    fn a_board_with_restricted_cells_is_a_line_of_json() {
        let mut sets = vec![15; 16];
        (sets[0], sets[5], sets[6]) = (4, 3, 14);
        let board = Board::new(Grid::FOUR, sets).unwrap();
        assert_eq!(board.to_string(), r#"{"given": "3...............", "allowed": {"r2c2": "12", "r2c3": "234"}}"#);
        assert_eq!(Board::empty(Grid::FOUR).to_string(), "................");
    }
}
