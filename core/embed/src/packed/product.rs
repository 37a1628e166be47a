//! Products with stored matrices.

use super::kernel::{self, Isa, Product};
use super::matrix::Matrix;

impl Matrix<'_> {
    /// `y = W[row, :]`; false, and `y` as it was, if there is no such row or `y` is not `columns` long.
    pub fn row_into(&self, row: usize, y: &mut [f32]) -> bool {
        if row >= self.rows || y.len() != self.columns {
            return false;
        }
        kernel::decode(self.storage, &self.row(row), y);
        true
    }

    /// `y = x W^T` for `x (n, columns)`, `y (n, rows)`. Every value is the sum of eight lanes, element `k` in lane
    /// `k % 8`, added as `((l0 + l4) + (l2 + l6)) + ((l1 + l5) + (l3 + l7))`. Where the lengths of `x` and `y` do not
    /// fit the sizes, `y` becomes NaN.
    pub fn product(&self, kernel: Isa, x: &[f32], y: &mut [f32]) {
        let one = Product::One;
        self.run(kernel, (one, Product::Many), (self.columns, self.rows), x, y);
    }

    /// `y = x W` for `x (n, rows)`, `y (n, columns)`. Every value is a sum over rows in order, from +0 on. Where the
    /// lengths of `x` and `y` do not fit the sizes, `y` becomes NaN.
    pub fn adjoint(&self, kernel: Isa, x: &[f32], y: &mut [f32]) {
        self.run(kernel, (Product::AdjointOne, Product::AdjointMany), (self.rows, self.columns), x, y);
    }

    fn run(&self, kernel: Isa, (one, many): (Product, Product), (from, to): (usize, usize), x: &[f32], y: &mut [f32]) {
        let fits = |n: usize| n.checked_mul(from) == Some(x.len()) && n.checked_mul(to) == Some(y.len());
        match x.len().checked_div(from) {
            Some(0) if x.is_empty() && y.is_empty() => {}
            Some(1) if fits(1) => kernel::run(kernel, one, self, x, y),
            Some(n) if n > 1 && fits(n) => kernel::run(kernel, many, self, x, y),
            _ => y.fill(f32::NAN),
        }
    }
}
