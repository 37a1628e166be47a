//! Element-by-element maps and their broadcasts.

use super::element::Element;
use super::par::{rows_per_chunk, simd};
use rayon::prelude::*;

/// A function of one element, applied by [`map`]. Closures implement it.
///
/// Implement it with `#[inline(always)]`, or annotate the closure so, and keep
/// it branch-free: then the loop is vectorised.
pub trait Unary<E>: Copy + Sync {
    /// The image of `x`.
    fn apply(self, x: E) -> E;
}

impl<E, F: Fn(E) -> E + Copy + Sync> Unary<E> for F {
    #[inline(always)]
    fn apply(self, x: E) -> E {
        self(x)
    }
}

/// A function of two elements, applied by [`zip`]. Closures implement it.
pub trait Binary<E>: Copy + Sync {
    /// The image of `(x, y)`.
    fn apply(self, x: E, y: E) -> E;
}

impl<E, F: Fn(E, E) -> E + Copy + Sync> Binary<E> for F {
    #[inline(always)]
    fn apply(self, x: E, y: E) -> E {
        self(x, y)
    }
}

/// An operand of an `(n, m)` result.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a, E> {
    /// An `(n, m)` matrix.
    Full(&'a [E]),
    /// A `(1, m)` row, repeated down.
    Row(&'a [E]),
    /// An `(n, 1)` column, repeated across.
    Column(&'a [E]),
    /// One value, repeated everywhere.
    Scalar(E),
}

/// The part of an operand which belongs to one row.
enum Line<'a, E> {
    Many(&'a [E]),
    One(E),
}

impl<'a, E: Element> Operand<'a, E> {
    #[inline(always)]
    fn line(self, i: usize, m: usize) -> Line<'a, E> {
        match self {
            Operand::Full(x) => Line::Many(&x[i * m..(i + 1) * m]),
            Operand::Row(x) => Line::Many(&x[..m]),
            Operand::Column(x) => Line::One(x[i]),
            Operand::Scalar(x) => Line::One(x),
        }
    }
}

/// `out = f(x)`, element by element; both of the same length.
pub fn map<E: Element>(x: &[E], out: &mut [E], f: impl Unary<E>) {
    assert_eq!(x.len(), out.len(), "map: lengths differ");
    let chunk = rows_per_chunk(x.len(), 1);
    out.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).for_each(|(out, x)| {
        simd(
            #[inline(always)]
            || {
                for (o, &x) in out.iter_mut().zip(x) {
                    *o = f.apply(x);
                }
            },
        );
    });
}

/// `x = f(x)`, element by element.
pub fn map_in_place<E: Element>(x: &mut [E], f: impl Unary<E>) {
    let chunk = rows_per_chunk(x.len(), 1);
    x.par_chunks_mut(chunk).for_each(|x| {
        simd(
            #[inline(always)]
            || {
                for x in x.iter_mut() {
                    *x = f.apply(*x);
                }
            },
        );
    });
}

/// `out = f(a, b)` over an `(n, m)` result with broadcast operands.
pub fn zip<E: Element>(m: usize, a: Operand<'_, E>, b: Operand<'_, E>, out: &mut [E], f: impl Binary<E>) {
    rows(m, out, |i, out| match (a.line(i, m), b.line(i, m)) {
        (Line::Many(a), Line::Many(b)) => binary(a, b, out, f),
        (Line::Many(a), Line::One(b)) => {
            for (o, &a) in out.iter_mut().zip(a) {
                *o = f.apply(a, b);
            }
        }
        (Line::One(a), Line::Many(b)) => {
            for (o, &b) in out.iter_mut().zip(b) {
                *o = f.apply(a, b);
            }
        }
        (Line::One(a), Line::One(b)) => out.fill(f.apply(a, b)),
    });
}

/// `y = f(y, b)` over an `(n, m)` matrix with a broadcast operand.
pub fn zip_in_place<E: Element>(m: usize, y: &mut [E], b: Operand<'_, E>, f: impl Binary<E>) {
    rows(m, y, |i, y| match b.line(i, m) {
        Line::Many(b) => {
            for (y, &b) in y.iter_mut().zip(b) {
                *y = f.apply(*y, b);
            }
        }
        Line::One(b) => {
            for y in y.iter_mut() {
                *y = f.apply(*y, b);
            }
        }
    });
}

#[inline(always)]
fn binary<E: Element>(a: &[E], b: &[E], out: &mut [E], f: impl Binary<E>) {
    for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *o = f.apply(a, b);
    }
}

/// Calls `row(i, row i)` for every row of an `(n, m)` matrix.
#[inline(always)]
fn rows<E: Element>(m: usize, out: &mut [E], row: impl Fn(usize, &mut [E]) + Sync) {
    if out.is_empty() {
        return;
    }
    assert!(m > 0 && out.len().is_multiple_of(m), "result is not a whole number of rows");
    let chunk = rows_per_chunk(out.len() / m, m);
    out.par_chunks_mut(chunk * m).enumerate().for_each(|(c, out)| {
        simd(
            #[inline(always)]
            || {
                for (i, out) in out.chunks_exact_mut(m).enumerate() {
                    row(c * chunk + i, out);
                }
            },
        );
    });
}

/// `y += alpha * x`.
pub fn axpy<E: Element>(alpha: E, x: &[E], y: &mut [E]) {
    let m = y.len();
    assert_eq!(x.len(), m, "axpy: lengths differ");
    let chunk = rows_per_chunk(m, 1);
    y.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).for_each(|(y, x)| {
        simd(
            #[inline(always)]
            || {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = alpha.mul_add(x, *y);
                }
            },
        );
    });
}

/// `y = (1 - t) * y + t * x`: the step of an exponential moving average.
pub fn lerp<E: Element>(t: E, x: &[E], y: &mut [E]) {
    assert_eq!(x.len(), y.len(), "lerp: lengths differ");
    let chunk = rows_per_chunk(y.len(), 1);
    y.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).for_each(|(y, x)| {
        simd(
            #[inline(always)]
            || {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = t.mul_add(x - *y, *y);
                }
            },
        );
    });
}

/// `x = alpha * x`.
pub fn scale<E: Element>(alpha: E, x: &mut [E]) {
    map_in_place(
        x,
        #[inline(always)]
        |x| alpha * x,
    );
}

/// Sets every element to `value`.
pub fn fill<E: Element>(x: &mut [E], value: E) {
    let chunk = rows_per_chunk(x.len(), 1);
    x.par_chunks_mut(chunk).for_each(|x| x.fill(value));
}
