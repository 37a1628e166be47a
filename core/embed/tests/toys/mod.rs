//! Small potentials with known energies, and a descent in lent memory.
#![allow(dead_code)]

use ebt::engine::arena::Arena;
use ebt::engine::descent::{Certificate, Descent, DescentOptions, Dynamics, Outcome, Potential, StepReport};
use ebt::engine::{Error, SessionOptions};
use ebt_core::config::UpdateRule;
use std::ops::ControlFlow;

/// An energy of one distribution, in f64.
#[derive(Clone, Debug)]
pub enum Energy {
    /// `1/2 (P - a)^T M (P - a) + s <b, P>` with `M (V,V)` symmetric, `s` the landscape.
    Quadratic { a: Vec<f64>, m: Vec<f64>, b: Vec<f64> },
    /// `-sum a ln P`: `exp(-E / tau)` over logits is a Dirichlet distribution of `P` with parameters `a / tau`.
    Dirichlet(Vec<f64>),
}

impl Energy {
    pub fn vocab(&self) -> usize {
        match self {
            Self::Quadratic { a, .. } | Self::Dirichlet(a) => a.len(),
        }
    }

    pub fn value(&self, s: usize, p: &[f64]) -> f64 {
        match self {
            Self::Quadratic { a, m, b } => {
                let d: Vec<f64> = p.iter().zip(a).map(|(p, a)| p - a).collect();
                let md = product(m, &d);
                0.5 * inner(&d, &md) + s as f64 * inner(b, p)
            }
            Self::Dirichlet(a) => -a.iter().zip(p).map(|(a, p)| a * p.ln()).sum::<f64>(),
        }
    }

    pub fn gradient(&self, s: usize, p: &[f64]) -> Vec<f64> {
        match self {
            Self::Quadratic { a, m, b } => {
                let d: Vec<f64> = p.iter().zip(a).map(|(p, a)| p - a).collect();
                product(m, &d).iter().zip(b).map(|(g, b)| g + s as f64 * b).collect()
            }
            Self::Dirichlet(a) => a.iter().zip(p).map(|(a, p)| -a / p).collect(),
        }
    }

    pub fn curved(&self, p: &[f64], u: &[f64]) -> Vec<f64> {
        match self {
            Self::Quadratic { m, .. } => product(m, u),
            Self::Dirichlet(a) => a.iter().zip(p).zip(u).map(|((a, p), u)| a / (p * p) * u).collect(),
        }
    }
}

pub fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub fn product(m: &[f64], x: &[f64]) -> Vec<f64> {
    m.chunks(x.len()).map(|row| inner(row, x)).collect()
}

pub fn softmax(y: &[f64]) -> Vec<f64> {
    let top = y.iter().copied().fold(f64::MIN, f64::max);
    let e: Vec<f64> = y.iter().map(|y| (y - top).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

/// Rows of energies; counts evaluations and refuses gradients that no energy came before.
pub struct Toy {
    pub energies: Vec<Energy>,
    last: Vec<Option<(usize, Vec<f64>)>>,
    pub counted: [u64; 3],
}

impl Toy {
    pub fn new(energies: Vec<Energy>) -> Self {
        Self { last: vec![None; energies.len()], energies, counted: [0; 3] }
    }

    fn at(&self, r: usize) -> (usize, &[f64]) {
        let (s, p) = self.last[r].as_ref().expect("an energy before the gradient");
        (*s, p)
    }
}

fn single(x: &[f64]) -> impl Iterator<Item = f32> + '_ {
    x.iter().map(|x| *x as f32)
}

impl Potential for Toy {
    fn rows(&self) -> usize {
        self.energies.len()
    }

    fn vocab(&self) -> usize {
        self.energies[0].vocab()
    }

    fn energy(&mut self, landscape: usize, p: &[f32], active: &[bool], energies: &mut [f32]) {
        for (r, p) in p.chunks(self.vocab()).enumerate().filter(|(r, _)| active[*r]) {
            let p: Vec<f64> = p.iter().map(|p| f64::from(*p)).collect();
            energies[r] = self.energies[r].value(landscape, &p) as f32;
            self.last[r] = Some((landscape, p));
            self.counted[0] += 1;
        }
    }

    fn gradient(&mut self, active: &[bool], g: &mut [f32]) {
        let v = self.vocab();
        for r in (0..self.rows()).filter(|r| active[*r]) {
            let (s, p) = self.at(r);
            let found = self.energies[r].gradient(s, p);
            g[r * v..][..v].iter_mut().zip(single(&found)).for_each(|(g, x)| *g = x);
            self.counted[1] += 1;
        }
    }

    fn curvature(&mut self, active: &[bool], u: &[f32], hu: &mut [f32]) -> bool {
        let v = self.vocab();
        for r in (0..self.rows()).filter(|r| active[*r]) {
            let u: Vec<f64> = u[r * v..][..v].iter().map(|u| f64::from(*u)).collect();
            let found = self.energies[r].curved(self.at(r).1, &u);
            hu[r * v..][..v].iter_mut().zip(single(&found)).for_each(|(h, x)| *h = x);
            self.counted[2] += 1;
        }
        true
    }
}

/// A model of one landscape that starts at zero.
pub fn dynamics(update: UpdateRule, alpha: f32) -> Dynamics {
    Dynamics { update, landscapes: 1, steps: 2, alpha, zero_start: true, sigma0: 0.0, tau: 0.0 }
}

/// Runs on memory of exactly the measured size and shows the finished descent.
pub fn run<T>(
    toy: &mut Toy,
    (think, dynamics, positions): (&DescentOptions, &Dynamics, &[usize]),
    on_step: &mut dyn FnMut(&StepReport<'_>) -> ControlFlow<()>,
    look: impl FnOnce(&Descent<'_>, Outcome) -> T,
) -> Result<T, Error> {
    let steps = if think.steps == 0 { dynamics.steps } else { think.steps };
    let options = SessionOptions { block: 1, rows: toy.rows(), steps, curvature: true, ..SessionOptions::default() };
    let mut counting = Arena::measure();
    Descent::alloc(&mut counting, toy.rows(), toy.vocab(), &options)?;
    let mut memory = vec![0u32; counting.used() / 4];
    let mut arena = Arena::over(bytemuck::cast_slice_mut(&mut memory))?;
    let mut descent = Descent::alloc(&mut arena, toy.rows(), toy.vocab(), &options)?;
    let outcome = descent.run(toy, think, dynamics, positions.iter().copied(), on_step)?;
    assert_eq!(toy.counted, [outcome.energies, outcome.gradients, outcome.curvatures]);
    Ok(look(&descent, outcome))
}

/// As [`run`], for one position and its certificate and logits.
pub fn certified<T>(
    energy: &Energy,
    think: &DescentOptions,
    dynamics: &Dynamics,
    look: impl FnOnce(Certificate<'_>, &[f32]) -> T,
) -> T {
    let mut toy = Toy::new(vec![energy.clone(); think.candidates]);
    let seen = run(&mut toy, (think, dynamics, &[5]), &mut |_| ControlFlow::Continue(()), |d, _| {
        look(d.certificate(0).expect("finished"), d.logits(0))
    });
    seen.expect("a run")
}
