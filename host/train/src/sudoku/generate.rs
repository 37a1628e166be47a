//! Boards with exactly one solution, drawn by number.

use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;

use ebt_core::random::{Purpose, Stream};

use super::board::Board;
use super::draws::Draws;
use super::grid::Grid;
use super::part::Part;
use super::search::{End, Search, lowest};
use super::symmetry::Symmetry;

/// Choices after which a given cell is kept, since it is not known that the others determine it.
const STEPS_A_CELL: u64 = 200;
/// Choices, each times the number of cells, after which a board is given up: some seconds.
const WORK: u64 = 400_000_000;
/// How often a full board is begun anew, and how many choices a cell each try has.
const TRIES: u64 = 4;
const STEPS_OF_FULL: u64 = 4;

/// A board and its one solution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Puzzle {
    /// The board; every cell is given or free.
    pub board: Board,
    /// The symbol of every cell.
    pub solution: Vec<u8>,
}

/// Draws boards of one kind. Board number `i` is a pure function of the seed, the kind and `i`, so any thread and any rank may
/// make any of them, and a run that is resumed goes on with the next number. Boards of another seed, range of givens or part
/// have nothing to do with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generator {
    grid: Grid,
    givens: RangeInclusive<usize>,
    part: Part,
    /// Mixed from the seed and the kind.
    key: u64,
}

/// Why there is no such board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GenerateError {
    /// No board of this grid with one solution can have such a number of givens.
    Givens {
        /// The range asked for.
        givens: RangeInclusive<usize>,
        /// The grid.
        grid: Grid,
    },
    /// Boards with such a number of givens in this part are too rare to be found by chance.
    Rare {
        /// The range asked for.
        givens: RangeInclusive<usize>,
        /// The part asked for.
        part: Part,
        /// The number of the board.
        number: u64,
        /// Full boards that were tried.
        tries: u64,
    },
}

impl Generator {
    /// Boards of a grid with a number of givens in the range, of one part.
    ///
    /// # Errors
    ///
    /// The range is empty, ends below `N - 1` givens (which leave two symbols alike), or begins above the number of cells.
    pub fn new(grid: Grid, givens: RangeInclusive<usize>, part: Part, seed: u64) -> Result<Self, GenerateError> {
        let (lo, hi) = (*givens.start(), *givens.end());
        if lo > hi || hi < grid.symbols() - 1 || lo > grid.cells() {
            return Err(GenerateError::Givens { givens, grid });
        }
        let range = (lo as u32) << 16 | hi.min(grid.cells()) as u32;
        let kind = u16::from(part == Part::Test) << 12 | (grid.box_rows() << 6 | grid.box_columns()) as u16;
        // the last block: no board number has its stream reach it
        let [a, b, ..] = Stream::new(seed, range, Purpose::Puzzle).detail(kind).block(u64::MAX);
        Ok(Self { grid, givens, part, key: u64::from(a) | u64::from(b) << 32 })
    }

    /// The grid of all its boards.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// Board number `number`.
    ///
    /// A full board is drawn and its cells are emptied in random order as long as one solution is left, down to a number of
    /// givens drawn from the range. Where that number is rarely reached, the numbers above it are met more often than it. Every
    /// symmetric copy of a full board is drawn as often as the full board.
    ///
    /// # Errors
    ///
    /// The range holds only numbers of givens that chance does not find; the next number may do.
    pub fn board(&self, number: u64) -> Result<Puzzle, GenerateError> {
        let (step, detail) = (number as u32, (number >> 32) as u16);
        let mut draws = Draws::new(Stream::new(self.key ^ number >> 48, step, Purpose::Puzzle).detail(detail));
        let (mut work, mut tries) = (0, 0);
        while work < WORK / self.grid.cells() as u64 {
            tries += 1;
            let solution = self.full(&mut draws, &mut work);
            let puzzle = self.emptied(solution, &mut draws, &mut work);
            if self.givens.contains(&puzzle.board.givens()) && Part::of(&puzzle.board) == self.part {
                return Ok(puzzle);
            }
        }
        Err(GenerateError::Rare { givens: self.givens.clone(), part: self.part, number, tries })
    }

