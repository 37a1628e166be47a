//! Problems of several cells with known energies, and descents on them in memory of exactly the measured size.

use crate::toys::{inner, product};
use ebt::engine::arena::Arena;
use ebt::engine::descent::{Descent, DescentOptions, Dynamics, Known, Outcome, Potential, Prior, StepReport};
use ebt::engine::{Error, SessionOptions};
use proptest::prelude::*;
use std::ops::ControlFlow;

/// `E(P) = 1/2 (P - a)^T M (P - a) + <b, P> - <d, ln P> + sum of flags of the cells that are not given`, over all cells at once, in f64.
#[derive(Clone, Debug)]
pub struct Problem {
    pub cells: usize,
    pub vocab: usize,
    pub a: Vec<f64>,
    pub m: Vec<f64>,
    pub b: Vec<f64>,
    pub d: Vec<f64>,
    pub flags: Vec<f64>,
    /// Allowed tokens `(cells, V)`.
    pub allowed: Vec<bool>,
}

impl Problem {
    /// One without energy, all tokens allowed.
    pub fn flat(cells: usize, vocab: usize) -> Self {
        let n = cells * vocab;
        let zeros = |n| vec![0.0; n];
        let (a, m, b, d) = (zeros(n), zeros(n * n), zeros(n), zeros(n));
        Self { cells, vocab, a, m, b, d, flags: zeros(cells), allowed: vec![true; n] }
    }

    pub fn width(&self) -> usize {
        self.cells * self.vocab
    }

    /// `<d, ln P>` is of allowed tokens alone.
    pub fn energy(&self, p: &[f64], given: &[bool]) -> f64 {
        let x: Vec<f64> = p.iter().zip(&self.a).map(|(p, a)| p - a).collect();
        let logs: f64 = self.d.iter().zip(p).filter(|(d, _)| **d != 0.0).map(|(d, p)| d * p.ln()).sum();
        let flags: f64 = self.flags.iter().zip(given).filter(|(_, given)| !**given).map(|(f, _)| f).sum();
        0.5 * inner(&x, &product(&self.m, &x)) + inner(&self.b, p) - logs + flags
    }

    pub fn gradient(&self, p: &[f64]) -> Vec<f64> {
        let x: Vec<f64> = p.iter().zip(&self.a).map(|(p, a)| p - a).collect();
        let smooth = product(&self.m, &x).into_iter().zip(&self.b).map(|(g, b)| g + b);
        smooth.zip(self.d.iter().zip(p)).map(|(g, (d, p))| if *d == 0.0 { g } else { g - d / p }).collect()
    }

    pub fn curved(&self, p: &[f64], u: &[f64]) -> Vec<f64> {
        let smooth = product(&self.m, u).into_iter().zip(u);
        smooth
            .zip(self.d.iter().zip(p))
            .map(|((h, u), (d, p))| if *d == 0.0 { h } else { h + d / (p * p) * u })
            .collect()
    }

    /// The tokens of a cell.
    pub fn set(&self, cell: usize) -> &[bool] {
        &self.allowed[cell * self.vocab..][..self.vocab]
    }

    pub fn given(&self, cell: usize) -> bool {
        self.set(cell).iter().filter(|allowed| **allowed).count() == 1
    }

    pub fn all_given(&self) -> Vec<bool> {
        (0..self.cells).map(|cell| self.given(cell)).collect()
    }

    /// The sets as words.
    pub fn words(&self) -> Vec<u32> {
        let each = self.vocab.div_ceil(32);
        let mut words = vec![0u32; self.cells * each];
        for (k, _) in self.allowed.iter().enumerate().filter(|(_, allowed)| **allowed) {
            words[k / self.vocab * each + k % self.vocab / 32] |= 1 << (k % self.vocab % 32);
        }
        words
    }

    /// `softmax` over the sets.
    pub fn softmax(&self, y: &[f64]) -> Vec<f64> {
        let mut p = Vec::new();
        for (y, allowed) in y.chunks(self.vocab).zip(self.allowed.chunks(self.vocab)) {
            let each = || y.iter().zip(allowed).filter(|(_, a)| **a).map(|(y, _)| *y);
            let top = each().fold(f64::MIN, f64::max);
            let sum: f64 = each().map(|y| (y - top).exp()).sum();
            p.extend(y.iter().zip(allowed).map(|(y, a)| if *a { (y - top).exp() / sum } else { 0.0 }));
        }
        p
    }

    /// Entropy of the unknown cells.
    pub fn entropy(&self, p: &[f64]) -> f64 {
        let unknown = (0..self.cells).filter(|cell| !self.given(*cell));
        let of = |cell: usize| p[cell * self.vocab..][..self.vocab].iter().filter(|p| **p > 0.0).map(|p| -p * p.ln());
        unknown.flat_map(of).sum()
    }

    /// `F`.
    pub fn free(&self, tau: f64, p: &[f64]) -> f64 {
        self.energy(p, &self.all_given()) - tau * self.entropy(p)
    }

    /// Sum of `Var_P(G + tau Y)` over the unknown cells.
    pub fn dissipation(&self, tau: f64, y: &[f64]) -> f64 {
        let p = self.softmax(y);
        let g = self.gradient(&p);
        let mut sum = 0.0;
        for cell in (0..self.cells).filter(|cell| !self.given(*cell)) {
            let tokens = || (cell * self.vocab..(cell + 1) * self.vocab).filter(|k| self.allowed[*k]);
            let mean: f64 = tokens().map(|k| p[k] * (g[k] + tau * y[k])).sum();
            sum += tokens().map(|k| p[k] * (g[k] + tau * y[k] - mean).powi(2)).sum::<f64>();
        }
        sum
    }
}

