//! Sums over rows, columns and lists, in a fixed order; results are single precision.

use super::support::{THREADS, kernel, lanes, wide};
use crate::launch::{Arg, args};
use crate::{Cuda, Kind, Matrix};

/// Matrices of one launch of the sum of squares, and elements of one of its blocks; the kernel has the same numbers.
const MEMBERS: usize = 40;
const SHARE: usize = 16_384;
/// Blocks that a sum over many rows is split into.
const SPLIT: usize = 1024;

impl Cuda {
    fn by_rows(&self, name: &'static str, a: &Matrix) -> Matrix {
        let out = self.take(a.rows, 1, Kind::F32);
        let l = lanes(a.rows, a.columns, THREADS);
        let (rows, columns) = (self.size(a.rows), self.size(a.columns));
        let args = args![&out, a, rows, columns, l.group, u32::from(wide(a.columns, &[a]))];
        self.launch(kernel("reduce", name, a.kind), l.blocks, l.threads, 0, args);
        out
    }
    pub(crate) fn sum_columns(&self, a: &Matrix) -> Matrix {
        self.by_rows("sum_columns", a)
    }
    pub(crate) fn max_columns(&self, a: &Matrix) -> Matrix {
        self.by_rows("max_columns", a)
    }

    /// `out_i = sum_j x_ij b_j`; `b` has as many elements as `x` has columns, `out` as many as rows.
    pub(super) fn row_dot(&self, out: &Matrix, x: &Matrix, b: &Matrix) {
        let l = lanes(x.rows, x.columns, THREADS);
        let (rows, columns) = (self.size(x.rows), self.size(x.columns));
        let args = args![out, x, b, b.kind as u32, rows, columns, l.group, u32::from(wide(x.columns, &[x, b]))];
        self.launch(kernel("reduce", "row_dot", x.kind), l.blocks, l.threads, 0, args);
    }

    /// Column sums of `x y r` (`y (n,m)` of the type of `x`, `r (n,1)` single precision; both may be absent) into
    /// `first` and of `y` into `second`; both hold `m` numbers in single precision.
    pub(super) fn by_columns(
        &self,
        first: &Matrix,
        second: Option<&Matrix>,
        (x, y, r): (&Matrix, Option<&Matrix>, Option<&Matrix>),
        accumulate: bool,
    ) {
        let runs = wide(x.columns, &[x]) && y.is_none_or(|y| wide(y.columns, &[y]));
        let across = x.columns.div_ceil(if runs { 256 } else { 32 });
        let chunk = x.rows.div_ceil(x.rows.div_ceil(64).min((SPLIT / across).max(1)));
        let chunks = x.rows.div_ceil(chunk);
        let partial = |wanted: bool| wanted.then(|| self.take(chunks, x.columns, Kind::F32));
        let (one, two) = (partial(true), partial(second.is_some()));
        let (rows, columns) = (self.size(x.rows), self.size(x.columns));
        let args = args![one.as_ref(), two.as_ref(), x, y, r, rows, columns, self.size(chunk), u32::from(runs)];
        self.launch(kernel("reduce", "column_partial", x.kind), [across, chunks], THREADS, 0, args);
        for (out, partial) in [(Some(first), one), (second, two)] {
            if let (Some(out), Some(partial)) = (out, partial) {
                let args = args![out, &partial, self.size(chunks), columns, u32::from(accumulate)];
                self.launch(kernel("reduce", "column_finish", Kind::F32), x.columns.div_ceil(32), THREADS, 0, args);
            }
        }
    }

    pub(crate) fn sum_rows(&self, a: &Matrix) -> Matrix {
        let out = self.take(1, a.columns, Kind::F32);
        self.by_columns(&out, None, (a, None, None), false);
        out
    }

    /// `out_j (+)= sum_i weights_i x_ij`; `weights` has as many elements as `x` has rows, `out` as many as columns.
    pub(super) fn weighted_rows(&self, out: &Matrix, x: &Matrix, weights: &Matrix, accumulate: bool) {
        let weights = self.float(weights);
        self.by_columns(out, None, (x, None, Some(&weights)), accumulate);
    }

    pub(crate) fn accumulate_dot(&self, slot: &mut Matrix, x: &Matrix, y: &Matrix) {
        if !self.agree("a collected dot product", x, &[y]) || !self.require_shape("its slot", slot, 1, x.columns) {
            return;
        }
        self.writable(slot);
        let (x, y) = self.common(x, y);
        self.by_columns(slot, None, (&x, Some(&y), None), true);
    }

    pub(crate) fn accumulate_norm(
        &self,
        dw: &mut Matrix,
        db: Option<&mut Matrix>,
        x: &Matrix,
        r: &Matrix,
        dy: &Matrix,
    ) {
        let fits = self.agree("the gradient of a norm", x, &[dy])
            && self.require_shape("the scale of a norm", r, x.rows, 1)
            && self.require_shape("the gradient of a norm's gain", dw, 1, x.columns)
            && db.as_ref().is_none_or(|db| self.require_shape("the gradient of a norm's shift", db, 1, x.columns));
        if !fits {
            return;
        }
        self.writable(dw);
        let db = db.map(|db| {
            self.writable(db);
            &*db
        });
        let ((x, dy), r) = (self.common(x, dy), self.float(r));
        self.by_columns(dw, db, (&x, Some(&dy), Some(&r)), true);
    }

    pub(crate) fn sum_squares(&self, list: &[Matrix]) -> Matrix {
        let blocks = |m: &Matrix| m.len().div_ceil(SHARE);
        let total: usize = list.iter().map(blocks).sum();
        if total == 0 {
            let mut zero = self.take(1, 1, Kind::F32);
            self.clear(&mut zero);
            return zero;
        }
        let partial = self.take(1, total, Kind::F32);
        let mut done = 0;
        for members in list.chunks(MEMBERS) {
            let mut words = [0; 3 * MEMBERS];
            let mut first = 0;
            for (i, m) in members.iter().enumerate() {
                (words[i], words[MEMBERS + i]) = (m.address(), m.len() as u64);
                let half = |x: u32| u64::from(x) << (32 * (i % 2));
                words[2 * MEMBERS + i / 2] |= half(m.kind as u32);
                words[2 * MEMBERS + MEMBERS / 2 + i / 2] |= half(self.size(first));
                first += blocks(m);
            }
            if first > 0 {
                let table = Arg::Words(&words);
                let args = args![partial.address() + 4 * done as u64, table, self.size(members.len())];
                self.launch(kernel("reduce", "sum_squares", Kind::F32), first, THREADS, 0, args);
            }
            done += first;
        }
        self.sum_columns(&partial)
    }
}
