//! Movement of rows and columns, one-hot rows, constants.

use super::shape::{THREADS, blocks, clear_bytes, in_quads, quad, require_fit, word};
use crate::launch::{Kernel, args};
use crate::{Cuda, Index, Kind, Matrix};

const fn kernel(name: &'static str, kind: Kind) -> Kernel {
    Kernel { family: "move", name, kind }
}

impl Cuda {
    /// The same memory as `(rows, columns)`; the backend fails if the number of elements differs.
    pub(crate) fn reshape(&self, a: &Matrix, rows: usize, columns: usize) -> Matrix {
        if require_fit(self, "a reshape", rows * columns == a.len(), &[(a.rows, a.columns), (rows, columns)]) {
            a.shaped(0, rows, columns)
        } else {
            self.take(rows, columns, a.kind)
        }
    }

    /// Rows `start .. start + len` in the same memory; the backend fails if `a` has fewer.
    pub(crate) fn slice_rows(&self, a: &Matrix, start: usize, len: usize) -> Matrix {
        let fits = start.checked_add(len).is_some_and(|end| end <= a.rows);
        if require_fit(self, "a slice of rows", fits, &[(a.rows, a.columns), (start, len)]) {
            a.shaped(start * a.columns, len, a.columns)
        } else {
            self.take(len, a.columns, a.kind)
        }
    }

    /// A copy of columns `start .. start + len`; the backend fails if `a` has fewer.
    pub(crate) fn slice_columns(&self, a: &Matrix, start: usize, len: usize) -> Matrix {
        let out = self.take(a.rows, len, a.kind);
        let fits = start.checked_add(len).is_some_and(|end| end <= a.columns);
        if require_fit(self, "a slice of columns", fits, &[(a.rows, a.columns), (start, len)]) {
            self.shift_columns(a, &out, start, false);
        }
        out
    }

    /// A copy of `a` that begins at column `start` of `total`, zero beside it; the backend fails if it does not fit.
    pub(crate) fn pad_columns(&self, a: &Matrix, start: usize, total: usize) -> Matrix {
        let out = self.take(a.rows, total, a.kind);
        let fits = start.checked_add(a.columns).is_some_and(|end| end <= total);
        if require_fit(self, "padded columns", fits, &[(a.rows, a.columns), (start, total)]) {
            self.shift_columns(a, &out, start, true);
        }
        out
    }

    /// `out[i, j] = a[i, j - by]`, or `j + by` where columns move left.
    fn shift_columns(&self, a: &Matrix, out: &Matrix, by: usize, right: bool) {
        let wide = quad(a.kind);
        let (name, unit) =
            if in_quads(&[a, out]) && by.is_multiple_of(wide) { ("shift_quads", wide) } else { ("shift", 1) };
        let count = out.len() / unit;
        let [width, source, by] = [out.columns, a.columns, by].map(|x| word(self, "columns", x / unit));
        let by = if right { by.cast_signed() } else { -by.cast_signed() };
        let args = args![out, a, count as u64, width, source, by];
        self.launch(kernel(name, a.kind), blocks(count), THREADS, 0, args);
    }

    /// A matrix whose row `i` is row `index[i]` of `a`, or zero where `a` has no such row.
    pub(crate) fn gather_rows(&self, a: &Matrix, index: &Index) -> Matrix {
        let out = self.take(index.len, a.columns, a.kind);
        let (name, unit) = if in_quads(&[a, &out]) { ("gather_quads", quad(a.kind)) } else { ("gather", 1) };
        let count = out.len() / unit;
        let (rows, width) = (word(self, "gathered rows", a.rows), word(self, "gathered rows", a.columns / unit));
        let args = args![&out, a, index, count as u64, rows, width];
        self.launch(kernel(name, a.kind), blocks(count), THREADS, 0, args);
        out
    }

    /// Rows of single precision with 1 in column `index[i]` and else 0; all zero if there is no such column.
    pub(crate) fn one_hot(&self, index: &Index, columns: usize) -> Matrix {
        let out = self.take(index.len, columns, Kind::F32);
        let args = args![&out, index, out.len() as u64, word(self, "one-hot rows", columns)];
        self.launch(kernel("one_hot", Kind::F32), blocks(out.len()), THREADS, 0, args);
        out
    }

    /// A new matrix of single precision whose elements are all `value`, rounded.
    pub(crate) fn fill(&self, rows: usize, columns: usize, value: f64) -> Matrix {
        let out = self.take(rows, columns, Kind::F32);
        let value = value as f32;
        if value.to_bits() == 0 {
            clear_bytes(self, out.address(), out.bytes());
        } else {
            let args = args![&out, out.len() as u64, value];
            self.launch(kernel("fill", Kind::F32), blocks(out.len()), THREADS, 0, args);
        }
        out
    }
}
