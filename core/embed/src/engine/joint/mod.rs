//! Joint models: the energy of all cells of a problem together, and what answers a problem by descent on it.

mod solver;
mod states;

pub use solver::{Problem, Solution, Solver};
