//! Descents of a joint model on many boards together, and what they come to: as they end, by commits, by choosing among starts.

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::layer::Model;
use ebt_core::objective::{InitialState, Objective};
use ebt_core::training::{NO_TARGET, Sequences};

use super::starts::{Choice, End, chosen};
use crate::rollout::Predictor;

/// Standard deviation of the starts that are chosen among.
const START_SIGMA: f64 = 2.0;

/// A model that solves boards.
pub(super) struct Solver<'a, B: Backend> {
    pub(super) b: &'a B,
    pub(super) model: Model<'a, B::Array>,
    pub(super) objective: &'a Objective,
}

/// What the logits of a cell say.
pub(super) struct Cell {
    /// The most probable token.
    pub(super) token: u32,
    /// Its probability.
    pub(super) sure: f64,
    entropy: f64,
}

impl<B: Backend> Solver<'_, B> {
    pub(super) fn vocab(&self) -> usize {
        self.model.config.vocab
    }

    /// Descends `steps` steps from zeros, or from noise with a seed, and gives the masked logits `(n,V)` that it ends in; `visit`
    /// sees the energies `(n,1)` before every step, where there are any, and the logits after it.
    pub(super) fn descend(
        &self,
        problems: &Sequences,
        noise: Option<u64>,
        steps: usize,
        mut visit: impl FnMut(usize, Option<&B::Array>, &[f32]),
    ) -> Result<Vec<f32>> {
        let initial = if noise.is_some() { InitialState::Noise } else { InitialState::Zeros };
        let objective = Objective { initial, sigma0: START_SIGMA, ..self.objective.clone() };
        let predictor = Predictor::new(self.b, self.model, &objective, noise.unwrap_or(0));
        let mut logits = vec![0.0; problems.targets.len() * self.vocab()];
        predictor.run(problems, 0, steps, |step| {
            self.b.download(step.logits, &mut logits);
            visit(step.index, step.energy, &logits);
            Ok(())
        })?;
        Ok(logits)
    }

    fn row<'r>(&self, values: &'r [f32], i: usize) -> &'r [f32] {
        &values[i * self.vocab()..(i + 1) * self.vocab()]
    }

    /// What row `i` of masked logits says.
    pub(super) fn cell(&self, logits: &[f32], i: usize) -> Cell {
        let row = self.row(logits, i);
        let top = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
        let weights = row.iter().map(|&y| f64::from(y - row[top]).exp());
        let (sum, mean) =
            weights.fold((0.0, 0.0), |(sum, mean), w| (sum + w, mean + if w > 0.0 { w * w.ln() } else { 0.0 }));
        Cell { token: top as u32, sure: 1.0 / sum, entropy: sum.ln() - mean / sum }
    }

    /// `Var_P(Y - Y')` of row `i`: up to `alpha^2`, its part of the dissipation.
    fn unrest(&self, logits: &[f32], next: &[f32], i: usize) -> f64 {
        let (from, to) = (self.row(logits, i), self.row(next, i));
        let top = from.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let pairs = from.iter().zip(to).map(|(y, next)| (f64::from(y - top).exp(), f64::from(y - next)));
        let [sum, first, second] = pairs.fold([0.0; 3], |[s, a, b], (w, x)| [s + w, a + w * x, b + w * x * x]);
        (second / sum - (first / sum).powi(2)).max(0.0)
    }

    /// Unknown cells of problem `p`.
    fn unknown(problems: &Sequences, p: usize) -> impl Iterator<Item = usize> {
        let t = problems.context;
        (p * t..(p + 1) * t).filter(|&i| problems.targets[i] != NO_TARGET)
    }

    /// Whether every problem is solved.
    pub(super) fn solved(&self, problems: &Sequences, logits: &[f32]) -> Vec<bool> {
        let right = |i: usize| self.cell(logits, i).token == problems.targets[i];
        (0..problems.batch).map(|p| Self::unknown(problems, p).all(right)).collect()
    }

    /// Solved by commits: after every round the surest of the unknown cells are given their token, and the descent begins anew.
    pub(super) fn commits(&self, problems: &Sequences, rounds: usize, steps: usize) -> Result<Vec<bool>> {
        let (mut left, words) = (problems.clone(), self.model.config.set_words());
        let mut right = vec![true; problems.batch];
        for round in 0..rounds {
            let logits = self.descend(&left, None, steps, |_, _, _| ())?;
            for (p, right) in right.iter_mut().enumerate() {
                let mut unknown: Vec<(usize, Cell)> =
                    Self::unknown(&left, p).map(|i| (i, self.cell(&logits, i))).collect();
                unknown.sort_by(|a, b| b.1.sure.total_cmp(&a.1.sure));
                for &(i, Cell { token, .. }) in &unknown[..unknown.len().div_ceil(rounds - round)] {
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

    /// Sums `(B)` of energies `(n,1)`.
    fn by_problem(&self, problems: &Sequences, energies: &B::Array) -> Vec<f64> {
        let mut rows = vec![0.0; problems.targets.len()];
        self.b.download_f64(energies, &mut rows);
        rows.chunks_exact(problems.context).map(|rows| rows.iter().sum()).collect()
    }

    /// For each of `counts`, which problems are solved by every [`Choice`] among as many starts; the first start is zeros.
    pub(super) fn starts(
        &self,
        problems: &Sequences,
        counts: &[usize],
        steps: usize,
    ) -> Result<Vec<Vec<[f64; Choice::COUNT]>>> {
        let mut ends: Vec<Vec<End>> = vec![Vec::new(); problems.batch];
        for start in 0..counts.iter().copied().max().unwrap_or(0) as u64 {
            let (mut logits, mut energies) = (Vec::new(), None);
            // the step that leaves the last state tells its energy and how far it is from rest
            let next = self.descend(problems, (start > 0).then_some(start), steps + 1, |step, energy, after| {
                if step + 1 == steps {
                    logits = after.to_vec();
                } else if step == steps {
                    energies = energy.map(|energy| self.by_problem(problems, energy));
                }
            })?;
            for (p, ends) in ends.iter_mut().enumerate() {
                let cells: Vec<(usize, Cell)> =
                    Self::unknown(problems, p).map(|i| (i, self.cell(&logits, i))).collect();
                let entropy: f64 = cells.iter().map(|(_, cell)| cell.entropy).sum();
                let energy = energies.as_ref().map(|energies: &Vec<f64>| energies[p]);
                ends.push(End {
                    solved: cells.iter().all(|(i, cell)| cell.token == problems.targets[*i]),
                    free: energy.map(|energy| energy - self.model.config.tau * entropy),
                    residual: cells.iter().map(|(i, _)| self.unrest(&logits, &next, *i)).sum(),
                    answer: cells.into_iter().map(|(_, cell)| cell.token).collect(),
                    energy,
                    entropy,
                });
            }
        }
        Ok(counts.iter().map(|&count| ends.iter().map(|ends| chosen(&ends[..count])).collect()).collect())
    }
}