    /// A full board: found by a search that chooses at random, then copied by a random symmetry. On large grids some searches
    /// go astray; after a few the symmetry is of the board whose rows are shifted copies of one.
    fn full(&self, draws: &mut Draws, work: &mut u64) -> Vec<u8> {
        let (grid, mut full) = (self.grid, None);
        for _ in 0..TRIES {
            let mut copy = |solution: &[u8]| {
                full = Some(solution.to_vec());
                false
            };
            let limit = STEPS_OF_FULL * grid.cells() as u64;
            let mut search = Search::new(grid);
            search.run(limit, &mut |set| draws.member(set), &mut copy);
            *work += search.steps;
            if full.is_some() {
                break;
            }
        }
        let shifted = || {
            let shift = |row: usize| grid.box_columns() * (row % grid.box_rows()) + row / grid.box_rows();
            let symbol = |cell| (shift(grid.place(cell).row) + grid.place(cell).column) % grid.symbols();
            (0..grid.cells()).map(|cell| symbol(cell) as u8).collect()
        };
        Symmetry::draw(grid, draws).answer(&full.unwrap_or_else(shifted))
    }

    /// A board with this solution and no other, with as many givens as are drawn, or more.
    fn emptied(&self, solution: Vec<u8>, draws: &mut Draws, work: &mut u64) -> Puzzle {
        let grid = self.grid;
        let (lo, hi) = (*self.givens.start(), (*self.givens.end()).min(grid.cells()));
        let wanted = lo + draws.below(hi - lo + 1);
        let mut order: Vec<usize> = (0..grid.cells()).collect();
        draws.shuffle(&mut order);
        let mut search = Search::solved(grid, &solution);
        for cell in order {
            if grid.cells() - search.empty() <= wanted {
                break;
            }
            // the solution is the only one as long as no other has another symbol here
            let symbol = 1 << solution[cell];
            search.reopen(cell, grid.all() & !symbol);
            let end = search.run(STEPS_A_CELL, &mut lowest, &mut |_| false);
            *work += search.steps + 1;
            search.allow(cell, grid.all());
            if end != End::Complete {
                search.close(cell, symbol);
            }
        }
        let mut sets = vec![grid.all(); grid.cells()];
        for &cell in search.filled() {
            sets[usize::from(cell)] = 1 << solution[usize::from(cell)];
        }
        Puzzle { board: Board::of(grid, sets), solution }
    }
}

impl fmt::Display for GenerateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Givens { givens, grid } => {
                let (lo, hi, most) = (givens.start(), givens.end(), grid.cells());
                let least = grid.symbols() - 1;
                write!(f, "{lo} to {hi} givens: a board of {grid} with one solution has {least} to {most}")
            }
            Self::Rare { givens, part, number, tries } => {
                let (lo, hi) = (givens.start(), givens.end());
                write!(
                    f,
                    "board {number}: of {tries} boards with one solution none had {lo} to {hi} givens in part {part}"
                )
            }
        }
    }
}

impl Error for GenerateError {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::super::contradiction::check;
    use super::super::solve::solutions;
    use super::super::symmetry::symmetric;
    use super::*;

    fn kinds() -> impl Strategy<Value = (Grid, RangeInclusive<usize>)> {
        prop_oneof![
            Just((Grid::FOUR, 4..=6)),
            Just((Grid::SIX, 9..=11)),
            Just((Grid::SIX, 12..=14)),
            Just((Grid::SIX, 20..=40)),
            Just((Grid::NINE, 24..=40)),
            Just((Grid::NINE, 30..=30)),
            Just((Grid::new(8, 8, 2, 4).unwrap(), 20..=30)),
        ]
    }

    fn parts() -> impl Strategy<Value = Part> {
        prop::sample::select(vec![Part::Train, Part::Test])
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn boards_have_one_solution_and_the_promised_givens(
            (grid, givens) in kinds(),
            part in parts(),
            seed: u64,
            number: u64,
            other: u64,
        ) {
            let boards = Generator::new(grid, givens.clone(), part, seed).unwrap();
            let Puzzle { board, solution } = boards.board(number).unwrap();
            prop_assert!(givens.contains(&board.givens()));
            prop_assert_eq!(Part::of(&board), part);
            prop_assert!(board.allowed().iter().all(|set| set.is_power_of_two() || *set == grid.all()));
            prop_assert_eq!(check(&board, 100_000), Ok(solution));
            let copy = symmetric(&board, Stream::new(other, 0, Purpose::Test));
            prop_assert_eq!(solutions(&copy, 2, 100_000).found.len(), 1);
            prop_assert_eq!(boards.board(number).unwrap().board, board);
        }
    }

    #[test]
    fn numbers_seeds_and_kinds_have_boards_of_their_own() {
        let mut seen = HashSet::new();
        for seed in [0, 1, u64::MAX] {
            for givens in [12..=14, 12..=15] {
                for part in [Part::Train, Part::Test] {
                    let boards = Generator::new(Grid::SIX, givens.clone(), part, seed).unwrap();
                    let numbers = [0, 1, 2, 1 << 32, 1 << 48, u64::MAX];
                    seen.extend(numbers.map(|number| boards.board(number).unwrap().solution));
                }
            }
        }
        assert_eq!(seen.len(), 3 * 2 * 2 * 6);
    }

