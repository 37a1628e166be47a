//! Storage, optimiser and randomness of the reference backend.

use super::{Matrix, Real, Reference};
use crate::compute::{AdamW, AdamWStep, Backend, Compute, DirectionStep, ParameterStep, Parameters};
use crate::error::Error;
use crate::random::Stream;

impl<'a, E: Real> Reference<'a, E> {
    fn adamw(
        &self,
        weight: &mut Matrix<'a, E>,
        [first, second]: [&mut Matrix<'a, E>; 2],
        gradient: &Matrix<'a, E>,
        s: AdamWStep,
    ) {
        self.own(weight);
        self.own(first);
        self.own(second);
        let AdamW { beta1, beta2, eps } = s.constants;
        for i in 0..weight.rows * weight.columns {
            let g = s.factor * gradient.get(i).to_f64();
            let m = beta1 * first.get(i).to_f64() + (1.0 - beta1) * g;
            let v = beta2 * second.get(i).to_f64() + (1.0 - beta2) * g * g;
            first.set(i, E::from_f64(m));
            second.set(i, E::from_f64(v));
            let p = weight.get(i).to_f64() * (1.0 - s.rate * s.decay);
            let change = s.rate * (m / s.correction1) / (libm::sqrt(v / s.correction2) + eps);
            weight.set(i, E::from_f64(p - change));
        }
    }

    fn follow(
        &self,
        weight: &mut Matrix<'a, E>,
        [first, direction]: [&mut Matrix<'a, E>; 2],
        gradient: &Matrix<'a, E>,
        s: DirectionStep,
    ) {
        self.own(weight);
        self.own(first);
        for i in 0..weight.rows * weight.columns {
            let g = s.factor * gradient.get(i).to_f64();
            first.set(i, E::from_f64(s.momentum * first.get(i).to_f64() + (1.0 - s.momentum) * g));
            let p = weight.get(i).to_f64() * (1.0 - s.rate * s.decay);
            weight.set(i, E::from_f64(p - s.rate * direction.get(i).to_f64()));
        }
    }

    fn average(&self, average: &mut Matrix<'a, E>, a: &Matrix<'a, E>, keep: f64) {
        self.own(average);
        for i in 0..a.rows * a.columns {
            let (old, new) = (average.get(i).to_f64(), a.get(i).to_f64());
            average.set(i, E::from_f64(old + (1.0 - keep) * (new - old)));
        }
    }
}

impl<'a, E: Real> Backend for Reference<'a, E> {
    type Array = Matrix<'a, E>;

    fn upload(&self, rows: usize, columns: usize, data: &[f32]) -> Self::Array {
        self.build(rows, columns, |i, j| E::from_f64(data.get(i * columns + j).map_or(0.0, |&x| f64::from(x))))
    }
    fn upload_f64(&self, rows: usize, columns: usize, data: &[f64]) -> Self::Array {
        self.build(rows, columns, |i, j| E::from_f64(data.get(i * columns + j).copied().unwrap_or(0.0)))
    }
    fn download(&self, a: &Self::Array, out: &mut [f32]) {
        for (i, x) in out.iter_mut().enumerate() {
            *x = a.get(i).to_f64() as f32;
        }
    }
    fn download_f64(&self, a: &Self::Array, out: &mut [f64]) {
        for (i, x) in out.iter_mut().enumerate() {
            *x = a.get(i).to_f64();
        }
    }
    fn index(&self, data: &[u32]) -> Self::Index {
        let out = self.take_indices(data.len());
        for (cell, &x) in out.0.cells().iter().zip(data) {
            cell.set(x);
        }
        out
    }
    fn download_index(&self, a: &Self::Index, out: &mut [u32]) {
        for (x, cell) in out.iter_mut().zip(a.0.cells()) {
            *x = cell.get();
        }
    }
    fn normal(&self, rows: usize, columns: usize, stream: Stream, first: u64, sigma: f64) -> Self::Array {
        self.build(rows, columns, |i, j| E::from_f64(sigma * stream.normal(first + (i * columns + j) as u64)))
    }

    fn axpy(&self, mut acc: Self::Array, factor: &Self::Array, x: &Self::Array) -> Self::Array {
        let product = self.zip(x, factor, E::mul);
        self.accumulate(&mut acc, &product);
        acc
    }
    fn clear(&self, a: &mut Self::Array) {
        self.own(a);
        for cell in a.handle.cells() {
            cell.set(E::default());
        }
    }
    fn sum_squares(&self, list: &[Self::Array]) -> Self::Array {
        let squares = |a: &Matrix<'a, E>| a.handle.cells().iter().map(|c| c.get().to_f64()).fold(0.0, |s, x| s + x * x);
        let sum: f64 = list.iter().map(squares).sum();
        self.fill(1, 1, sum)
    }
    fn update(&self, p: Parameters<'_, Self::Array>, constants: AdamW, step: &Self::Array) {
        let mut numbers = [0.0; 5];
        self.download_f64(step, &mut numbers);
        for p in p.one_by_one(constants, numbers) {
            match p.step {
                Some(ParameterStep::AdamW(step)) => self.adamw(p.weight, p.moments, p.gradient, step),
                Some(ParameterStep::Direction(step)) => self.follow(p.weight, p.moments, p.gradient, step),
                None => {}
            }
            if let Some(average) = p.average {
                self.average(average, p.weight, p.keep);
            }
        }
    }

    fn streams_vocabulary(&self) -> bool {
        self.capabilities.streams_vocabulary
    }
    fn needs_loss_scale(&self) -> bool {
        self.capabilities.needs_loss_scale
    }
    fn status(&self) -> Result<(), Error> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }
    fn name(&self) -> &str {
        &self.name
    }
}
