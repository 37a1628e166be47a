//! Boards that are the same up to the names of symbols and the order of rows and columns.

use ebt_core::random::Stream;

use super::board::Board;
use super::draws::Draws;
use super::grid::{Grid, Place};
use super::symbol::members;

/// A symmetry of a grid: new names for the symbols; another order of the bands of boxes, of the rows in a band, of the stacks
/// of boxes and of the columns in a stack; and, where boxes are square, rows and columns exchanged. It maps boards to boards
/// and their solutions to solutions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symmetry {
    grid: Grid,
    /// The new name of every symbol.
    symbols: Vec<u8>,
    /// For every cell the one whose content it takes.
    from: Vec<u16>,
}

impl Symmetry {
    /// Any symmetry of a grid, all alike; a pure function of the stream.
    pub fn new(grid: Grid, stream: Stream) -> Self {
        Self::draw(grid, &mut Draws::new(stream))
    }

    pub(crate) fn draw(grid: Grid, draws: &mut Draws) -> Self {
        let n = grid.symbols();
        let mut symbols: Vec<u8> = (0..n as u8).collect();
        draws.shuffle(&mut symbols);
        let rows = lines(n, grid.box_rows(), draws);
        let columns = lines(n, grid.box_columns(), draws);
        let exchanged = grid.transposes() && draws.below(2) == 1;
        let from = (0..grid.cells()).map(|cell| {
            let Place { row, column } = grid.place(cell);
            let (row, column) = (rows[row], columns[column]);
            grid.cell(if exchanged { Place { row: column, column: row } } else { Place { row, column } }) as u16
        });
        Self { grid, from: from.collect(), symbols }
    }

    /// The copy of a board of the same grid.
    pub fn board(&self, board: &Board) -> Board {
        let renamed = |set: u32| members(set).fold(0, |all, v| all | 1 << self.symbols[usize::from(v)]);
        let sets = self.from.iter().map(|&cell| renamed(board.allowed()[usize::from(cell)]));
        Board::of(self.grid, sets.collect())
    }

    /// The copy of an answer, which has a symbol of the grid for every cell.
    pub fn answer(&self, answer: &[u8]) -> Vec<u8> {
        self.from.iter().map(|&cell| self.symbols[usize::from(answer[usize::from(cell)])]).collect()
    }
}

/// An order of `n` lines in which those of a band stay together.
fn lines(n: usize, of_band: usize, draws: &mut Draws) -> Vec<usize> {
    let mut bands: Vec<usize> = (0..n / of_band).collect();
    draws.shuffle(&mut bands);
    let mut order = Vec::with_capacity(n);
    for band in bands {
        let first = order.len();
        order.extend(band * of_band..(band + 1) * of_band);
        draws.shuffle(&mut order[first..]);
    }
    order
}

/// A copy of a board by any symmetry of its grid, as [`Symmetry::new`] draws it.
pub fn symmetric(board: &Board, stream: Stream) -> Board {
    Symmetry::new(board.grid(), stream).board(board)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ebt_core::random::Purpose;
    use proptest::prelude::*;

    use super::super::board::tests::any_board;
    use super::super::contradiction::violations;
    use super::super::solve::solutions;
    use super::*;

    proptest! {
        #[test]
        fn copies_have_the_copies_of_the_solutions(board in any_board(), seed: u64) {
            let symmetry = Symmetry::new(board.grid(), Stream::new(seed, 0, Purpose::Test));
            let copy = symmetry.board(&board);
            prop_assert_eq!(copy.givens(), board.givens());
            let found = solutions(&board, 3, 300);
            for solution in &found.found {
                prop_assert_eq!(violations(&copy, &symmetry.answer(solution)), []);
            }
            let of_copy = solutions(&copy, 3, 300);
            prop_assert!(!found.complete || !of_copy.complete || found.found.len() == of_copy.found.len());
        }
    }

    /// The group of 4 x 4 has 2 (2!^3)^2 4! members, which act differently on a board without any symmetry of its own.
    #[test]
    fn every_symmetry_is_drawn() {
        let draw = |seed| Symmetry::new(Grid::FOUR, Stream::new(seed, 0, Purpose::Test));
        let all: HashSet<_> = (0..40_000).map(|seed| (draw(seed).symbols, draw(seed).from)).collect();
        assert_eq!(all.len(), 2 * 8 * 8 * 24);
        assert_eq!(draw(3), draw(3));
    }
}