pub fn double(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

/// Rows of problems. Leaves NaN wherever a gradient must not matter, and refuses gradients that no energy came before.
pub struct Rows {
    pub problems: Vec<Problem>,
    pub given: Vec<bool>,
    last: Vec<Option<Vec<f64>>>,
    counted: [u64; 3],
}

impl Rows {
    pub fn new(problems: Vec<Problem>) -> Self {
        Self { last: vec![None; problems.len()], given: Vec::new(), problems, counted: [0; 3] }
    }

    fn write(&self, r: usize, x: &[f64], out: &mut [f32]) {
        let problem = &self.problems[r];
        for (k, (x, out)) in x.iter().zip(out).enumerate() {
            let matters = problem.allowed[k] && !self.given[r * problem.cells + k / problem.vocab];
            *out = if matters { *x as f32 } else { f32::NAN };
        }
    }
}

impl Potential for Rows {
    fn rows(&self) -> usize {
        self.problems.len()
    }

    fn vocab(&self) -> usize {
        self.problems[0].vocab
    }

    fn cells(&self) -> usize {
        self.problems[0].cells
    }

    fn set_given(&mut self, given: &[bool]) {
        self.given = given.to_vec();
    }

    fn energy(&mut self, _: usize, p: &[f32], active: &[bool], energies: &mut [f32]) {
        let (width, cells) = (self.problems[0].width(), self.cells());
        for (r, p) in p.chunks(width).enumerate().filter(|(r, _)| active[*r]) {
            let p = double(p);
            energies[r] = self.problems[r].energy(&p, &self.given[r * cells..][..cells]) as f32;
            self.last[r] = Some(p);
            self.counted[0] += 1;
        }
    }

    fn gradient(&mut self, active: &[bool], g: &mut [f32]) {
        let width = self.problems[0].width();
        for (r, g) in g.chunks_mut(width).enumerate().filter(|(r, _)| active[*r]) {
            let found = self.problems[r].gradient(self.last[r].as_ref().expect("an energy before the gradient"));
            self.write(r, &found, g);
            self.counted[1] += 1;
        }
    }

    fn curvature(&mut self, active: &[bool], u: &[f32], hu: &mut [f32]) -> bool {
        let width = self.problems[0].width();
        for (r, hu) in hu.chunks_mut(width).enumerate().filter(|(r, _)| active[*r]) {
            let p = self.last[r].as_ref().expect("an energy before the curvature");
            let found = self.problems[r].curved(p, &double(&u[r * width..][..width]));
            self.write(r, &found, hu);
            self.counted[2] += 1;
        }
        true
    }
}

/// A model of one landscape that starts at zero.
pub fn mirror(alpha: f32, tau: f32) -> Dynamics {
    Dynamics { tau, ..crate::toys::dynamics(ebt_core::config::UpdateRule::Mirror, alpha) }
}

/// Solves `problems`, numbered, in memory of exactly the measured size, and shows the finished descent.
pub fn solve<T>(
    problems: &[(usize, Problem)],
    (think, model): (&DescentOptions, &Dynamics),
    on_step: &mut dyn FnMut(&StepReport<'_>) -> ControlFlow<()>,
    look: impl FnOnce(&Descent<'_>, Outcome) -> T,
) -> Result<T, Error> {
    let steps = (if think.steps == 0 { model.steps } else { think.steps }) * think.commits.max(1);
    let repeated = problems.iter().flat_map(|(_, p)| vec![p.clone(); think.candidates]);
    let mut rows = Rows::new(repeated.collect());
    let (n, cells, vocab) = (rows.rows(), rows.cells(), rows.vocab());
    let options = SessionOptions { block: 1, rows: n, steps, curvature: true, ..SessionOptions::default() };
    let mut counting = Arena::measure();
    Descent::alloc_joint(&mut counting, n, cells, vocab, &options)?;
    let mut memory = vec![0u32; counting.used() / 4];
    let mut arena = Arena::over(bytemuck::cast_slice_mut(&mut memory))?;
    let mut descent = Descent::alloc_joint(&mut arena, n, cells, vocab, &options)?;
    let allowed: Vec<u32> = problems.iter().flat_map(|(_, p)| p.words()).collect();
    let numbers = problems.iter().map(|(number, _)| *number);
    let outcome = descent.solve(
        &mut rows,
        think,
        model,
        numbers,
        Known { allowed: &allowed, prior: Prior::default() },
        on_step,
    )?;
    assert_eq!(rows.counted, [outcome.energies, outcome.gradients, outcome.curvatures]);
    Ok(look(&descent, outcome))
}

/// A callback that looks at nothing.
pub fn go(_: &StepReport<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Coupled cells with random sets (some given), a quadratic energy, convex or not, and flags.
pub fn problem(cells: usize, vocab: usize, convex: bool) -> impl Strategy<Value = Problem> {
    let n = cells * vocab;
    let numbers = move |count| prop::collection::vec(-1.0f64..1.0, count);
    let sets = prop::collection::vec(prop::bool::weighted(0.6), n);
    (numbers(n * n), numbers(n), numbers(n), sets, numbers(cells)).prop_map(move |(root, a, b, mut allowed, flags)| {
        let at = |i: usize, j: usize| {
            if convex {
                (0..n).map(|k| root[k * n + i] * root[k * n + j]).sum()
            } else {
                root[i * n + j] + root[j * n + i]
            }
        };
        let m = (0..n * n).map(|k| at(k / n, k % n)).collect();
        for (cell, set) in allowed.chunks_mut(vocab).enumerate() {
            set[cell % vocab] = true;
        }
        Problem { a, m, b, flags, allowed, ..Problem::flat(cells, vocab) }
    })
}
