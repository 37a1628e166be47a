//! Root-mean-square norm with a gain and an optional shift by column:
//! `y = r * x * w + b`, `r = 1 / sqrt(mean(x^2) + eps)`, means over a row.
//!
//! `x`, `y`, `dy` … are `(n, m)`, `w`, `b` are `(1, m)`, `r` is `(n)`.

mod params;
mod tangent;

use super::element::Element;
use super::lanes::{self, fold};
use super::par::{rows_per_chunk, simd};
pub use params::{gain_gradient, gain_gradient_tangent};
use rayon::prelude::*;
pub use tangent::{backward_tangent, forward_tangent};

/// `y = r * x * w + b` and `r`.
pub fn forward<E: Element>(x: &[E], w: &[E], b: Option<&[E]>, eps: E, y: &mut [E], r: &mut [E]) {
    let m = w.len();
    check(m, r.len(), &[x.len(), y.len()]);
    assert!(b.is_none_or(|b| b.len() == m), "norm: shapes differ");
    let chunk = rows_per_chunk(r.len(), m);
    let outs = y.par_chunks_mut(chunk * m).zip(r.par_chunks_mut(chunk));
    outs.zip(x.par_chunks(chunk * m)).for_each(|((y, r), x)| {
        simd(
            #[inline(always)]
            || {
                let rows = y.chunks_exact_mut(m).zip(x.chunks_exact(m));
                for ((y, x), r) in rows.zip(r) {
                    *r = E::ONE / (mean(m, lanes::dot(x, x)) + eps).sqrt();
                    row(x, w, b, *r, y);
                }
            },
        );
    });
}

#[inline(always)]
fn row<E: Element>(x: &[E], w: &[E], b: Option<&[E]>, r: E, y: &mut [E]) {
    let ins = x.iter().zip(w);
    match b {
        Some(b) => {
            for ((y, (&x, &w)), &b) in y.iter_mut().zip(ins).zip(b) {
                *y = (r * x).mul_add(w, b);
            }
        }
        None => {
            for (y, (&x, &w)) in y.iter_mut().zip(ins) {
                *y = r * x * w;
            }
        }
    }
}

/// `dx = r * u - r^3 * mean(u * x) * x` with `u = w * dy`.
pub fn backward<E: Element>(x: &[E], w: &[E], r: &[E], dy: &[E], dx: &mut [E]) {
    let m = w.len();
    check(m, r.len(), &[x.len(), dy.len(), dx.len()]);
    let chunk = rows_per_chunk(r.len(), m);
    let ins = x.par_chunks(chunk * m).zip(dy.par_chunks(chunk * m));
    let ins = ins.zip(r.par_chunks(chunk));
    dx.par_chunks_mut(chunk * m).zip(ins).for_each(|(dx, ((x, dy), r))| {
        simd(
            #[inline(always)]
            || {
                let ins = x.chunks_exact(m).zip(dy.chunks_exact(m)).zip(r);
                for (dx, ((x, dy), &r)) in dx.chunks_exact_mut(m).zip(ins) {
                    backward_row(x, w, r, dy, dx);
                }
            },
        );
    });
}

/// One row of [`backward`].
#[inline(always)]
fn backward_row<E: Element>(x: &[E], w: &[E], r: E, dy: &[E], dx: &mut [E]) {
    let m = w.len();
    let (x, dy, dx) = (&x[..m], &dy[..m], &mut dx[..m]);
    let inner = fold!(acc, E::ZERO; x in x, w in w, dy in dy => (w * dy).mul_add(x, acc));
    let back = r * r * r * mean(m, lanes::total(inner));
    for j in 0..m {
        dx[j] = r * (w[j] * dy[j]) - back * x[j];
    }
}

/// The mean of a row of `m` elements with the given sum.
#[inline(always)]
fn mean<E: Element>(m: usize, sum: E) -> E {
    sum / E::from_f64(m as f64)
}

fn check(m: usize, n: usize, lens: &[usize]) {
    assert!(m > 0 && lens.iter().all(|&len| len == n * m), "norm: shapes differ");
}
