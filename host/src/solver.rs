//! Joint models that solve boards: the memory that they work in, and boards as their problems.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Result, bail};
use ebt::engine::descent::{DescentOptions, StepReport};
use ebt::packed::Isa;
use ebt::{Prior, Problem, Solution, Solver};
use ebt_train::sudoku::board::Board;
use ebt_train::sudoku::tokens::allowed_words;
use ebt_train::sudoku::{Contradiction, Grid, check};
use ebt_train::task::sudoku::Sudoku;

use crate::cli::by_flag;
use crate::inference::{InferenceModel, SessionMemory, extents};

/// Gives a solver that thinks so to `body`, with the grid of its boards; without a path it is the built-in one.
///
/// # Errors
///
/// A model that cannot be read or solves no boards, options out of their range, more memory than can be had, and what `body` returns.
pub fn with_solver<R>(
    path: Option<&Path>,
    think: &DescentOptions,
    kernel: Isa,
    body: impl FnOnce(Grid, &mut Solver<'_, '_>) -> Result<R>,
) -> Result<R> {
    think.validate().map_err(by_flag)?;
    let inference = InferenceModel::load_solver(path)?;
    let model = inference.model()?;
    let grid = Sudoku::grid(&model.config)?;
    let options = extents(think, model.descent.steps);
    let mut memory = SessionMemory::of_bytes(Solver::bytes_needed(&model.config, &options)?)?;
    let solver = Solver::new(model, &options, memory.arena())?;
    body(grid, &mut solver.with_isa(kernel))
}

/// Solves a board; `on_step` sees every step.
///
/// # Errors
///
/// A board whose givens repeat a symbol, and a value that is not finite.
pub fn solve<'s, 'a>(
    solver: &'s mut Solver<'_, 'a>,
    board: &Board,
    think: &DescentOptions,
    on_step: &mut dyn FnMut(&StepReport<'_>) -> ControlFlow<()>,
) -> Result<Solution<'s, 'a>> {
    if let Err(wrong @ Contradiction::Repeat(_)) = check(board, 0) {
        bail!("{wrong}");
    }
    let allowed = allowed_words(board);
    Ok(solver.solve(
        Problem { cells: board.grid().cells(), allowed: &allowed, prior: Prior::default() },
        think,
        on_step,
    )?)
}
