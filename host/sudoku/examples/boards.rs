//! Boards by number, and how many of them a second one thread makes:
//!
//! ```text
//! cargo run --release -p ebt-sudoku --example boards -- 3 3 24 40 train 7 2000 > boards.txt
//! ```
//!
//! Arguments: rows and columns of a box, least and most givens, `train` or `test`, seed, number of boards. Written are a board
//! and its solution a line.

use std::error::Error;
use std::io::{BufWriter, Write as _, stdout};
use std::time::Instant;

use ebt_sudoku::{Board, Generator, Grid, Part};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rows, columns, lo, hi, part, seed, count] = arguments.as_slice() else {
        return Err("usage: boards BOX_ROWS BOX_COLUMNS LEAST MOST train|test SEED COUNT".into());
    };
    let (rows, columns): (usize, usize) = (rows.parse()?, columns.parse()?);
    let part = match &**part {
        "train" => Part::Train,
        "test" => Part::Test,
        other => return Err(format!("{other} is neither train nor test").into()),
    };
    let grid = Grid::new(rows * columns, rows * columns, rows, columns)?;
    let boards = Generator::new(grid, lo.parse()?..=hi.parse()?, part, seed.parse()?)?;
    let (count, start) = (count.parse()?, Instant::now());
    let mut out = BufWriter::new(stdout().lock());
    let mut givens = vec![0u64; grid.cells() + 1];
    for number in 0..count {
        let puzzle = boards.board(number)?;
        givens[puzzle.board.givens()] += 1;
        let solution = Board::new(grid, puzzle.solution.iter().map(|v| 1 << v).collect())?;
        writeln!(out, "{} {solution}", puzzle.board)?;
    }
    out.flush()?;
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{count} boards of {grid} in {seconds:.2} s: {:.0} a second", count as f64 / seconds);
    for (givens, boards) in givens.iter().enumerate().filter(|(_, boards)| **boards > 0) {
        eprintln!("{givens} givens: {boards}");
    }
    Ok(())
}
