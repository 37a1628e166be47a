//! Training and test boards kept apart.
//!
//! Every board belongs to one part, and so do all its symmetric copies: the part is read from a number that no
//! [symmetry](super::symmetry) changes. Whoever trains on boards of [`Part::Train`] alone has seen no board of [`Part::Test`] and no
//! symmetric copy of one, whatever the seeds, the numbers of givens and the machine that made them; nothing is compared or
//! remembered. Copies that are drawn while a model trains stay in their part.
//!
//! This is about boards, not about what they lead to. Boards of both parts may have the same solution (6 x 6 has only 49
//! full boards up to symmetry), and boards that differ in one given are as likely on two sides as any.
//!
//! The number is a hash by colour refinement: cells, units and symbols are repeatedly coloured by the colours of what they
//! meet, as sums, in which order does not count. Boards that are not symmetric may share it; then they share the part.

use std::fmt;

use super::board::Board;
use super::symbol::members;

/// One board in this many is a test board.
pub const TEST_SHARE: u64 = 16;

/// What a board is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Training.
    Train,
    /// Tests: none of these, and no symmetric copy, is in the other part.
    Test,
}

impl Part {
    /// The part that a board and all its symmetric copies belong to.
    pub fn of(board: &Board) -> Self {
        if invariant(board).is_multiple_of(TEST_SHARE) { Self::Test } else { Self::Train }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// How often colours are refined: often enough that every cell has met every other one twice.
const ROUNDS: u64 = 4;

/// A number that all symmetric copies of a board share.
pub fn invariant(board: &Board) -> u64 {
    let (grid, sets) = (board.grid(), board.allowed());
    let n = grid.symbols();
    let units: Vec<_> = (0..sets.len()).map(|cell| grid.units_of(cell)).collect();
    // units of one kind are alike, and rows are like columns where these may be exchanged
    let kind = |unit: usize| match unit / n {
        1 if grid.transposes() => 0,
        kind => kind as u64,
    };
    let mut cells: Vec<u64> = sets.iter().map(|set| mix(u64::from(set.count_ones()))).collect();
    let mut symbols = vec![0u64; n];
    for round in 1..=ROUNDS {
        let mut met = vec![0u64; 3 * n];
        let mut held = vec![0u64; n];
        for ((&set, &colour), units) in sets.iter().zip(&cells).zip(&units) {
            let colour = mix(colour ^ round);
            units.iter().for_each(|&unit| met[unit] = met[unit].wrapping_add(colour));
            if set != grid.all() {
                members(set).for_each(|v| held[usize::from(v)] = held[usize::from(v)].wrapping_add(colour));
            }
        }
        for (unit, colour) in met.iter_mut().enumerate() {
            *colour = mix(colour.wrapping_add(kind(unit) << 56));
        }
        for (symbol, colour) in symbols.iter_mut().zip(held) {
            *symbol = mix(*symbol ^ mix(colour));
        }
        for ((&set, colour), units) in sets.iter().zip(&mut cells).zip(&units) {
            let around = units.iter().fold(0u64, |sum, &unit| sum.wrapping_add(met[unit]));
            let inside = match set == grid.all() {
                true => 0,
                false => members(set).fold(0u64, |sum, v| sum.wrapping_add(symbols[usize::from(v)])),
            };
            *colour = mix(*colour ^ mix(around ^ mix(inside)));
        }
    }
    cells.iter().fold(n as u64, |sum, &colour| sum.wrapping_add(mix(colour)))
}

/// A permutation of words without structure (the finaliser of SplitMix64: Steele, Lea and Flood 2014).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ebt_core::random::{Purpose, Stream};
    use proptest::prelude::*;

    use super::super::board::tests::any_board;
    use super::super::grid::Grid;
    use super::super::symmetry::symmetric;
    use super::*;

    proptest! {
        #[test]
        fn copies_stay_in_their_part(board in any_board(), seed: u64) {
            let copy = symmetric(&board, Stream::new(seed, 0, Purpose::Test));
            prop_assert_eq!(invariant(&copy), invariant(&board));
            prop_assert_eq!(Part::of(&copy), Part::of(&board));
        }
    }

    /// Boards with four givens of 9 x 9 fall into few classes; most others are met once, and one in sixteen is for tests.
    #[test]
    fn boards_that_are_not_copies_differ() {
        let mut random = super::super::draws::Draws::new(Stream::new(5, 0, Purpose::Test));
        let mut seen = HashSet::new();
        let mut tests = 0;
        for _ in 0..4000 {
            let mut sets = vec![Grid::NINE.all(); 81];
            (0..20).for_each(|_| sets[random.below(81)] = 1 << random.below(9));
            let board = Board::new(Grid::NINE, sets).unwrap();
            seen.insert(invariant(&board));
            tests += usize::from(Part::of(&board) == Part::Test);
        }
        assert_eq!(seen.len(), 4000);
        assert!((200..300).contains(&tests), "{tests} of 4000 are for tests");
    }

    /// What the part of a board is must never change: models are judged by boards that they were not trained on.
    #[test]
    fn the_number_is_pinned() {
        let board = |grid: Grid| {
            let mut sets = vec![grid.all(); grid.cells()];
            (sets[0], sets[7], sets[9]) = (1, 2, 5);
            invariant(&Board::new(grid, sets).unwrap())
        };
        assert_eq!(
            [Grid::FOUR, Grid::SIX, Grid::NINE].map(board),
            [3330946011584439715, 11661316898859802097, 6167566954772362355]
        );
    }
}
