//! Primitives and gradient sink of the reference backend.

use super::{Indices, Matrix, Real, Reference};
use crate::compute::{Band, Classes, Compute, Layout, Relations, Rotary, Route, RouteSpec};

impl<'a, E: Real> Compute for Reference<'a, E> {
    type Leaf = Matrix<'a, E>;
    type Tensor = Matrix<'a, E>;
    type Index = Indices<'a>;

    fn lift(&self, leaf: &Self::Leaf) -> Self::Tensor {
        leaf.clone()
    }
    fn shape(&self, a: &Self::Tensor) -> (usize, usize) {
        (a.rows, a.columns)
    }

    fn fill(&self, rows: usize, columns: usize, value: f64) -> Self::Tensor {
        let value = E::from_f64(value);
        self.build(rows, columns, |_, _| value)
    }
    fn add(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor {
        self.zip(a, b, E::add)
    }
    fn mul(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor {
        self.zip(a, b, E::mul)
    }
    fn scale(&self, a: &Self::Tensor, factor: f64) -> Self::Tensor {
        let factor = E::from_f64(factor);
        self.map(a, |x| x.mul(factor))
    }
    fn offset(&self, a: &Self::Tensor, constant: f64) -> Self::Tensor {
        let constant = E::from_f64(constant);
        self.map(a, |x| x.add(constant))
    }
    fn exp(&self, a: &Self::Tensor) -> Self::Tensor {
        self.map(a, E::exp)
    }
    fn ln(&self, a: &Self::Tensor) -> Self::Tensor {
        self.map(a, E::ln)
    }
    fn recip(&self, a: &Self::Tensor) -> Self::Tensor {
        let one = E::from_f64(1.0);
        self.map(a, |x| one.div(x))
    }
    fn rsqrt(&self, a: &Self::Tensor) -> Self::Tensor {
        let one = E::from_f64(1.0);
        self.map(a, |x| one.div(x.sqrt()))
    }
    fn sigmoid(&self, a: &Self::Tensor) -> Self::Tensor {
        let (one, minus) = (E::from_f64(1.0), E::from_f64(-1.0));
        self.map(a, |x| one.div(one.add(x.mul(minus).exp())))
    }
    fn heaviside(&self, a: &Self::Tensor) -> Self::Tensor {
        let zero = E::default();
        self.map(a, |x| if x > zero { E::from_f64(1.0) } else { zero })
    }

    fn sum_columns(&self, a: &Self::Tensor) -> Self::Tensor {
        self.build(a.rows, 1, |i, _| (0..a.columns).fold(E::default(), |s, j| s.add(a.at(i, j))))
    }
    fn sum_rows(&self, a: &Self::Tensor) -> Self::Tensor {
        self.build(1, a.columns, |_, j| (0..a.rows).fold(E::default(), |s, i| s.add(a.at(i, j))))
    }
    fn max_columns(&self, a: &Self::Tensor) -> Self::Tensor {
        let least = E::from_f64(f64::NEG_INFINITY);
        let greater = |s: E, x: E| if x > s { x } else { s };
        self.build(a.rows, 1, |i, _| (0..a.columns).fold(least, |s, j| greater(s, a.at(i, j))))
    }

    fn matmul(&self, a: &Self::Tensor, b: &Self::Tensor, layout: Layout) -> Self::Tensor {
        self.product(a, b, layout)
    }
    fn grouped(&self, x: &Self::Tensor, w: &Self::Tensor, route: &Route<Self::Index>, layout: Layout) -> Self::Tensor {
        self.grouped_product(x, w, route, layout)
    }
    fn window_scores(&self, q: &Self::Tensor, k: &Self::Tensor, band: Band) -> Self::Tensor {
        self.band_scores(q, k, band)
    }
    fn window_mix(&self, s: &Self::Tensor, v: &Self::Tensor, band: Band) -> Self::Tensor {
        self.band_values(s, v, band)
    }
    fn window_scatter(&self, s: &Self::Tensor, q: &Self::Tensor, band: Band) -> Self::Tensor {
        self.band_adjoint(s, q, band)
    }
    fn window_mask(&self, band: Band, starts: Option<&Self::Index>) -> Self::Tensor {
        let hidden = E::from_f64(-1e30);
        self.build(band.batch * band.context, band.heads * band.slots, |row, column| {
            let first = starts.map_or(0, |s| s.get(row));
            let key = band.meets(row % band.context, column % band.slots);
            if key.is_some_and(|u| u >= first) { E::default() } else { hidden }
        })
    }
    fn relation_bias(&self, band: Band, relations: Relations<'_, Self::Leaf, Self::Index>) -> Self::Tensor {
        let Relations { bias, classes } = relations;
        self.build(band.batch * band.context, band.heads * band.slots, |row, column| {
            let (t, h, slot) = (row % band.context, column / band.slots, column % band.slots);
            let class = band.meets(t, slot).map(|u| classes.table.get(classes.place(band.context, t, u)));
            class.map_or(E::default(), |class| bias.at(class, h))
        })
    }

    fn reshape(&self, a: &Self::Tensor, rows: usize, columns: usize) -> Self::Tensor {
        let out = Matrix { handle: a.handle.clone(), rows, columns };
        self.require_shape("a reshape", rows * columns == a.rows * a.columns, a, &out);
        out
    }
    fn slice_columns(&self, a: &Self::Tensor, start: usize, len: usize) -> Self::Tensor {
        self.build(a.rows, len, |i, j| a.at(i, start + j))
    }
    fn pad_columns(&self, a: &Self::Tensor, start: usize, total: usize) -> Self::Tensor {
        self.build(
            a.rows,
            total,
            |i, j| if j >= start && j - start < a.columns { a.at(i, j - start) } else { E::default() },
        )
    }
    fn slice_rows(&self, a: &Self::Tensor, start: usize, len: usize) -> Self::Tensor {
        Matrix { handle: a.handle.view(start * a.columns, len * a.columns), rows: len, columns: a.columns }
    }
    fn gather_rows(&self, a: &Self::Tensor, index: &Self::Index) -> Self::Tensor {
        self.build(index.len(), a.columns, |i, j| a.at(index.get(i), j))
    }
    fn scatter_rows(&self, a: &Self::Tensor, index: &Self::Index, rows: usize) -> Self::Tensor {
        let out = self.fill(rows, a.columns, 0.0);
        self.scatter_into(&out, index, a);
        out
    }
    fn one_hot(&self, index: &Self::Index, columns: usize) -> Self::Tensor {
        self.build(index.len(), columns, |i, j| E::from_f64(f64::from(u8::from(index.get(i) == j))))
    }
    fn rotary(&self, a: &Self::Tensor, rotary: &Rotary, inverse: bool) -> Self::Tensor {
        let (d, turned) = (rotary.head_dim, rotary.heads * rotary.head_dim);
        let sign = if inverse { -1.0 } else { 1.0 };
        self.build(a.rows, a.columns, |row, column| {
            if column >= turned {
                return a.at(row, column);
            }
            let i = column % d / 2;
            let position = (row % rotary.context + rotary.offset) as f64;
            let angle = position * libm::pow(rotary.theta, -(2.0 * i as f64) / d as f64);
            let (cos, sin) = (E::from_f64(libm::cos(angle)), E::from_f64(sign * libm::sin(angle)));
            let even = column / 2 * 2;
            let (x0, x1) = (a.at(row, even), a.at(row, even + 1));
            if column == even {
                x0.mul(cos).add(x1.mul(sin).mul(E::from_f64(-1.0)))
            } else {
                x0.mul(sin).add(x1.mul(cos))
            }
        })
    }
    fn route(&self, gate: &Self::Tensor, bias: Option<&Self::Leaf>, spec: &RouteSpec) -> Route<Self::Index> {
        self.choose_experts(gate, bias, spec)
    }

    fn accumulate(&self, slot: &mut Self::Leaf, a: &Self::Tensor) {
        self.require_shape("a collected gradient", (slot.rows, slot.columns) == (a.rows, a.columns), slot, a);
        self.own(slot);
        for i in 0..a.rows * a.columns {
            slot.accumulate(i, a.get(i));
        }
    }
    fn accumulate_product(&self, slot: &mut Self::Leaf, start: usize, dy: &Self::Tensor, x: &Self::Tensor) {
        let product = self.product(dy, x, Layout::TN);
        self.require_shape(
            "a collected product",
            start + dy.columns <= slot.rows && slot.columns == x.columns,
            slot,
            &product,
        );
        self.own(slot);
        for i in 0..product.rows * product.columns {
            slot.accumulate(start * slot.columns + i, product.get(i));
        }
    }
    fn accumulate_grouped(
        &self,
        slot: &mut Self::Leaf,
        dy: &Self::Tensor,
        x: &Self::Tensor,
        route: &Route<Self::Index>,
    ) {
        let product = self.grouped_product(dy, x, route, Layout::TN);
        self.accumulate(slot, &product);
    }
    fn accumulate_dot(&self, slot: &mut Self::Leaf, x: &Self::Tensor, y: &Self::Tensor) {
        let sum = self.sum_rows(&self.mul(x, y));
        self.accumulate(slot, &sum);
    }
    fn accumulate_scatter(&self, slot: &mut Self::Leaf, index: &Self::Index, a: &Self::Tensor) {
        self.own(slot);
        self.scatter_into(slot, index, a);
    }
    fn accumulate_relations(
        &self,
        slot: &mut Self::Leaf,
        s: &Self::Tensor,
        band: Band,
        classes: Classes<'_, Self::Index>,
    ) {
        self.own(slot);
        for row in 0..s.rows {
            for column in 0..s.columns {
                let (t, h, j) = (row % band.context, column / band.slots, column % band.slots);
                if let Some(u) = band.meets(t, j) {
                    let class = classes.table.get(classes.place(band.context, t, u));
                    slot.accumulate(class * slot.columns + h, s.at(row, column));
                }
            }
        }
    }
    fn accumulate_norm(
        &self,
        dw: &mut Self::Leaf,
        db: Option<&mut Self::Leaf>,
        x: &Self::Tensor,
        r: &Self::Tensor,
        dy: &Self::Tensor,
    ) {
        let unit = self.mul(x, r);
        self.accumulate_dot(dw, &unit, dy);
        if let Some(db) = db {
            let sum = self.sum_rows(dy);
            self.accumulate(db, &sum);
        }
    }
    fn add_outer_cotangent(&self, a: &Self::Tensor, leaf: &Self::Leaf) -> Self::Tensor {
        self.add(a, leaf)
    }
}

impl<'a, E: Real> Reference<'a, E> {
    fn scatter_into(&self, out: &Matrix<'a, E>, index: &Indices<'a>, a: &Matrix<'a, E>) {
        for i in 0..index.len().min(a.rows) {
            let row = index.get(i);
            if row >= out.rows {
                self.require_shape("a scattered row", false, out, a);
                continue;
            }
            for j in 0..a.columns {
                out.accumulate(row * out.columns + j, a.at(i, j));
            }
        }
    }
}
