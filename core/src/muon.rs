//! Muon (Jordan et al. 2024, <https://kellerjordan.github.io/posts/muon>): a matrix moves along the orthogonal matrix that is
//! nearest to its momentum, so that all its directions move as fast.
//!
//! With momentum `m' = mu m + (1 - mu) g`, looked at one step ahead, `u = mu m' + (1 - mu) g` (Nesterov): the direction of a
//! matrix of `(r, c)` is `0.2 sqrt(max(r, c)) orthogonal(u)`, whose root mean square, 0.2, is about that of AdamW's steps, so
//! that both share rate and decay (Liu et al., arXiv 2502.16982, section 2.2).

use crate::compute::{Backend, Layout};
use crate::parameters::Part;

/// Coefficients of `x -> a x + b x^3 + c x^5`, which drives singular values in (0, 1] to about 1 within [`ROUNDS`] rounds.
const QUINTIC: [f64; 3] = [3.4445, -4.7750, 2.0315];
const ROUNDS: usize = 5;

/// Root mean square of a direction.
const SIZE: f64 = 0.2;

/// Keeps the norm of a matrix of zeros from being divided by.
const TINY: f64 = 1e-37;

/// The direction of a parameter that stacks matrices; `factor (1,1)` is that on the gradient.
pub fn direction<B: Backend>(
    b: &B,
    (first, gradient): (&B::Array, &B::Array),
    factor: &B::Array,
    momentum: f64,
    parts: &[Part],
) -> B::Array {
    let (rows, columns) = b.shape(gradient);
    let fresh = b.scale(factor, 1.0 - momentum);
    let mean = b.axpy(b.scale(first, momentum), &fresh, gradient);
    let ahead = b.axpy(b.scale(&mean, momentum), &fresh, gradient);
    let found = parts.iter().map(|part| {
        let size = SIZE * libm::sqrt(part.rows.max(columns) as f64);
        let of_part = orthogonal(b, &b.slice_rows(&ahead, part.start, part.rows));
        let line = b.reshape(&b.scale(&of_part, size), 1, part.rows * columns);
        b.pad_columns(&line, part.start * columns, rows * columns)
    });
    let all = found.reduce(|all, part| b.add(&all, &part)).unwrap_or_else(|| b.fill(1, rows * columns, 0.0));
    b.reshape(&all, rows, columns)
}

/// About `U V^T` of `x = U S V^T`, by Newton and Schulz: `X' = (a + b A + c A^2) X` with `A = X X^T`, or `X (a + b A + c A^2)` with
/// `A = X^T X`, whichever is smaller.
fn orthogonal<B: Backend>(b: &B, x: &B::Array) -> B::Array {
    let (rows, columns) = b.shape(x);
    let tall = rows > columns;
    let norm = b.rsqrt(&b.offset(&b.sum_squares(core::slice::from_ref(x)), TINY));
    let mut x = b.mul(x, &norm);
    let [first, third, fifth] = QUINTIC;
    for _ in 0..ROUNDS {
        let gram = b.matmul(&x, &x, if tall { Layout::TN } else { Layout::NT });
        let bent = b.add(&b.scale(&gram, third), &b.scale(&b.matmul(&gram, &gram, Layout::NN), fifth));
        let bent = if tall { b.matmul(&x, &bent, Layout::NN) } else { b.matmul(&bent, &x, Layout::NN) };
        x = b.add(&b.scale(&x, first), &bent);
    }
    x
}
