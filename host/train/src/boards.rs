//! Measuring a joint model on boards: solved after every step, by commits, and by choosing among starts.

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::config::Head;
use ebt_core::layer::Model;
use ebt_core::objective::{InitialState, Objective};
use ebt_core::training::{NO_TARGET, Sequences};
use ebt_ranks::{Collective, Place};
use serde::{Deserialize, Serialize};

use crate::rollout::Predictor;
use crate::task::sudoku::Sudoku;

/// Standard deviation of the starts that are chosen among.
const START_SIGMA: f64 = 2.0;
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
    /// By choosing among starts: starts, steps of each, solved by the one of least energy, of least entropy, and by any.
    pub by_starts: Vec<(usize, usize, [u64; 3])>,
}

/// What is tried.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// Steps of a plain descent.
    pub steps: usize,
    /// Rounds of commits, and steps of each.
    pub commits: Vec<(usize, usize)>,
    /// Starts, and steps of each.
    pub starts: Vec<(usize, usize)>,
}

/// What descents of some problems ended in.
struct Ends {
    /// Masked logits `(n,V)`.
    logits: Vec<f32>,
    /// Energy of every problem; zeros where there is none.
    energies: Vec<f64>,
}

/// A model that solves boards.
struct Solver<'a, B: Backend> {
    b: &'a B,
    model: Model<'a, B::Array>,
    objective: &'a Objective,
}

impl<B: Backend> Solver<'_, B> {
    fn vocab(&self) -> usize {
        self.model.config.vocab
    }

    /// Descends `steps` steps from zeros, or from noise with a seed; `visit` sees the logits after every step.
    fn descend(
        &self,
        problems: &Sequences,
        noise: Option<u64>,
        steps: usize,
        mut visit: impl FnMut(usize, &[f32]),
    ) -> Result<Ends> {
        let initial = if noise.is_some() { InitialState::Noise } else { InitialState::Zeros };
        let objective = Objective { initial, sigma0: START_SIGMA, ..self.objective.clone() };
        let predictor = Predictor::new(self.b, self.model, &objective, noise.unwrap_or(0));
        let n = problems.targets.len();
        let energetic = self.model.config.head == Head::Energy;
        let mut ends = Ends { logits: vec![0.0; n * self.vocab()], energies: vec![0.0; problems.batch] };
        // the energy of a state is that before the step that leaves it
        predictor.run(problems, 0, steps + usize::from(energetic), |step| {
            if let Some(energy) = step.energy.filter(|_| step.index == steps) {
                let mut rows = vec![0.0; n];
                self.b.download_f64(energy, &mut rows);
                ends.energies = rows.chunks_exact(problems.context).map(|rows| rows.iter().sum()).collect();
            }
            if step.index < steps {
                self.b.download(step.logits, &mut ends.logits);
                visit(step.index, &ends.logits);
            }
            Ok(())
        })?;
        Ok(ends)
    }

    /// The most probable token of row `i`, its probability, and the entropy of the row.
    fn decide(&self, logits: &[f32], i: usize) -> (u32, f64, f64) {
        let row = &logits[i * self.vocab()..(i + 1) * self.vocab()];
        let top = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
        let weights = row.iter().map(|&y| f64::from(y - row[top]).exp());
        let (sum, mean) =
            weights.fold((0.0, 0.0), |(sum, mean), w| (sum + w, mean + if w > 0.0 { w * w.ln() } else { 0.0 }));
        (top as u32, 1.0 / sum, sum.ln() - mean / sum)
    }

    /// Whether every problem is solved.
    fn solved(&self, problems: &Sequences, logits: &[f32]) -> Vec<bool> {
        let right = |i: usize| problems.targets[i] == NO_TARGET || self.decide(logits, i).0 == problems.targets[i];
        (0..problems.batch).map(|p| (p * problems.context..(p + 1) * problems.context).all(right)).collect()
    }

    /// Solved by commits: after every round the surest of the unknown cells are given their token, and the descent begins anew.
    fn commits(&self, problems: &Sequences, rounds: usize, steps: usize) -> Result<Vec<bool>> {
        let (mut left, words, t) = (problems.clone(), self.model.config.set_words(), problems.context);
        let mut right = vec![true; problems.batch];
        for round in 0..rounds {
            let logits = self.descend(&left, None, steps, |_, _| ())?.logits;
            for (p, right) in right.iter_mut().enumerate() {
                let unknown = (p * t..(p + 1) * t).filter(|&i| left.targets[i] != NO_TARGET);
                let mut unknown: Vec<(usize, u32, f64)> = unknown
                    .map(|i| {
                        let (token, sure, _) = self.decide(&logits, i);
                        (i, token, sure)
                    })
                    .collect();
                unknown.sort_by(|a, b| b.2.total_cmp(&a.2));
                for &(i, token, _) in &unknown[..unknown.len().div_ceil(rounds - round)] {
                    *right &= token == left.targets[i];
                    left.targets[i] = NO_TARGET;
                    let set = &mut left.allowed[i * words..(i + 1) * words];
                    set.fill(0);
                    set[token as usize / 32] = 1 << (token % 32);
                }
            }
        }
        Ok(right)
    }

    /// Solved by the start of least energy, by that of least entropy, and by any; the first start is zeros.
    fn starts(&self, problems: &Sequences, starts: usize, steps: usize) -> Result<Vec<[bool; 3]>> {
        let mut best = vec![([f64::INFINITY; 2], [false; 3]); problems.batch];
        for start in 0..starts as u64 {
            let ends = self.descend(problems, (start > 0).then_some(start), steps, |_, _| ())?;
            let solved = self.solved(problems, &ends.logits);
            for (p, (least, right)) in best.iter_mut().enumerate() {
                let rows = p * problems.context..(p + 1) * problems.context;
                let entropy: f64 = rows.map(|i| self.decide(&ends.logits, i).2).sum();
                for (i, value) in [ends.energies[p], entropy].into_iter().enumerate() {
                    if value < least[i] {
                        (least[i], right[i]) = (value, solved[p]);
                    }
                }
                right[2] |= solved[p];
            }
        }
        Ok(best.into_iter().map(|(_, right)| right).collect())
    }
}

