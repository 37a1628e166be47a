//! What is wrong with a board, and with an answer to it.

use std::error::Error;
use std::fmt;

use super::board::Board;
use super::grid::{Grid, Place, Unit};
use super::search::{End, Search, State, lowest};
use super::symbol::{list, to_char};

/// A symbol that two cells of a unit hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// The unit.
    pub unit: Unit,
    /// The symbol.
    pub symbol: u8,
    /// The two cells, the first before the second.
    pub places: [Place; 2],
}

/// Why a board has not exactly one solution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Two given cells contradict each other.
    Repeat(Repeat),
    /// A cell has no possible symbol once `filled` cells hold what is forced.
    NoSymbol {
        /// The cell.
        place: Place,
        /// Cells that are not given and were filled before it was seen.
        filled: usize,
    },
    /// A unit has no place for a symbol once `filled` cells hold what is forced.
    NoPlace {
        /// The unit.
        unit: Unit,
        /// The symbol.
        symbol: u8,
        /// Cells that are not given and were filled before it was seen.
        filled: usize,
    },
    /// Nothing is wrong at once, but every choice was tried and none leads to a solution.
    NoSolution,
    /// There is more than one solution; these are two.
    Ambiguous([Vec<u8>; 2]),
    /// This many choices were tried, which did not decide whether there is exactly one solution.
    Undecided(u64),
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// It has another number of symbols than the board has cells.
    Length {
        /// Symbols found.
        found: usize,
        /// Cells of the board.
        expected: usize,
    },
    /// A cell holds what the board does not allow there.
    NotAllowed {
        /// The cell.
        place: Place,
        /// What it holds.
        symbol: u8,
    },
    /// A unit holds a symbol twice.
    Repeat(Repeat),
}

impl Violation {
    /// The cells that it is about.
    pub fn places(&self) -> &[Place] {
        match self {
            Self::Length { .. } => &[],
            Self::NotAllowed { place, .. } => std::slice::from_ref(place),
            Self::Repeat(repeat) => &repeat.places,
        }
    }
}

/// The one solution of a board, as the symbol of every cell, found within `steps` choices (1,000,000 take less than a second on 9 x 9).
///
/// # Errors
///
/// What contradicts what: the first that is found of the kinds of [`Contradiction`], in their order.
pub fn check(board: &Board, steps: u64) -> Result<Vec<u8>, Contradiction> {
    let grid = board.grid();
    let givens: Vec<_> = (0..grid.cells()).map(|cell| board.given(cell)).collect();
    let repeat = repeats(grid, &givens).into_iter().next();
    let mut search = match (repeat, Search::of(board)) {
        (Some(repeat), _) => return Err(Contradiction::Repeat(repeat)),
        (None, Some(search)) => search,
        // the search refuses repeated givens only
        (None, None) => return Err(Contradiction::NoSolution),
    };
    let empty = search.empty();
    let mut forced = search.clone();
    let state = forced.force();
    let filled = empty - forced.empty();
    match state {
        State::NoSymbol(cell) => return Err(Contradiction::NoSymbol { place: grid.place(cell), filled }),
        State::NoPlace(unit, symbol) => {
            return Err(Contradiction::NoPlace { unit: grid.unit(unit), symbol, filled });
        }
        State::Full | State::Open(_) => {}
    }
    let mut found: Vec<Vec<u8>> = Vec::new();
    let end = search.run(steps, &mut lowest, &mut |solution| {
        found.push(solution.to_vec());
        found.len() < 2
    });
    match (found.pop(), found.pop(), end) {
        (Some(second), Some(first), _) => Err(Contradiction::Ambiguous([first, second])),
        (_, _, End::Spent) => Err(Contradiction::Undecided(search.steps)),
        (Some(solution), None, _) => Ok(solution),
        (None, ..) => Err(Contradiction::NoSolution),
    }
}

/// Everything that is wrong with an answer, which has the symbol of every cell; nothing if it is a solution.
pub fn violations(board: &Board, answer: &[u8]) -> Vec<Violation> {
    let grid = board.grid();
    if answer.len() != grid.cells() {
        return vec![Violation::Length { found: answer.len(), expected: grid.cells() }];
    }
    let allows = |cell: usize, symbol: u8| symbol < 32 && board.allowed()[cell] >> symbol & 1 == 1;
    let wrong = answer.iter().enumerate().filter(|&(cell, &symbol)| !allows(cell, symbol));
    let wrong = wrong.map(|(cell, &symbol)| Violation::NotAllowed { place: grid.place(cell), symbol });
    let held: Vec<_> = answer.iter().map(|&v| Some(v).filter(|&v| usize::from(v) < grid.symbols())).collect();
    wrong.chain(repeats(grid, &held).into_iter().map(Violation::Repeat)).collect()
}

/// Every symbol that a cell has in common with an earlier cell of a unit, with the first such cell.
fn repeats(grid: Grid, held: &[Option<u8>]) -> Vec<Repeat> {
    let mut all = Vec::new();
    for unit in 0..3 * grid.symbols() {
        let mut first = vec![None; grid.symbols()];
        for cell in grid.cells_of(unit) {
            let Some(symbol) = held[cell] else { continue };
            match first[usize::from(symbol)] {
                None => first[usize::from(symbol)] = Some(cell),
                Some(earlier) => {
                    let places = [earlier, cell].map(|cell| grid.place(cell));
                    all.push(Repeat { unit: grid.unit(unit), symbol, places });
                }
            }
        }
    }
    all
}

