//! Sums, maxima and inner products over rows, columns or everything.
//!
//! Every sum has a fixed order: it does not depend on the number of threads.

use super::element::Element;
use super::lanes::{self, fold};
use super::par::{columns_per_chunk, rows_per_chunk, simd, tree_sum};
use rayon::prelude::*;

/// Rows which a sum over rows adds up before it adds them to the total, which
/// keeps the rounding error of long sums low.
const ROWS: usize = 64;
/// Elements of one part of a sum over everything.
const PART: usize = 1 << 14;

/// `out[i] = sum_j x[i, j]`: `(n, m)` to `(n, 1)`.
pub fn sum_columns<E: Element>(m: usize, x: &[E], out: &mut [E]) {
    per_row(
        m,
        x,
        out,
        #[inline(always)]
        |row| lanes::sum(row),
    );
}

/// `out[i] = max_j x[i, j]`: `(n, m)` to `(n, 1)`; a NaN may be passed over.
pub fn max_columns<E: Element>(m: usize, x: &[E], out: &mut [E]) {
    per_row(
        m,
        x,
        out,
        #[inline(always)]
        |row| lanes::max(row),
    );
}

#[inline(always)]
fn per_row<E: Element>(m: usize, x: &[E], out: &mut [E], f: impl Fn(&[E]) -> E + Sync) {
    assert_eq!(x.len(), out.len() * m, "reduction: shapes differ");
    if m == 0 {
        return out.fill(f(&[]));
    }
    let chunk = rows_per_chunk(out.len(), m);
    out.par_chunks_mut(chunk).zip(x.par_chunks(chunk * m)).for_each(|(out, x)| {
        simd(
            #[inline(always)]
            || {
                for (o, row) in out.iter_mut().zip(x.chunks_exact(m)) {
                    *o = f(row);
                }
            },
        );
    });
}

/// `out[j] += sum_i x[i, j]`: `(n, m)` onto `(1, m)`, `m = out.len()`.
pub fn sum_rows<E: Element>(x: &[E], out: &mut [E]) {
    add_rows(
        out,
        [x],
        #[inline(always)]
        |_, acc, at, [x]| {
            for (a, &x) in acc.iter_mut().zip(&x[at..]) {
                *a += x;
            }
        },
    );
}

/// `out[j] += sum_i x[i, j] * y[i, j]`: two `(n, m)` onto `(1, m)`.
pub fn column_dot<E: Element>(x: &[E], y: &[E], out: &mut [E]) {
    add_rows(
        out,
        [x, y],
        #[inline(always)]
        |_, acc, at, [x, y]| {
            let (x, y) = (&x[at..], &y[at..]);
            for ((a, &x), &y) in acc.iter_mut().zip(x).zip(y) {
                *a = x.mul_add(y, *a);
            }
        },
    );
}

/// Adds to `out (1, m)` the sum over all rows of what `add(i, acc, at, xs)`
/// adds to `acc`, the columns of row `i` whose first element is `xs[..][at]`.
#[inline(always)]
pub(super) fn add_rows<E: Element, const N: usize>(
    out: &mut [E],
    xs: [&[E]; N],
    add: impl Fn(usize, &mut [E], usize, [&[E]; N]) + Sync,
) {
    let m = out.len();
    if m == 0 {
        return;
    }
    let n = xs[0].len() / m;
    assert!(xs.iter().all(|x| x.len() == n * m), "reduction: shapes differ");
    let width = columns_per_chunk(n, m);
    out.par_chunks_mut(width).enumerate().for_each(|(c, out)| {
        simd(
            #[inline(always)]
            || {
                // Sixty-four columns at a time stay in registers or cache.
                for (b, out) in out.chunks_mut(64).enumerate() {
                    let first = c * width + b * 64;
                    for i0 in (0..n).step_by(ROWS) {
                        let mut acc = [E::ZERO; 64];
                        let acc = &mut acc[..out.len()];
                        for i in i0..n.min(i0 + ROWS) {
                            add(i, acc, i * m + first, xs);
                        }
                        for (o, &a) in out.iter_mut().zip(acc.iter()) {
                            *o += a;
                        }
                    }
                }
            },
        );
    });
}

/// Sum of all elements, in `f64`.
pub fn sum<E: Element>(x: &[E]) -> f64 {
    parts(
        x.len(),
        #[inline(always)]
        |lo, hi| {
            let x = &x[lo..hi];
            lanes::total(fold!(acc, 0.0; x in x => acc + x.to_f64()))
        },
    )
}

/// Sum of the squares of all elements, in `f64`.
pub fn sum_squares<E: Element>(x: &[E]) -> f64 {
    parts(
        x.len(),
        #[inline(always)]
        |lo, hi| {
            let x = &x[lo..hi];
            lanes::total(fold!(acc, 0.0; x in x => x.to_f64().mul_add(x.to_f64(), acc)))
        },
    )
}

/// Inner product of two slices of equal length, in `f64`.
pub fn dot<E: Element>(x: &[E], y: &[E]) -> f64 {
    assert_eq!(x.len(), y.len(), "dot: lengths differ");
    parts(
        x.len(),
        #[inline(always)]
        |lo, hi| {
            let (x, y) = (&x[lo..hi], &y[lo..hi]);
            lanes::total(fold!(acc, 0.0; x in x, y in y => x.to_f64().mul_add(y.to_f64(), acc)))
        },
    )
}

#[inline(always)]
fn parts(len: usize, part: impl Fn(usize, usize) -> f64 + Sync) -> f64 {
    tree_sum(0, len.div_ceil(PART), &|i| {
        simd(
            #[inline(always)]
            || part(i * PART, len.min((i + 1) * PART)),
        )
    })
}
