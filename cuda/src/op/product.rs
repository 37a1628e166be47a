//! Matrix products. Results with one row or one column, and products of a column with a row, are memory-bound: they
//! have kernels of their own that read every storage type and sum in single precision. All others go to the driver.

use ebt_core::compute::Layout;

use super::support::{THREADS, blocks, kernel, wide};
use crate::driver::{Operand, Product};
use crate::launch::args;
use crate::{Cuda, Kind, Matrix};

/// What a product is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Purpose {
    /// Of two tensors.
    Tensors,
    /// With a parameter on the right, whose copy in stream type is used.
    Weight,
    /// As `Weight`, result in single precision and as exact as the storage types allow: decisions hang on it.
    Scores,
}

/// A whole matrix as an operand.
pub(super) fn operand(m: &Matrix) -> Operand {
    Operand { address: m.address(), kind: m.kind, stride: m.columns }
}

/// `m` as one row.
fn row(m: &Matrix) -> Matrix {
    m.shaped(0, 1, m.len())
}

impl Cuda {
    pub(crate) fn matmul(&self, a: &Matrix, b: &Matrix, layout: Layout) -> Matrix {
        self.multiply(a, b, layout, Purpose::Tensors)
    }
    pub(crate) fn linear(&self, x: &Matrix, w: &Matrix) -> Matrix {
        self.multiply(x, w, Layout::NT, Purpose::Weight)
    }
    pub(crate) fn linear_adjoint(&self, dy: &Matrix, w: &Matrix) -> Matrix {
        self.multiply(dy, w, Layout::NN, Purpose::Weight)
    }
    /// As [`Cuda::linear`], the result always in single precision.
    pub(crate) fn linear_wide(&self, x: &Matrix, w: &Matrix) -> Matrix {
        self.multiply(x, w, Layout::NT, Purpose::Scores)
    }

    fn multiply(&self, a: &Matrix, b: &Matrix, layout: Layout, purpose: Purpose) -> Matrix {
        let (m, k, n, inner) = match layout {
            Layout::NN => (a.rows, a.columns, b.columns, b.rows),
            Layout::NT => (a.rows, a.columns, b.rows, b.columns),
            Layout::TN => (a.columns, a.rows, b.columns, b.rows),
        };
        let slim = m == 1 || n == 1;
        let kind = if slim || purpose == Purpose::Scores { Kind::F32 } else { self.stream_kind() };
        let out = self.take(m, n, kind);
        if inner != k {
            self.differ("a matrix product", a, b);
        } else if slim {
            self.vector_product(&out, a, b, layout);
        } else if k == 1 {
            self.outer(&out, a, b, false);
        } else {
            let a = self.stream(a);
            let b = if purpose == Purpose::Tensors { self.stream(b) } else { self.narrow_copy(b) };
            self.product(&Product {
                layout,
                m,
                n,
                k,
                a: operand(&a),
                b: operand(&b),
                c: operand(&out),
                alpha: 1.0,
                accumulate: false,
                exact: purpose == Purpose::Scores,
            });
        }
        out
    }

    /// A product with one row or one column: dot products with the rows of one operand, or a weighted sum of its rows.
    fn vector_product(&self, out: &Matrix, a: &Matrix, b: &Matrix, layout: Layout) {
        if out.len() == 1 {
            self.row_dot(out, &row(a), b);
        } else if out.columns == 1 {
            match layout {
                Layout::NN | Layout::NT => self.row_dot(out, a, b),
                Layout::TN => self.weighted_rows(out, a, b, false),
            }
        } else {
            match layout {
                Layout::NN | Layout::TN => self.weighted_rows(out, b, a, false),
                Layout::NT => self.row_dot(out, b, a),
            }
        }
    }

    /// `out_ij (+)= a_i b_j`.
    fn outer(&self, out: &Matrix, a: &Matrix, b: &Matrix, accumulate: bool) {
        let runs = wide(out.columns, &[out, b]);
        let (columns, count) = (self.size(out.columns), out.len() as u64);
        let args =
            args![out, a, a.kind as u32, b, b.kind as u32, columns, count, u32::from(accumulate), u32::from(runs)];
        self.launch(kernel("vector", "outer", out.kind), blocks(out.len()), THREADS, 0, args);
    }

    /// Rows `start ..` of `slot` `+= dy^T x`.
    pub(crate) fn accumulate_product(&self, slot: &mut Matrix, start: usize, dy: &Matrix, x: &Matrix) {
        let (m, n, k) = (dy.columns, x.columns, dy.rows);
        if x.rows != k || slot.columns != n || start + m > slot.rows {
            return self.differ("a collected product", dy, x);
        }
        self.writable(slot);
        let target = slot.shaped(start * n, m, n);
        if m == 1 {
            self.weighted_rows(&target, x, dy, true);
        } else if n == 1 {
            self.weighted_rows(&target, dy, x, true);
        } else if k == 1 {
            self.outer(&target, dy, x, true);
        } else {
            let (dy, x) = (self.stream(dy), self.stream(x));
            self.product(&Product {
                layout: Layout::TN,
                m,
                n,
                k,
                a: operand(&dy),
                b: operand(&x),
                c: operand(&target),
                alpha: 1.0,
                accumulate: true,
                exact: false,
            });
        }
    }
}
