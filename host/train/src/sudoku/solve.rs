//! All solutions of a board.

use super::board::Board;
use super::search::{End, Search, lowest};

/// What a search for solutions has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solutions {
    /// Different solutions, each with the symbol of every cell.
    pub found: Vec<Vec<u8>>,
    /// Whether there are no others; false also where the search ended with the last of them.
    pub complete: bool,
    /// Choices tried.
    pub steps: u64,
}

/// Up to `limit` solutions of a board, found within `steps` choices. A board of 9 x 9 with one solution rarely takes more than
/// some hundred; among boards of 25 x 25 there are some for which no number in reach is enough.
pub fn solutions(board: &Board, limit: usize, steps: u64) -> Solutions {
    let mut found = Vec::new();
    let Some(mut search) = Search::of(board) else { return Solutions { found, complete: true, steps: 0 } };
    if limit == 0 {
        return Solutions { found, complete: false, steps: 0 };
    }
    let end = search.run(steps, &mut lowest, &mut |solution| {
        found.push(solution.to_vec());
        found.len() < limit
    });
    Solutions { found, complete: end == End::Complete, steps: search.steps }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::grid::Grid;
    use super::*;

    /// All full boards of 4 x 4, by trying every symbol in every cell in order.
    fn all_of_four() -> Vec<Vec<u8>> {
        let mut boards = vec![vec![]];
        for cell in 0..16 {
            let fits = |board: &Vec<u8>, v| {
                (0..cell).all(|other| {
                    let shared = Grid::FOUR.units_of(cell).iter().any(|unit| Grid::FOUR.units_of(other).contains(unit));
                    !shared || board[other] != v
                })
            };
            let grown = boards.iter().flat_map(|board| {
                (0..4).filter(move |&v| fits(board, v)).map(move |v| board.iter().copied().chain([v]).collect())
            });
            boards = grown.collect();
        }
        boards
    }

    #[test]
    fn there_are_288_boards_of_four() {
        let found = solutions(&Board::empty(Grid::FOUR), usize::MAX, u64::MAX);
        let mut sorted = found.found.clone();
        sorted.sort();
        assert!(found.complete);
        assert_eq!((sorted.len(), &sorted), (288, &all_of_four()));
        assert!(!solutions(&Board::empty(Grid::FOUR), 288, u64::MAX).complete, "it was not looked for another");
    }

    #[test]
    fn limits_are_kept() {
        let board = Board::empty(Grid::NINE);
        let (two, none) = (solutions(&board, 2, 1000), solutions(&board, 0, 1000));
        assert_eq!((two.found.len(), two.complete, none.found.len(), none.complete), (2, false, 0, false));
        let spent = solutions(&board, 2, 3);
        assert_eq!((spent.found.len(), spent.complete, spent.steps), (0, false, 3));
    }

    /// Boards of 17 givens, which are few, and of the kind for which people need more than forced moves.
    #[test]
    fn known_boards_of_nine_are_solved() {
        let boards = [
            "000000010400000000020000000000050407008000300001090000300400200050100000000806000",
            "800000000003600000070090200050007000000045700000100030001000068008500010090000400",
        ];
        let solved = [
            "693784512487512936125963874932651487568247391741398625319475268856129743274836159",
            "812753649943682175675491283154237896369845721287169534521974368438526917796318452",
        ];
        for (board, solution) in boards.into_iter().zip(solved) {
            let found = solutions(&super::super::read::board(Grid::NINE, board).unwrap(), 2, 10_000);
            assert!(found.complete, "{} steps", found.steps);
            let symbols: Vec<u8> = solution.bytes().map(|b| b - b'1').collect();
            assert_eq!(found.found, [symbols]);
        }
    }

    proptest! {
        #[test]
        fn the_search_finds_what_trying_everything_finds(sets in prop::collection::vec(1u32..16, 16)) {
            check_four(sets)?;
        }

        /// Sets around a full board, so that there is something to be found.
        #[test]
        fn also_where_there_are_solutions(which in 0usize..288, more in prop::collection::vec(0u32..16, 16)) {
            let full = &all_of_four()[which];
            check_four(more.iter().zip(full).map(|(set, v)| set & (set >> 2) | 1 << v).collect())?;
        }
    }

    fn check_four(sets: Vec<u32>) -> Result<(), TestCaseError> {
        let fits = |full: &Vec<u8>| full.iter().zip(&sets).all(|(v, set)| set >> v & 1 == 1);
        let expected: Vec<_> = all_of_four().into_iter().filter(fits).collect();
        let mut found = solutions(&Board::new(Grid::FOUR, sets.clone()).unwrap(), usize::MAX, u64::MAX);
        found.found.sort();
        prop_assert!(found.complete);
        prop_assert_eq!(found.found, expected);
        Ok(())
    }
}
