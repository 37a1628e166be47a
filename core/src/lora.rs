//! Low-rank adaptation (Hu et al., arXiv 2106.09685): a matrix moves by a product of two small ones.
//!
//! `W = W_0 + s B A` with `A (r, columns)`, `B (rows, r)` and `s = alpha / r`; `W_0` stays as it is. A backward pass finds the gradient
//! `dW` of the whole matrix as ever, and by the chain rule `dA = s B^T dW`, `dB = s dW A^T`. So no layer knows of it: weights hold `W`
//! at every time, and an update moves `A` and `B` and puts `W` together again.

use alloc::vec::Vec;

use crate::compute::{AdamW, Backend, Layout, ParamGroup, Parameters, Rule};
use crate::parameters::{ParameterId, ParameterLayout};
use crate::random::{Purpose, Stream};

/// A matrix that is adapted: rows of a parameter, which may stack several matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adapted {
    /// The parameter.
    pub id: ParameterId,
    /// First row.
    pub start: usize,
    /// Number of rows.
    pub rows: usize,
}

/// Adapters of a model in training.
#[derive(Clone, Debug)]
pub struct Lora<T> {
    /// Factor on the products, `alpha / r`.
    pub scale: f64,
    /// The matrices, by parameter.
    pub of: Vec<Adapted>,
    /// For every matrix `A (r, columns)`, then `B^T (r, rows)`.
    pub weights: Vec<T>,
    /// First moments, in the shapes of the weights.
    pub first: Vec<T>,
    /// Second moments, in the shapes of the weights.
    pub second: Vec<T>,
    /// What the parameters that hold adapted matrices ([`parameters`]) began with.
    pub base: Vec<T>,
    /// Gradients of the last step, in the shapes of the weights.
    gradients: Vec<T>,
}

/// Shapes of `A` and `B^T` of every matrix.
pub fn shapes(layout: &ParameterLayout, of: &[Adapted], rank: usize) -> Vec<(usize, usize)> {
    of.iter().flat_map(|at| [(rank, layout.entries[at.id].columns), (rank, at.rows)]).collect()
}

/// The parameters that hold adapted matrices, each once.
pub fn parameters(of: &[Adapted]) -> Vec<ParameterId> {
    let mut ids: Vec<ParameterId> = of.iter().map(|at| at.id).collect();
    ids.dedup();
    ids
}

impl<T: Clone> Lora<T> {
    /// Adapters that change nothing yet: `A` is drawn from `N(0, 1 / columns)` by `seed`, `B` is zero. `weights` are those of the model.
    pub fn new<B: Backend<Array = T>>(
        b: &B,
        layout: &ParameterLayout,
        weights: &[T],
        of: Vec<Adapted>,
        (rank, alpha): (usize, f64),
        seed: u64,
    ) -> Self {
        let draw = |(i, (rows, columns)): (usize, (usize, usize))| {
            let stream = Stream::new(seed, i as u32, Purpose::Adapters);
            let std = if i % 2 == 0 { 1.0 / libm::sqrt(columns as f64) } else { 0.0 };
            let values: Vec<f64> = (0..(rows * columns) as u64).map(|i| std * stream.normal(i)).collect();
            b.upload_f64(rows, columns, &values)
        };
        let shapes = shapes(layout, &of, rank);
        let own = shapes.iter().copied().enumerate().map(draw).collect();
        // a copy, not a second handle: weights are updated in place
        let base = parameters(&of).into_iter().map(|id| b.scale(&weights[id], 1.0)).collect();
        Self::with(b, alpha / rank as f64, of, own, base)
    }

    /// Adapters with given weights, and moments of zero.
    pub fn with<B: Backend<Array = T>>(b: &B, scale: f64, of: Vec<Adapted>, weights: Vec<T>, base: Vec<T>) -> Self {
        let zeros = || {
            let zero = |own: &T| {
                let (rows, columns) = b.shape(own);
                b.fill(rows, columns, 0.0)
            };
            weights.iter().map(zero).collect()
        };
        let (first, second, gradients) = (zeros(), zeros(), zeros());
        Self { scale, of, weights, first, second, base, gradients }
    }

    /// The gradients of the last step, in the shapes of the weights.
    pub fn gradients(&self) -> &[T] {
        &self.gradients
    }

    /// Finds the gradients of the adapters from those of the parameters, written in place: a recorded step finds them where they were.
    pub fn differentiate<B: Backend<Array = T>>(&mut self, b: &B, of_parameters: &[T]) {
        for (i, at) in self.of.iter().enumerate() {
            let whole = b.slice_rows(&of_parameters[at.id], at.start, at.rows);
            let [a, transposed] = [2 * i, 2 * i + 1].map(|k| &self.weights[k]);
            let da = b.scale(&b.matmul(transposed, &whole, Layout::NN), self.scale);
            let db = b.scale(&b.matmul(a, &whole, Layout::NT), self.scale);
            for (k, gradient) in [(2 * i, da), (2 * i + 1, db)] {
                b.clear(&mut self.gradients[k]);
                b.accumulate(&mut self.gradients[k], &gradient);
            }
        }
    }

    /// One step of AdamW on the adapters, and the weights put together again. Where the factor in `step` is no number, all stays as it is;
    /// see [`Backend::update`].
    pub fn update<B: Backend<Array = T>>(
        &mut self,
        b: &B,
        (constants, decay): (AdamW, f64),
        step: &T,
        weights: &mut [T],
    ) {
        let param_groups = alloc::vec![ParamGroup { rate: 1.0, decay, rule: Rule::AdamW }; self.weights.len()];
        let parameters = Parameters {
            weights: &mut self.weights,
            first: &mut self.first,
            second: &mut self.second,
            average: &mut [],
            gradients: &self.gradients,
            param_groups: &param_groups,
        };
        b.update(parameters, constants, step);
        self.merge(b, weights);
    }

    /// Writes `W_0 + s B A` to the weights, in place.
    pub fn merge<B: Backend<Array = T>>(&self, b: &B, weights: &mut [T]) {
        for (id, base) in parameters(&self.of).into_iter().zip(&self.base) {
            b.clear(&mut weights[id]);
            b.accumulate(&mut weights[id], base);
        }
        for (at, own) in self.of.iter().zip(self.weights.chunks_exact(2)) {
            b.accumulate_product(&mut weights[at.id], at.start, &b.scale(&own[1], self.scale), &own[0]);
        }
    }
}
