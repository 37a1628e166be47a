//! Sudoku boards, without any neural network: [`grid`] (the shape of a board), [`board`] (which symbols each cell may hold),
//! [`solve`] (all solutions, exactly), [`contradiction`] (what is wrong with a board or an answer, in sentences),
//! [`symmetry`] (boards that are the same up to names and order), [`part`] (training and test boards kept apart),
//! [`generate`] (boards with one solution), [`read`] (boards in text and JSON), [`tokens`] (boards as a model of joint
//! descent reads them).
//!
//! A board has `N` rows, `N` columns and `N` boxes of `N` cells, with `N` up to 25. Cells, symbols, rows, columns and boxes
//! are numbered from 0 in code, cells in reading order; sentences and files number them from 1 and write the symbols
//! `1` to `9`, then `A` to `P`. A set of symbols is a word whose bit `v` is symbol `v`.
//!
//! ```
//! use ebt_train::sudoku::{Generator, Grid, Part, check};
//!
//! let boards = Generator::new(Grid::SIX, 12..=14, Part::Train, 7)?;
//! let puzzle = boards.board(1000)?;
//! assert!((12..=14).contains(&puzzle.board.givens()));
//! assert_eq!(check(&puzzle.board, 1000), Ok(puzzle.solution));
//! # Ok::<_, ebt_train::sudoku::generate::GenerateError>(())
//! ```

pub mod board;
pub mod contradiction;
mod draws;
pub mod generate;
pub mod grid;
pub mod part;
pub mod read;
mod search;
pub mod solve;
pub mod symbol;
pub mod symmetry;
pub mod tokens;

pub use board::Board;
pub use contradiction::{Contradiction, check, violations};
pub use generate::{Generator, Puzzle};
pub use grid::Grid;
pub use part::Part;
pub use read::boards;
pub use solve::solutions;
pub use symmetry::symmetric;
