//! The gated residual `h + a * y` with a gain `a` by column.
//!
//! `h`, `y`, `dh` … are `(n, m)`, `a` is `(1, m)`. The gradient of `a` is
//! [`super::reduce::column_dot`] of `dh` and `y`.

use super::element::Element;
use super::elementwise::{Operand, zip};
use super::par::{rows_per_chunk, simd};
use rayon::prelude::*;

/// `out = h + a * y`.
pub fn residual<E: Element>(h: &[E], a: &[E], y: &[E], out: &mut [E]) {
    assert_eq!(h.len(), out.len(), "gate: shapes differ");
    out.copy_from_slice(h);
    residual_in_place(out, a, y);
}

/// `h += a * y`.
pub fn residual_in_place<E: Element>(h: &mut [E], a: &[E], y: &[E]) {
    let m = a.len();
    assert!(h.len() == y.len() && (h.is_empty() || (m > 0 && h.len().is_multiple_of(m))), "gate: shapes differ");
    if h.is_empty() {
        return;
    }
    let chunk = rows_per_chunk(h.len() / m, m) * m;
    h.par_chunks_mut(chunk).zip(y.par_chunks(chunk)).for_each(|(h, y)| {
        simd(
            #[inline(always)]
            || {
                for (h, y) in h.chunks_exact_mut(m).zip(y.chunks_exact(m)) {
                    for ((h, &y), &a) in h.iter_mut().zip(y).zip(a) {
                        *h = a.mul_add(y, *h);
                    }
                }
            },
        );
    });
}

/// `dy = a * dh`.
pub fn backward<E: Element>(a: &[E], dh: &[E], dy: &mut [E]) {
    assert_eq!(dh.len(), dy.len(), "gate: shapes differ");
    zip(
        a.len(),
        Operand::Row(a),
        Operand::Full(dh),
        dy,
        #[inline(always)]
        |a: E, dh: E| a * dh,
    );
}