    /// A run that is resumed with another version of the program goes on with the same boards.
    #[test]
    fn boards_are_pinned() {
        let board = |grid, givens, number| {
            Generator::new(grid, givens, Part::Train, 7).unwrap().board(number).unwrap().board.to_string()
        };
        assert_eq!(board(Grid::SIX, 12..=14, 19_999), "..3.5251...46.5.3.......1..62.3...1.");
        assert_eq!(
            board(Grid::NINE, 24..=40, 1999),
            "9....7.........1...37..5..629.........587.3.24.8..1...1..3...........52....15.8.4"
        );
    }

    /// Large grids have boards too, by a search or from shifted rows, and what is too rare is given up.
    #[test]
    fn every_grid_has_boards() {
        for (grid, givens) in [(Grid::new(16, 16, 4, 4), 110..=140), (Grid::new(25, 25, 5, 5), 350..=400)] {
            let Puzzle { board, solution } =
                Generator::new(grid.unwrap(), givens, Part::Train, 0).unwrap().board(0).unwrap();
            assert_eq!(check(&board, 100_000), Ok(solution));
        }
    }

    /// All orders of four rows or columns in which those of a box stay together.
    fn orders() -> Vec<Vec<usize>> {
        let mut all: Vec<Vec<usize>> = vec![vec![]];
        for _ in 0..4 {
            let grow = |order: Vec<usize>| {
                let unused: Vec<usize> = (0..4).filter(|line| !order.contains(line)).collect();
                unused.into_iter().map(move |line| order.iter().copied().chain([line]).collect())
            };
            all = all.into_iter().flat_map(grow).collect();
        }
        all.retain(|order| order[0] / 2 == order[1] / 2);
        all
    }

    /// The least copy of a board of 4 x 4, with symbols named in the order in which they are met.
    fn canonical(board: &Board) -> Vec<Option<u8>> {
        let orders = orders();
        let copies = orders.iter().flat_map(|rows| orders.iter().map(move |columns| (rows, columns)));
        let named = copies.flat_map(|(rows, columns)| {
            [true, false].map(|exchanged| {
                let mut met = Vec::new();
                let cells = (0..16).map(|cell| (rows[cell / 4], columns[cell % 4]));
                let cells = cells.map(|(a, b)| board.given(if exchanged { b * 4 + a } else { a * 4 + b }));
                let mut name = |v: u8| {
                    if !met.contains(&v) {
                        met.push(v);
                    }
                    met.iter().position(|&other| other == v).unwrap() as u8
                };
                cells.map(|given| given.map(&mut name)).collect::<Vec<_>>()
            })
        });
        named.min().unwrap()
    }

    /// Boards of 4 x 4 are so few that parts which were not kept apart would meet, as those of two seeds do.
    #[test]
    fn no_test_board_and_no_copy_of_one_is_trained_on() {
        let of = |part, seed| {
            let boards = Generator::new(Grid::FOUR, 4..=5, part, seed).unwrap();
            (0..1000).map(|number| canonical(&boards.board(number).unwrap().board)).collect::<HashSet<_>>()
        };
        let (train, test) = ([of(Part::Train, 3), of(Part::Train, 4)], [of(Part::Test, 3), of(Part::Test, 5)]);
        assert!(train.iter().all(|train| test.iter().all(|test| train.is_disjoint(test))));
        let common = |pair: &[HashSet<_>; 2]| pair[0].intersection(&pair[1]).count();
        assert!(common(&train) > 10 && common(&test) > 1, "{} and {}", common(&train), common(&test));
    }

    #[test]
    fn numbers_of_givens_that_there_are_not_are_refused() {
        let new = |givens| Generator::new(Grid::SIX, givens, Part::Train, 0).unwrap_err().to_string();
        assert_eq!(new(0..=4), "0 to 4 givens: a board of 6 x 6 with one solution has 5 to 36");
        new(37..=40);
        #[expect(clippy::reversed_empty_ranges)]
        new(14..=12);
        let all = Generator::new(Grid::SIX, 36..=usize::MAX, Part::Train, 0).unwrap();
        assert_eq!(all.board(0).unwrap().board.givens(), 36);
        let rare = Generator::new(Grid::SIX, 5..=6, Part::Train, 0).unwrap().board(5).unwrap_err().to_string();
        assert!(rare.starts_with("board 5: of ") && rare.ends_with("none had 5 to 6 givens in part train"), "{rare}");
    }
}
