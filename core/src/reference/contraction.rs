//! Products of the reference backend.

use super::{Indices, Matrix, Real, Reference};
use crate::compute::{Band, Layout, Route};

impl<'a, E: Real> Reference<'a, E> {
    pub(super) fn product(&self, a: &Matrix<'a, E>, b: &Matrix<'a, E>, layout: Layout) -> Matrix<'a, E> {
        let (m, k, n, inner) = match layout {
            Layout::NN => (a.rows, a.columns, b.columns, b.rows),
            Layout::NT => (a.rows, a.columns, b.rows, b.columns),
            Layout::TN => (a.columns, a.rows, b.columns, b.rows),
        };
        self.require_shape("a matrix product", inner == k, a, b);
        let left = |i, l| if layout == Layout::TN { a.at(l, i) } else { a.at(i, l) };
        let right = |l, j| if layout == Layout::NT { b.at(j, l) } else { b.at(l, j) };
        self.build(m, n, |i, j| (0..k).fold(E::default(), |s, l| s.add(left(i, l).mul(right(l, j)))))
    }

    pub(super) fn grouped_product(
        &self,
        x: &Matrix<'a, E>,
        w: &Matrix<'a, E>,
        route: &Route<Indices<'a>>,
        layout: Layout,
    ) -> Matrix<'a, E> {
        let experts = route.experts;
        let expert_of = |row: usize| (0..experts).find(|&e| row < route.offsets.get(e + 1)).unwrap_or(0);
        match layout {
            Layout::NT => {
                // x (slots,k), w (E n, k)
                let n = w.rows / experts;
                self.require_shape("a grouped product", w.columns == x.columns, x, w);
                self.build(x.rows, n, |i, j| {
                    let row = expert_of(i) * n + j;
                    (0..x.columns).fold(E::default(), |s, l| s.add(x.at(i, l).mul(w.at(row, l))))
                })
            }
            Layout::NN => {
                // x (slots,n), w (E n, k)
                let n = w.rows / experts;
                self.require_shape("a grouped product", n == x.columns, x, w);
                self.build(x.rows, w.columns, |i, j| {
                    let first = expert_of(i) * n;
                    (0..n).fold(E::default(), |s, l| s.add(x.at(i, l).mul(w.at(first + l, j))))
                })
            }
            Layout::TN => {
                // x (slots,n), w (slots,k) -> (E n, k)
                let n = x.columns;
                self.require_shape("a grouped product", x.rows == w.rows, x, w);
                self.build(experts * n, w.columns, |i, j| {
                    let (e, l) = (i / n, i % n);
                    let rows = route.offsets.get(e)..route.offsets.get(e + 1);
                    rows.fold(E::default(), |s, r| s.add(x.at(r, l).mul(w.at(r, j))))
                })
            }
        }
    }

    pub(super) fn band_scores(&self, q: &Matrix<'a, E>, k: &Matrix<'a, E>, band: Band) -> Matrix<'a, E> {
        let (d, slots, share) = (band.head_dim, band.slots, band.heads / band.kv_heads);
        self.build(q.rows, band.heads * slots, |row, column| {
            let (h, t) = (column / slots, row % band.context);
            let Some(u) = band.meets(t, column % slots) else { return E::default() };
            let key = row - t + u;
            (0..d).fold(E::default(), |s, i| s.add(q.at(row, h * d + i).mul(k.at(key, h / share * d + i))))
        })
    }

    pub(super) fn band_values(&self, s: &Matrix<'a, E>, v: &Matrix<'a, E>, band: Band) -> Matrix<'a, E> {
        let (d, slots, share) = (band.head_dim, band.slots, band.heads / band.kv_heads);
        self.build(s.rows, band.heads * d, |row, column| {
            let (h, i, t) = (column / d, column % d, row % band.context);
            let keys = (0..slots).filter_map(|j| Some((j, row - t + band.meets(t, j)?)));
            keys.fold(E::default(), |sum, (j, key)| sum.add(s.at(row, h * slots + j).mul(v.at(key, h / share * d + i))))
        })
    }

    pub(super) fn band_adjoint(&self, s: &Matrix<'a, E>, q: &Matrix<'a, E>, band: Band) -> Matrix<'a, E> {
        let (d, slots, share) = (band.head_dim, band.slots, band.heads / band.kv_heads);
        self.build(s.rows, band.kv_heads * d, |row, column| {
            let (k, i, u) = (column / d, column % d, row % band.context);
            let mut sum = E::default();
            for h in k * share..(k + 1) * share {
                for t in u.saturating_sub(band.ahead)..band.context.min(u + slots - band.ahead) {
                    let Some(j) = band.slot(t, u) else { continue };
                    let query = row - u + t;
                    sum = sum.add(s.at(query, h * slots + j).mul(q.at(query, h * d + i)));
                }
            }
            sum
        })
    }
}
