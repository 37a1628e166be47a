//! Rotary position embedding on interleaved pairs of columns.

use super::element::Element;
use super::par::{rows_per_chunk, simd};
use rayon::prelude::*;

/// Cosines and sines of the rotation angles, each `(positions, width / 2)`:
/// the angle of pair `i` at position `p` is `p * theta^(-2 i / width)` radians,
/// computed in `f64`.
pub fn tables<E: Element>(positions: usize, width: usize, theta: f64) -> (Vec<E>, Vec<E>) {
    let half = width / 2;
    (0..positions * half)
        .map(|at| {
            let (p, i) = (at / half, at % half);
            let angle = p as f64 * theta.powf(-2.0 * i as f64 / width as f64);
            (E::from_f64(angle.cos()), E::from_f64(angle.sin()))
        })
        .unzip()
}

/// The columns which are rotated and the positions of the rows.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Columns of a row in memory.
    pub total: usize,
    /// Number of heads at the start of a row; the rest is left alone.
    pub heads: usize,
    /// Columns of a head, even.
    pub width: usize,
    /// Rows of a sequence.
    pub context: usize,
    /// Position of the first row of a sequence.
    pub offset: usize,
}

/// Rotates each pair `(2 i, 2 i + 1)` of the first `heads * width` columns of
/// `x (n, total)` in place by the angle of position `row % context + offset`,
/// or back by it (`inverse`).
///
/// `cos`, `sin`: of [`tables`], at least `context + offset` positions.
pub fn rotate<E: Element>(x: &mut [E], layout: Layout, cos: &[E], sin: &[E], inverse: bool) {
    let Layout { total, heads, width, context, offset } = layout;
    let half = width / 2;
    assert!(width.is_multiple_of(2) && heads * width <= total, "rotary: bad layout");
    if x.is_empty() || half == 0 {
        return;
    }
    let n = x.len() / total;
    let last = context.min(n) + offset;
    assert!(x.len() == n * total && context > 0, "rotary: rows are not whole");
    assert!(cos.len().min(sin.len()) >= last * half, "rotary: tables are too short");
    let sign = if inverse { -E::ONE } else { E::ONE };
    let chunk = rows_per_chunk(n, total);
    x.par_chunks_mut(chunk * total).enumerate().for_each(|(c, x)| {
        simd(
            #[inline(always)]
            || {
                for (i, row) in x.chunks_exact_mut(total).enumerate() {
                    let at = ((c * chunk + i) % context + offset) * half;
                    let (cos, sin) = (&cos[at..at + half], &sin[at..at + half]);
                    for head in row[..heads * width].chunks_exact_mut(width) {
                        let pairs = head.as_chunks_mut::<2>().0;
                        for ((pair, &c), &s) in pairs.iter_mut().zip(cos).zip(sin) {
                            let [a, b] = *pair;
                            let s = sign * s;
                            *pair = [a * c - b * s, a * s + b * c];
                        }
                    }
                }
            },
        );
    });
}
