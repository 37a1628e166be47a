//! The register tile of the matrix product.

use super::super::element::Element;
use super::blocks::{Block, Place};
use pulp::Simd;

/// Widest tile in elements: three vectors of sixteen.
const WIDEST: usize = 48;

impl<E: Element> Block<'_, E> {
    /// Accumulates one tile over the depth of its panels and stores it.
    #[inline(always)]
    pub(super) fn tile<S: Simd, const MR: usize, const NV: usize, const ROWS: bool>(
        &self,
        s: S,
        ((i, rows), (j, cols)): Place,
        (a, b, kc): (&[E], &[E], usize),
        beta: E,
    ) {
        let width = NV * E::lanes::<S>();
        let mut acc = [[E::splat(s, E::ZERO); NV]; MR];
        let b = &E::vectors::<S>(b).as_chunks::<NV>().0[..kc];
        if ROWS {
            // Rows past the end repeat the last one; their sums are dropped.
            let mut line: [&[E]; MR] = [&[]; MR];
            for (r, line) in line.iter_mut().enumerate() {
                let at = r.min(rows - 1) * self.sa.0;
                *line = a.get(at..at + kc).unwrap_or(&[]);
            }
            assert!(line.iter().all(|l| l.len() == kc));
            for (p, b) in b.iter().enumerate() {
                for r in 0..MR {
                    // SAFETY: `p < kc`, and every line has `kc` elements.
                    let x = E::splat(s, unsafe { *line[r].get_unchecked(p) });
                    for v in 0..NV {
                        acc[r][v] = E::fma(s, x, b[v], acc[r][v]);
                    }
                }
            }
        } else {
            for (a, b) in a.as_chunks::<MR>().0.iter().zip(b) {
                for r in 0..MR {
                    let x = E::splat(s, a[r]);
                    for v in 0..NV {
                        acc[r][v] = E::fma(s, x, b[v], acc[r][v]);
                    }
                }
            }
        }
        if rows == MR && cols == width {
            // A loop of fixed length, which keeps the sums in registers.
            for (r, acc) in acc.iter().enumerate() {
                // SAFETY: the caller of `run` vouches for row `i + r < m`,
                // columns `j..j + cols` of `0..n` or those which they spill to.
                let row = unsafe { self.row(i + r, j, cols) };
                self.store::<S, NV>(s, acc, beta, row);
            }
        } else if cols == width {
            for (r, acc) in acc.iter().enumerate() {
                if r < rows {
                    // SAFETY: as above.
                    let row = unsafe { self.row(i + r, j, cols) };
                    self.store::<S, NV>(s, acc, beta, row);
                }
            }
        } else {
            let mut edge = [E::ZERO; WIDEST];
            let edge = &mut edge[..width];
            for (r, acc) in acc.iter().enumerate() {
                if r < rows {
                    // SAFETY: as above.
                    let row = unsafe { self.row(i + r, j, cols) };
                    edge[..cols].copy_from_slice(row);
                    self.store::<S, NV>(s, acc, beta, edge);
                    row.copy_from_slice(&edge[..cols]);
                }
            }
        }
    }

    /// Columns `j..j + cols` of row `i` of `C`.
    ///
    /// # Safety
    /// `i < m`, columns of which the caller of [`Block::run`] vouches, and no
    /// other live reference to these elements.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    unsafe fn row(&self, i: usize, j: usize, cols: usize) -> &mut [E] {
        // SAFETY: by the contract of this function.
        unsafe { std::slice::from_raw_parts_mut(self.c.add(i * self.sc + j), cols) }
    }

    /// `row = alpha * acc + beta * row`, without reading `row` for `beta = 0`.
    #[inline(always)]
    fn store<S: Simd, const NV: usize>(&self, s: S, acc: &[E::V<S>; NV], beta: E, row: &mut [E]) {
        let (alpha, by) = (E::splat(s, self.alpha), E::splat(s, beta));
        let out = E::vectors_mut::<S>(row);
        for v in 0..NV {
            out[v] = if beta == E::ZERO {
                E::times(s, alpha, acc[v])
            } else {
                E::fma(s, alpha, acc[v], E::times(s, by, out[v]))
            };
        }
    }
}
