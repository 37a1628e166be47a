//! Measuring a joint model on boards: solved after every step, by commits, and by choosing among starts.

use std::collections::BTreeMap;

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::layer::Model;
use ebt_core::objective::Objective;
use ebt_core::training::NO_TARGET;
use ebt_ranks::{Collective, Place};
use serde::{Deserialize, Serialize};

use crate::rollout::Energies;
use crate::task::sudoku::Sudoku;
use solver::Solver;

mod solver;
mod starts;

pub use starts::Choice;

/// Boards that are computed together.
const TOGETHER: usize = 100;

/// How many of the boards are solved entirely.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Solved {
    /// Boards measured.
    pub boards: u64,
    /// Solved after every step, from the first.
    pub per_step: Vec<u64>,
    /// Bits a cell of the solutions under the last state.
    pub bits_per_cell: f64,
    /// By rounds of commits: rounds, steps of each, and solved.
    pub by_commits: Vec<(usize, usize, u64)>,
    /// By choosing among starts.
    pub by_starts: Vec<ByStarts>,
}

/// Boards solved by choosing among starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ByStarts {
    /// Starts of a board.
    pub starts: usize,
    /// Steps of each.
    pub steps: usize,
    /// Solved by each choice, those that need an energy only where there is one; on average where chance chooses.
    pub solved: BTreeMap<Choice, f64>,
}

/// What is tried.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// Steps of a plain descent.
    pub steps: usize,
    /// Rounds of commits, and steps of each.
    pub commits: Vec<(usize, usize)>,
    /// Numbers of starts that are chosen among.
    pub starts: Vec<usize>,
    /// Steps of a start.
    pub start_steps: usize,
}

fn count(solved: impl IntoIterator<Item = bool>) -> u64 {
    solved.into_iter().map(u64::from).sum()
}

/// Measures `model` on the first `tests` test boards; ranks share them. The energies of unknown cells along the plain descent are added
/// to `energies`.
///
/// # Errors
///
/// A device failure, a rank that is lost.
pub fn measure<B: Backend>(
    ranks: &dyn Collective,
    b: &B,
    model: Model<'_, B::Array>,
    objective: &Objective,
    (sudoku, tests): (&Sudoku, usize),
    trial: &Trial,
    energies: &mut Energies,
) -> Result<Solved> {
    let solver = Solver { b, model, objective };
    let Place { rank, world } = ranks.place();
    let mut all = Solved {
        boards: tests as u64,
        per_step: vec![0; trial.steps],
        by_commits: trial.commits.iter().map(|&(rounds, steps)| (rounds, steps, 0)).collect(),
        ..Solved::default()
    };
    let (mut nats, mut cells) = (0.0, 0);
    let mut kept = vec![[0.0; Choice::COUNT]; trial.starts.len()];
    for first in (0..tests).step_by(TOGETHER).skip(rank).step_by(world) {
        let problems = sudoku.test_problems(first..(first + TOGETHER).min(tests));
        let last = solver.descend(&problems, None, trial.steps, |step, energy, logits| {
            energies.add(b, step, energy, |row| problems.targets[row] != NO_TARGET);
            all.per_step[step] += count(solver.solved(&problems, logits));
        })?;
        let v = solver.vocab();
        for (i, &target) in problems.targets.iter().enumerate().filter(|(_, target)| **target != NO_TARGET) {
            let cell = solver.cell(&last, i);
            let below = last[i * v + cell.token as usize] - last[i * v + target as usize];
            nats += f64::from(below) - cell.sure.ln();
            cells += 1;
        }
        for (rounds, steps, solved) in &mut all.by_commits {
            *solved += count(solver.commits(&problems, *rounds, *steps)?);
        }
        for (sums, boards) in kept.iter_mut().zip(solver.starts(&problems, &trial.starts, trial.start_steps)?) {
            boards.iter().for_each(|shares| sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share));
        }
    }
    if world > 1 {
        let sums = all.per_step.iter_mut().chain(all.by_commits.iter_mut().map(|(.., solved)| solved));
        for sum in sums.chain([&mut cells]) {
            *sum = ranks.numbers(*sum)?.into_iter().sum();
        }
        for sum in kept.iter_mut().flatten().chain([&mut nats]) {
            *sum = ranks.numbers(sum.to_bits())?.into_iter().map(f64::from_bits).sum();
        }
    }
    let by_starts = |(&starts, sums): (&usize, [f64; Choice::COUNT])| ByStarts {
        starts,
        steps: trial.start_steps,
        solved: Choice::ALL.into_iter().zip(sums).filter(|(_, sum)| !sum.is_nan()).collect(),
    };
    all.by_starts = trial.starts.iter().zip(kept).map(by_starts).collect();
    all.bits_per_cell = nats / (cells.max(1) as f64 * std::f64::consts::LN_2);
    Ok(all)
}
