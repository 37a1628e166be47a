//! A board as one stream of `T = N * N` positions over a vocabulary of `V = N` tokens, of which token `v` is symbol `v`
//! (`v + 1` as it is written).

use super::board::Board;
use super::grid::Grid;

/// A target where there is nothing to learn.
pub const NO_TARGET: u32 = u32::MAX;

/// The allowed tokens of every position: `V.div_ceil(32)` words a position, bit `v` of word `v / 32` for token `v`. A grid has
/// at most 25 symbols, so that is one word.
pub fn allowed_words(board: &Board) -> Vec<u32> {
    board.allowed().to_vec()
}

/// What is to be predicted at every position: the symbol of the solution, [`NO_TARGET`] where the cell is given.
pub fn targets(board: &Board, solution: &[u8]) -> Vec<u32> {
    let target = |(cell, &v): (usize, &u8)| if board.given(cell).is_some() { NO_TARGET } else { u32::from(v) };
    solution.iter().enumerate().map(target).collect()
}

/// How every query relates to every key, `(T, T)`: bit 0 for the same row, bit 1 for the same column, bit 2 for the same box; so
/// 7 is the cell itself, and 0 a cell that is not related.
pub fn relations(grid: Grid) -> Vec<u32> {
    let units: Vec<_> = (0..grid.cells()).map(|cell| grid.units_of(cell)).collect();
    let class = |query: &[usize; 3], key: &[usize; 3]| {
        (0..3).filter(|&kind| query[kind] == key[kind]).fold(0, |class, kind| class | 1 << kind)
    };
    units.iter().flat_map(|query| units.iter().map(move |key| class(query, key))).collect()
}

/// Which rows of a table of rows, columns and boxes, in this order, every position adds: `(T, 3)`.
pub fn positions(grid: Grid) -> Vec<u32> {
    (0..grid.cells()).flat_map(|cell| grid.units_of(cell).map(|unit| unit as u32)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::grid::tests::grids;
    use super::*;

    #[test]
    fn every_cell_is_itself_and_has_the_cells_of_its_units() {
        for grid in grids() {
            let (n, cells) = (grid.symbols(), grid.cells());
            let classes = relations(grid);
            for (query, row) in classes.chunks_exact(cells).enumerate() {
                let of = |bit: u32| row.iter().filter(|&&class| class >> bit & 1 == 1).count();
                assert_eq!([of(0), of(1), of(2)], [n; 3]);
                assert_eq!(row[query], 7);
                assert!(
                    (0..cells).all(|key| (row[key] == 7) == (key == query) && row[key] == classes[key * cells + query])
                );
            }
        }
        let row: String = relations(Grid::SIX)[..36].iter().map(|class| class.to_string()).collect();
        assert_eq!(row, "755111644000200000200000200000200000");
    }

    #[test]
    fn positions_count_on_from_rows_to_columns_to_boxes() {
        let table = positions(Grid::SIX);
        assert_eq!((table.len(), &table[..6], &table[105..]), (108, &[0, 6, 12, 0, 7, 12][..], &[5, 11, 17][..]));
    }

    #[test]
    fn only_unknown_cells_have_targets() {
        let mut sets = vec![15; 16];
        (sets[0], sets[1]) = (8, 5);
        let board = Board::new(Grid::FOUR, sets.clone()).unwrap();
        assert_eq!(allowed_words(&board), sets);
        let targets = targets(&board, &[3, 2, 0, 1, 0, 1, 2, 3, 1, 0, 3, 2, 2, 3, 1, 0]);
        assert_eq!(&targets[..4], [NO_TARGET, 2, 0, 1]);
    }
}
