//! Boards with one solution, drawn as they are needed: to train on, and others, with fewer givens, to measure on.

use std::ops::RangeInclusive;

use crate::sudoku::tokens::{allowed_words, targets};
use crate::sudoku::{Generator, Grid, Part, Puzzle};
use anyhow::{Context, Result, bail};
use ebt_core::checksum::crc32;
use ebt_core::config::{Config, ModelKind};
use ebt_core::training::Sequences;
use ebt_data::Worker;

use super::fingerprints::Fingerprints;
use crate::run_config::{RunConfig, SudokuConfig};

/// Seed of the test boards: the same for all runs, so that their results can be compared.
const TEST_SEED: u64 = 2;

fn range([least, most]: [usize; 2]) -> RangeInclusive<usize> {
    least..=most
}

/// Boards to learn.
#[derive(Clone, Debug)]
pub struct Sudoku {
    train: Generator,
    tests: Vec<Puzzle>,
    config: SudokuConfig,
}

impl Sudoku {
    /// The grid of a joint model.
    ///
    /// # Errors
    ///
    /// A model of another kind, or with cells or tokens that are no boards.
    pub fn grid(model: &Config) -> Result<Grid> {
        let Some(cells) = model.joint.grid.filter(|_| model.kind == ModelKind::Joint) else {
            bail!("configuration section `sudoku`: needs `model.kind = \"joint\"` and `model.joint.grid`");
        };
        let grid = Grid::new(cells.rows, cells.columns, cells.box_rows, cells.box_columns)
            .context("configuration field `model.joint.grid`")?;
        if model.vocab != grid.symbols() {
            bail!(
                "configuration field `model.vocab`: a board of {grid} has {} symbols, got {}",
                grid.symbols(),
                model.vocab
            );
        }
        Ok(grid)
    }

    /// The boards of a run.
    ///
    /// # Errors
    ///
    /// Boards that there are none of, naming the field.
    pub fn new(model: &Config, config: SudokuConfig, seed: u64) -> Result<Self> {
        let grid = Self::grid(model)?;
        if config.tests == 0 || config.tests > 1 << 16 {
            bail!("configuration field `sudoku.tests`: must be between 1 and 65536, got {}", config.tests);
        }
        let train = Generator::new(grid, range(config.givens), Part::Train, seed)
            .context("configuration field `sudoku.givens`")?;
        let harder = Generator::new(grid, range(config.harder), Part::Test, TEST_SEED)
            .context("configuration field `sudoku.harder`")?;
        let tests = (0..config.tests as u64).map(|i| harder.board(i)).collect::<Result<_, _>>();
        let tests = tests.context("configuration field `sudoku.harder`")?;
        // boards that are too rare are found out before training
        train.board(0).context("configuration field `sudoku.givens`")?;
        Ok(Self { train, tests, config })
    }

    /// Number of test boards.
    pub fn tests(&self) -> usize {
        self.tests.len()
    }

    /// Test boards `first .. first + count` as problems; their targets are the solutions of the unknown cells.
    pub fn test_problems(&self, range: std::ops::Range<usize>) -> Sequences {
        problems(&self.tests[range])
    }

    pub(super) fn fingerprints(&self) -> Fingerprints {
        let boards: Vec<u8> = self.tests.iter().flat_map(|puzzle| puzzle.solution.clone()).collect();
        let [least, most] = self.config.givens;
        Fingerprints { tokenizer: 0, train: (least << 16 | most) as u64, validation: u64::from(crc32(&boards)) }
    }

    pub(super) fn batches(&self, config: &RunConfig, worker: Worker) -> Boards {
        let batch = config.sequences() as u64 / worker.world.max(1);
        Boards { generator: self.train.clone(), batch, worker }
    }

    pub(super) fn describe(&self, config: &RunConfig) -> String {
        let [[least, most], [fewest, harder]] = [self.config.givens, self.config.harder];
        format!(
            "data: boards of {} with {least} to {most} givens, {} a step, each new; measured on {} with {fewest} to {harder}",
            self.train.grid(),
            config.sequences(),
            self.tests.len()
        )
    }
}

/// Puzzles as problems of a joint model.
pub fn problems(puzzles: &[Puzzle]) -> Sequences {
    let cells = puzzles.first().map_or(0, |puzzle| puzzle.solution.len());
    let allowed = puzzles.iter().flat_map(|puzzle| allowed_words(&puzzle.board)).collect();
    let targets = puzzles.iter().flat_map(|puzzle| targets(&puzzle.board, &puzzle.solution)).collect();
    Sequences::problems(puzzles.len(), cells, allowed, targets)
}

/// Batches of boards: board `i` of step `k` has the number `k` times the boards of a step, plus `i`.
#[derive(Clone, Debug)]
pub struct Boards {
    generator: Generator,
    batch: u64,
    worker: Worker,
}

impl Boards {
    fn puzzles(&self, first: u64, count: u64) -> Result<Vec<Puzzle>> {
        Ok((first..first + count).map(|number| self.generator.board(number)).collect::<Result<_, _>>()?)
    }

    /// Batch `k` of this worker.
    pub(super) fn get(&self, k: u64) -> Result<Sequences> {
        let first = (k * self.worker.world + self.worker.rank) * self.batch;
        Ok(problems(&self.puzzles(first, self.batch)?))
    }

    /// Unknown cells in batch `k` of all workers together.
    pub(super) fn positions(&self, k: u64) -> Result<usize> {
        let all = self.batch * self.worker.world;
        Ok(problems(&self.puzzles(k * all, all)?).positions())
    }
}
