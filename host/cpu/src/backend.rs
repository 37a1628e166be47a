//! Storage, optimiser and randomness on the CPU.

use std::rc::Rc;

use ebt_core::compute::{AdamW, Backend, Compute, ParameterStep, Parameters};
use ebt_core::error::Error;
use ebt_core::random::Stream;

use super::kernel::element::Element;
use super::kernel::{elementwise, noise, optim, reduce};
use super::{Cpu, Matrix, Ranks, blend};

impl<E: Element> Cpu<E> {
    /// A matrix of the elements of `array`, whose strides may be any: transposed and sliced views are read in place.
    #[cfg(feature = "ndarray")]
    pub fn array(&self, array: ndarray::ArrayView2<'_, E>) -> Matrix<E> {
        let (rows, columns) = array.dim();
        self.write("move", rows, columns, |out| out.iter_mut().zip(&array).for_each(|(o, &x)| *o = x))
    }

    /// A matrix of `f` of every value of `data`, which is in row-major order.
    fn copy_rows<X: Copy + Sync>(&self, rows: usize, columns: usize, data: &[X], f: fn(X) -> E) -> Matrix<E> {
        if rows.checked_mul(columns) != Some(data.len()) {
            let message = format!("{} values for {rows} x {columns}", data.len());
            self.fail(Error::Shape { what: "an upload".to_owned(), message });
            return self.fill(rows, columns, 0.0);
        }
        self.write("move", rows, columns, |out| out.iter_mut().zip(data).for_each(|(o, &x)| *o = f(x)))
    }
}

impl<E: Element> Backend for Cpu<E> {
    type Array = Matrix<E>;

    fn upload(&self, rows: usize, columns: usize, data: &[f32]) -> Matrix<E> {
        self.copy_rows(rows, columns, data, |x| E::from_f64(f64::from(x)))
    }
    fn upload_f64(&self, rows: usize, columns: usize, data: &[f64]) -> Matrix<E> {
        self.copy_rows(rows, columns, data, E::from_f64)
    }
    fn download(&self, a: &Matrix<E>, out: &mut [f32]) {
        out.iter_mut().zip(a.slice()).for_each(|(o, x)| *o = x.to_f64() as f32);
    }
    fn download_f64(&self, a: &Matrix<E>, out: &mut [f64]) {
        out.iter_mut().zip(a.slice()).for_each(|(o, x)| *o = x.to_f64());
    }
    fn index(&self, data: &[u32]) -> Rc<[u32]> {
        data.into()
    }
    fn download_index(&self, a: &Rc<[u32]>, out: &mut [u32]) {
        out.iter_mut().zip(a.iter()).for_each(|(o, &x)| *o = x);
    }
    fn normal(&self, rows: usize, columns: usize, stream: Stream, first: u64, sigma: f64) -> Matrix<E> {
        let (key, high) = (stream.key(), stream.high());
        self.write("normal", rows, columns, |out| noise::normal(key, high, first, E::from_f64(sigma), out))
    }

    fn axpy(&self, mut acc: Matrix<E>, factor: &Matrix<E>, x: &Matrix<E>) -> Matrix<E> {
        if (acc.rows, acc.columns) != (x.rows, x.columns) || factor.columns != 1 {
            let message = format!("{} x {} and {} x {}", acc.rows, acc.columns, x.rows, x.columns);
            self.fail(Error::Shape { what: "axpy".to_owned(), message });
            return acc;
        }
        let (m, factors, x) = (acc.columns.max(1), factor.slice(), x.slice());
        self.update("axpy", &mut acc, |acc| blend::axpy(m, factors, x, acc));
        acc
    }
    fn clear(&self, a: &mut Matrix<E>) {
        self.update("fill", a, |out| elementwise::fill(out, E::ZERO));
    }
    fn sum_squares(&self, list: &[Matrix<E>]) -> Matrix<E> {
        let sum: f64 = list
            .iter()
            .map(|a| {
                let x = a.slice();
                self.run("sum_squares", || reduce::sum_squares(x))
            })
            .sum();
        self.fill(1, 1, sum)
    }
    fn update(&self, p: Parameters<'_, Matrix<E>>, constants: AdamW, step: &Matrix<E>) {
        let mut numbers = [0.0; 5];
        self.download_f64(step, &mut numbers);
        for p in p.one_by_one(constants, numbers) {
            let ([first, second], gradient) = (p.moments, p.gradient.slice());
            match p.step {
                Some(ParameterStep::AdamW(step)) => {
                    let (w, m, v) = (p.weight.own(), first.own(), second.own());
                    self.run("adamw", || optim::adamw(w, m, v, gradient, step));
                }
                Some(ParameterStep::Direction(step)) => {
                    let (w, m, d) = (p.weight.own(), first.own(), second.slice());
                    self.run("follow", || optim::follow(w, m, d, gradient, step));
                }
                None => {}
            }
            if let Some(average) = p.average {
                let (take, x) = (E::from_f64(1.0 - p.keep), p.weight.slice());
                self.update("average", average, |out| elementwise::lerp(take, x, out));
            }
        }
    }

    fn sum_ranks(&self, list: &mut [&mut Matrix<E>]) {
        let Some(Ranks { collective, fast }) = &self.ranks else { return };
        let mut lists: Vec<&mut [E]> = list.iter_mut().map(|a| a.own()).collect();
        if let Err(lost) = E::sum_ranks(&**collective, &mut lists, *fast) {
            self.fail(Error::Device(lost.to_string()));
        }
    }
    fn sum_count(&self, count: u64) -> u64 {
        let Some(Ranks { collective, .. }) = &self.ranks else { return count };
        let all = collective.numbers(count).unwrap_or_else(|lost| {
            self.fail(Error::Device(lost.to_string()));
            Vec::new()
        });
        all.iter().sum()
    }

    fn status(&self) -> Result<(), Error> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }
    fn name(&self) -> &str {
        &self.name
    }
}
