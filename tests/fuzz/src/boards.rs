//! Lines of boards. The first byte of an input says which grid they are of.

use ebt_train::sudoku::{Contradiction, Grid, check, read, violations};

const GRIDS: [Grid; 3] = [Grid::FOUR, Grid::SIX, Grid::NINE];

/// Choices after which an exact search gives a board up.
const CHOICES: u64 = 2000;

pub fn boards_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "12.. 3.1. .1.3 4..1\n{\"given\": \"12..3.1..1.34..1\", \"allowed\": {\"r1c3\": \"34\", \"15\": \"1\"}}\n",
        "..5.2. ...... 2..... .6.1.. 1...5. ...4.3\r\n\n{\"allowed\": [[\"12\", \".\", \"3\", \".\", \".\", \"456\"]]}\n",
        "\u{feff}53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79\n",
    ];
    texts.iter().enumerate().map(|(grid, text)| [&[grid as u8], text.as_bytes()].concat()).collect()
}

/// Reads boards. What is no board is refused in a sentence; what is one is judged, and an exact solution violates nothing.
pub fn boards(bytes: &[u8]) {
    let Some((&grid, bytes)) = bytes.split_first() else { return };
    let grid = GRIDS[usize::from(grid) % GRIDS.len()];
    for board in read::boards(grid, bytes).take(50) {
        let board = match board {
            Ok(board) => board,
            Err(wrong) => {
                assert!(wrong.to_string().contains("line ") && wrong.line > 0, "{wrong}");
                continue;
            }
        };
        assert_eq!((board.grid(), board.allowed().len()), (grid, grid.cells()));
        assert!(board.allowed().iter().all(|&set| set != 0 && set & !grid.all() == 0));
        match check(&board, CHOICES) {
            Ok(solution) => assert_eq!(violations(&board, &solution), []),
            Err(Contradiction::Ambiguous(two)) => {
                assert!(two[0] != two[1] && two.iter().all(|answer| violations(&board, answer).is_empty()));
            }
            Err(wrong) => assert!(!wrong.to_string().is_empty()),
        }
    }
}
