//! Storage, optimiser and randomness of the reference backend.

use super::{Matrix, Real, Reference};
use crate::compute::{AdamW, Backend, Compute};
use crate::error::Error;
use crate::random::Stream;

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
    fn adamw(
        &self,
        parameter: &mut Self::Array,
        moments: (&mut Self::Array, &mut Self::Array),
        gradient: &Self::Array,
        factor: &Self::Array,
        s: AdamW,
    ) {
        self.own(parameter);
        self.own(moments.0);
        self.own(moments.1);
        let factor = factor.get(0).to_f64();
        for i in 0..parameter.rows * parameter.columns {
            let g = factor * gradient.get(i).to_f64();
            let m = s.beta1 * moments.0.get(i).to_f64() + (1.0 - s.beta1) * g;
            let v = s.beta2 * moments.1.get(i).to_f64() + (1.0 - s.beta2) * g * g;
            moments.0.set(i, E::from_f64(m));
            moments.1.set(i, E::from_f64(v));
            let p = parameter.get(i).to_f64() * (1.0 - s.rate * s.decay);
            let change = s.rate * (m / s.correction1) / (libm::sqrt(v / s.correction2) + s.eps);
            parameter.set(i, E::from_f64(p - change));
        }
    }
    fn average(&self, average: &mut Self::Array, a: &Self::Array, keep: f64) {
        self.own(average);
        for i in 0..a.rows * a.columns {
            let (old, new) = (average.get(i).to_f64(), a.get(i).to_f64());
            average.set(i, E::from_f64(old + (1.0 - keep) * (new - old)));
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
