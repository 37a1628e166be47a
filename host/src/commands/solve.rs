//! `ebt solve`: answers boards with a joint model.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Result, bail};
use ebt::engine::descent::{DescentOptions, StepSize};
use ebt::{Solution, Solver};
use ebt_data::program;
use ebt_train::sudoku::board::Board;
use ebt_train::sudoku::{Contradiction, Grid, check, read, symbol, violations};
use serde_json::{Value, json};

use crate::cli::{DynamicsArgs, KERNELS, Output, SearchArgs, kernel, one_of, real, steps, whole};
use crate::solver::{solve, with_solver};

/// Answer boards with a joint model.
///
/// Boards are read from standard input, one a line: a character for every cell, `1` to `9` (then `A`...), `.` where it is not
/// known; or JSON, {"given": "3..5...", "allowed": {"r1c2": "12"}}. An answer is printed for each: what the descent on the energy
/// of all cells together ended at. It is the model's answer, which is checked against the rules: what it violates is said on
/// standard error, and with --json in the line itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echo '..5.2. ...... 2..... .6.1.. 1...5. ...4.3' | ebt solve
  ebt solve --model runs/sudoku --starts 16 --choose free < boards.txt
  ebt solve --step-size armijo --tolerance 0.001 --think 100 < boards.txt
  ebt solve --model solver.ebp --commits 4 --think 4 --json < boards.txt")]
pub struct Args {
    /// Model file or packed model, run or checkpoint folder, or hf://OWNER/NAME[@REVISION]/FILE, as `ebt train --preset sudoku` makes one [default: a solver of
    /// boards of 6 x 6 that the program brings along]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Descent steps, of every round where there are several
    #[arg(long, value_name = "N", default_value = "16", value_parser = steps())]
    think: NonZeroUsize,
    #[command(flatten)]
    search: SearchArgs,
    /// Share of the step size of training; 1 is replacement where the model was trained with it
    #[arg(
        long,
        value_name = "ETA",
        default_value_t = 0.5,
        value_parser = real::<f32>(0.001..=1000.0),
        conflicts_with = "step_size"
    )]
    eta: f32,
    #[command(flatten)]
    dynamics: DynamicsArgs,
    /// Seed of the starts
    #[arg(long, default_value_t = 0, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Instructions of the processor; answers do not depend on them
    #[arg(long, value_parser = one_of(KERNELS), default_value = "auto", value_name = "KERNEL")]
    kernel: &'static str,
    /// Print a JSON object a line, with energies and certificate
    #[arg(long)]
    json: bool,
}

/// Choices of an exact search that judges a board whose answer is wrong.
const JUDGED: u64 = 1_000_000;

/// Runs the command.
///
/// # Errors
///
/// A model that cannot be read or is no solver of boards, and lines that are no boards or contradict themselves; the others are
/// answered.
pub fn run(args: Args) -> Result<()> {
    let think = args.dynamics.laid_over(DescentOptions {
        steps: args.think.get(),
        commits: args.search.commits,
        candidates: args.search.starts.get(),
        choose: args.search.choose,
        step_size: StepSize::Scaled(args.eta),
        seed: args.seed,
        ..DescentOptions::joint()
    });
    with_solver(args.model.as_deref(), &think, kernel(args.kernel)?, |grid, solver| {
        answers(&args, &think, grid, solver)
    })
}

/// Answers every board of standard input.
fn answers(args: &Args, think: &DescentOptions, grid: Grid, solver: &mut Solver<'_, '_>) -> Result<()> {
    let mut input = Vec::new();
    io::stdin().lock().read_to_end(&mut input)?;
    let mut out = Output::of_results();
    let (mut boards, mut refused) = (0u64, 0u64);
    for (line, board) in numbered(grid, &input) {
        boards += 1;
        let found = board.and_then(|board| answer(solver, &board, think).map(|found| (board, found)));
        match found {
            Ok((board, found)) => {
                if args.json {
                    writeln!(out, "{}", found.as_json(line, &board))?;
                } else {
                    writeln!(out, "{}", found.text)?;
                    for wrong in &found.wrong {
                        eprintln!("line {line}: the answer is wrong: {wrong}");
                    }
                }
            }
            Err(error) => {
                refused += 1;
                if args.json {
                    writeln!(out, "{}", json!({ "line": line, "error": error.to_string() }))?;
                } else {
                    writeln!(out)?;
                    eprintln!("line {line}: {error}");
                }
            }
        }
    }
    out.flush()?;
    if boards == 0 {
        bail!("standard input holds no board; see `{} solve --help`", program::name());
    }
    if refused > 0 {
        bail!("{refused} of {boards} boards could not be answered");
    }
    Ok(())
}

/// The boards of the input with their lines, or what is wrong with a line.
fn numbered(grid: Grid, input: &[u8]) -> impl Iterator<Item = (usize, Result<Board>)> {
    let lines = input.split(|&byte| byte == b'\n').enumerate();
    let full = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace)).map(|(before, _)| before + 1);
    let boards = read::boards(grid, input).map(|board| board.map_err(|wrong| anyhow::anyhow!("{}", wrong.fault)));
    full.zip(boards)
}

/// An answer to a board, and what it is worth.
struct Found {
    text: String,
    /// What it violates, and what is wrong with the board itself where that is why.
    wrong: Vec<String>,
    values: Value,
}

impl Found {
    fn as_json(&self, line: usize, board: &Board) -> Value {
        let mut value = json!({
            "line": line,
            "board": board.to_string(),
            "answer": self.text,
            "solved": self.wrong.is_empty(),
            "violations": self.wrong,
        });
        if let (Some(to), Some(from)) = (value.as_object_mut(), self.values.as_object()) {
            to.extend(from.clone());
        }
        value
    }
}

/// Answers one board.
fn answer(solver: &mut Solver<'_, '_>, board: &Board, think: &DescentOptions) -> Result<Found> {
    let solution = solve(solver, board, think, &mut |_| ControlFlow::Continue(()))?;
    let cells: Vec<u8> = solution.answer().map(|token| token as u8).collect();
    let mut wrong: Vec<String> = violations(board, &cells).iter().map(ToString::to_string).collect();
    if !wrong.is_empty()
        && let Err(
            reason @ (Contradiction::NoSolution | Contradiction::NoSymbol { .. } | Contradiction::NoPlace { .. }),
        ) = check(board, JUDGED)
    {
        wrong.push(format!("the board has no solution: {reason}"));
    }
    let text = cells.iter().map(|&cell| symbol::to_char(cell)).collect();
    Ok(Found { text, wrong, values: values(&solution)? })
}

/// Everything that is known of a solution.
fn values(solution: &Solution<'_, '_>) -> Result<Value> {
    let certificate = &solution.certificate;
    let candidates: Vec<Value> = (0..solution.candidates)
        .map(|candidate| {
            let answer = solution.candidate_answer(candidate).map(|token| symbol::to_char(token as u8));
            let end = solution.assessment(candidate);
            json!({ "answer": answer.collect::<String>(), "end": end })
        })
        .collect();
    let end = certificate.end;
    Ok(json!({
        "energy": end.map(|end| end.energy),
        "free": end.map(|end| end.free),
        "entropy": end.map(|end| end.entropy),
        "residual": end.map(|end| end.residual),
        "votes": end.map(|end| end.votes),
        "steps": certificate.steps,
        "candidates": candidates,
        "certificate": serde_json::to_value(certificate)?,
    }))
}