impl fmt::Display for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unit, symbol, places: [a, b] } = self;
        write!(f, "{unit} has {} twice, in ", to_char(*symbol))?;
        match unit {
            Unit::Row(_) => write!(f, "columns {} and {}", a.column + 1, b.column + 1),
            Unit::Column(_) => write!(f, "rows {} and {}", a.row + 1, b.row + 1),
            Unit::Box(_) => write!(f, "{a} and in {b}"),
        }
    }
}

/// When something was seen that is not so at once.
fn after(filled: usize) -> impl fmt::Display {
    fmt::from_fn(move |f| match filled {
        0 => Ok(()),
        1 => f.write_str(" once another cell is filled as it must be"),
        _ => write!(f, " once {filled} other cells are filled as they must be"),
    })
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeat(repeat) => repeat.fmt(f),
            Self::NoSymbol { place, filled } => write!(f, "{place} has no possible symbol{}", after(*filled)),
            Self::NoPlace { unit, symbol, filled } => {
                write!(f, "{unit} has no place for {}{}", to_char(*symbol), after(*filled))
            }
            Self::NoSolution => f.write_str("the board has no solution: every choice was tried"),
            Self::Ambiguous(both) => {
                let [a, b] = both.each_ref().map(|solution| list(solution.iter().copied()));
                write!(f, "the board has more than one solution, among them {a} and {b}")
            }
            Self::Undecided(steps) => {
                write!(f, "{steps} choices did not decide whether the board has exactly one solution")
            }
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found, expected } => write!(f, "the answer has {found} symbols for {expected} cells"),
            Self::NotAllowed { place, symbol } => write!(f, "{place} may not hold {}", to_char(*symbol)),
            Self::Repeat(repeat) => repeat.fmt(f),
        }
    }
}

impl Error for Contradiction {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::board::tests::any_board;
    use super::super::solve::solutions;
    use super::*;

    fn four(line: &str) -> Board {
        super::super::read::board(Grid::FOUR, line).unwrap()
    }

    #[test]
    fn every_kind_is_said_in_a_sentence() {
        let said = |line: &str| check(&four(line), 100).unwrap_err().to_string();
        assert_eq!(said("..1...1........."), "column 3 has 1 twice, in rows 1 and 2");
        assert_eq!(said("3..3............"), "row 1 has 3 twice, in columns 1 and 4");
        assert_eq!(said("2....2.........."), "box 1 has 2 twice, in row 1, column 1 and in row 2, column 2");
        assert_eq!(said("123....4........"), "row 1, column 4 has no possible symbol");
        assert_eq!(said("1.....2....1...."), "row 2 has no place for 1");
        assert_eq!(
            said("..4.23.....4...."),
            "row 1, column 2 has no possible symbol once another cell is filled as it must be"
        );
        assert_eq!(said("..2.2.4.....42.."), "row 3 has no place for 4 once 2 other cells are filled as they must be");
        let six = super::super::read::board(Grid::SIX, ".6.2......3...4..5.5..1..215..6.5...").unwrap();
        assert_eq!(check(&six, 100).unwrap_err().to_string(), "the board has no solution: every choice was tried");
        assert!(said("................").starts_with("the board has more than one solution, among them 1234"));
        let undecided = check(&Board::empty(Grid::NINE), 2).unwrap_err();
        assert_eq!(undecided.to_string(), "2 choices did not decide whether the board has exactly one solution");
    }

    #[test]
    fn everything_wrong_with_an_answer_is_said() {
        let board = four("1...............");
        let said = |answer: &[u8]| violations(&board, answer).iter().map(|v| v.to_string()).collect::<Vec<_>>();
        assert_eq!(said(&[0, 1, 2, 3, 2, 3, 0, 1, 1, 0, 3, 2, 3, 2, 1, 0]), [""; 0]);
        assert_eq!(said(&[0; 3]), ["the answer has 3 symbols for 16 cells"]);
        assert_eq!(
            said(&[1, 1, 2, 3, 2, 3, 0, 1, 1, 0, 3, 2, 3, 2, 1, 4]),
            [
                "row 1, column 1 may not hold 2",
                "row 4, column 4 may not hold 5",
                "row 1 has 2 twice, in columns 1 and 2",
                "column 1 has 2 twice, in rows 1 and 3",
                "box 1 has 2 twice, in row 1, column 1 and in row 1, column 2",
            ]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
        #[test]
        fn the_check_says_what_the_search_finds(board in any_board()) {
            let found = solutions(&board, 2, 500);
            match check(&board, 500) {
                Ok(solution) => {
                    prop_assert!(violations(&board, &solution).is_empty());
                    prop_assert_eq!(found.found, [solution]);
                }
                Err(Contradiction::Ambiguous(both)) => prop_assert_eq!(found.found, both),
                Err(Contradiction::Undecided(steps)) => prop_assert!(steps == 500 && !found.complete),
                Err(error) => prop_assert!(found.complete && found.found.is_empty(), "{}", error),
            }
        }

        #[test]
        fn any_answer_is_judged(board in any_board(), answer: Vec<u8>, more: u8) {
            let long: Vec<u8> = (0..board.grid().cells()).map(|i| answer.get(i).copied().unwrap_or(more)).collect();
            for answer in [&answer, &long] {
                for violation in violations(&board, answer) {
                    prop_assert!(!violation.to_string().is_empty());
                }
            }
        }
    }
}