fn count(solved: impl IntoIterator<Item = bool>) -> u64 {
    solved.into_iter().map(u64::from).sum()
}

/// Measures `model` on the first `tests` test boards; ranks share them.
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
) -> Result<Solved> {
    let solver = Solver { b, model, objective };
    let Place { rank, world } = ranks.place();
    let mut all = Solved {
        boards: tests as u64,
        per_step: vec![0; trial.steps],
        by_commits: trial.commits.iter().map(|&(rounds, steps)| (rounds, steps, 0)).collect(),
        by_starts: trial.starts.iter().map(|&(starts, steps)| (starts, steps, [0; 3])).collect(),
        ..Solved::default()
    };
    let (mut nats, mut cells) = (0.0, 0);
    for first in (0..tests).step_by(TOGETHER).skip(rank).step_by(world) {
        let problems = sudoku.test_problems(first..(first + TOGETHER).min(tests));
        let last = solver.descend(&problems, None, trial.steps, |step, logits| {
            all.per_step[step] += count(solver.solved(&problems, logits));
        })?;
        let v = solver.vocab();
        for (i, &target) in problems.targets.iter().enumerate().filter(|(_, target)| **target != NO_TARGET) {
            let (top, sure, _) = solver.decide(&last.logits, i);
            let below = f64::from(last.logits[i * v + top as usize] - last.logits[i * v + target as usize]);
            nats += below - sure.ln();
            cells += 1;
        }
        for (rounds, steps, solved) in &mut all.by_commits {
            *solved += count(solver.commits(&problems, *rounds, *steps)?);
        }
        for (starts, steps, solved) in &mut all.by_starts {
            for right in solver.starts(&problems, *starts, *steps)? {
                solved.iter_mut().zip(right).for_each(|(sum, right)| *sum += u64::from(right));
            }
        }
    }
    if world > 1 {
        let sums = all.per_step.iter_mut().chain(all.by_commits.iter_mut().map(|(.., solved)| solved));
        for sum in sums.chain(all.by_starts.iter_mut().flat_map(|(.., solved)| solved)).chain([&mut cells]) {
            *sum = ranks.numbers(*sum)?.into_iter().sum();
        }
        nats = ranks.numbers(f64::to_bits(nats))?.into_iter().map(f64::from_bits).sum();
    }
    all.bits_per_cell = nats / (cells.max(1) as f64 * std::f64::consts::LN_2);
    Ok(all)
}
