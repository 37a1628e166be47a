//! The modulated root-mean-square norm.

use super::support::{Lanes, THREADS, kernel, lanes, wide};
use crate::launch::args;
use crate::{Cuda, Kind, Matrix};

impl Cuda {
    /// Shape of a launch on rows like those of `x`, and whether runs of 8 are possible.
    fn norm_rows(&self, x: &Matrix, all: &[&Matrix]) -> (Lanes, u32, u32, u32) {
        let l = lanes(x.rows, x.columns, THREADS);
        (l, self.size(x.rows), self.size(x.columns), u32::from(wide(x.columns, all)))
    }

    pub(crate) fn norm(&self, x: &Matrix, w: &Matrix, b: Option<&Matrix>, eps: f64) -> (Matrix, Matrix) {
        let (x, w, b) = (self.stream(x), self.float(w), b.map(|b| self.float(b)));
        let (y, r) = (self.take(x.rows, x.columns, x.kind), self.take(x.rows, 1, Kind::F32));
        let shift = b.as_ref().unwrap_or(&w);
        if self.require_shape("the gain of a norm", &w, 1, x.columns)
            && self.require_shape("the shift of a norm", shift, 1, x.columns)
        {
            let (l, rows, columns, wide) = self.norm_rows(&x, &[&x, &y, &w, shift]);
            let args = args![&y, &r, &x, &w, b.as_ref(), rows, columns, l.group, eps as f32, wide];
            self.launch(kernel("norm", "norm_forward", x.kind), l.blocks, l.threads, 0, args);
        }
        (y, r)
    }

    pub(crate) fn norm_backward(&self, x: &Matrix, w: &Matrix, r: &Matrix, dy: &Matrix) -> Matrix {
        let (x, dy, w, r) = (self.stream(x), self.stream(dy), self.float(w), self.float(r));
        let dx = self.take(x.rows, x.columns, x.kind);
        if self.norm_fits(&x, &w, &[&r], &[&dy]) {
            let (l, rows, columns, wide) = self.norm_rows(&x, &[&x, &dx, &dy, &w]);
            let args = args![&dx, &x, &w, &r, &dy, rows, columns, l.group, wide];
            self.launch(kernel("norm", "norm_backward", x.kind), l.blocks, l.threads, 0, args);
        }
        dx
    }

    pub(crate) fn norm_tangent(&self, x: &Matrix, xt: &Matrix, w: &Matrix, r: &Matrix) -> (Matrix, Matrix) {
        let (x, xt, w, r) = (self.stream(x), self.stream(xt), self.float(w), self.float(r));
        let (yt, rt) = (self.take(x.rows, x.columns, x.kind), self.take(x.rows, 1, Kind::F32));
        if self.norm_fits(&x, &w, &[&r], &[&xt]) {
            let (l, rows, columns, wide) = self.norm_rows(&x, &[&x, &xt, &yt, &w]);
            let args = args![&yt, &rt, &x, &xt, &w, &r, rows, columns, l.group, wide];
            self.launch(kernel("norm", "norm_tangent", x.kind), l.blocks, l.threads, 0, args);
        }
        (yt, rt)
    }

    pub(crate) fn norm_backward_tangent(
        &self,
        x: [&Matrix; 2],
        w: &Matrix,
        r: [&Matrix; 2],
        dy: [&Matrix; 2],
    ) -> Matrix {
        let ([x, xt], [dy, dyt]) = (x.map(|m| self.stream(m)), dy.map(|m| self.stream(m)));
        let (w, [r, rt]) = (self.float(w), r.map(|m| self.float(m)));
        let out = self.take(x.rows, x.columns, x.kind);
        if self.norm_fits(&x, &w, &[&r, &rt], &[&xt, &dy, &dyt]) {
            let (l, rows, columns, wide) = self.norm_rows(&x, &[&x, &xt, &dy, &dyt, &out, &w]);
            let args = args![&out, &x, &xt, &w, &r, &rt, &dy, &dyt, rows, columns, l.group, wide];
            self.launch(kernel("norm", "norm_backward_tangent", x.kind), l.blocks, l.threads, 0, args);
        }
        out
    }

    fn norm_fits(&self, x: &Matrix, w: &Matrix, scales: &[&Matrix], others: &[&Matrix]) -> bool {
        self.agree("an operand of a norm", x, others)
            && self.require_shape("the gain of a norm", w, 1, x.columns)
            && scales.iter().all(|r| self.require_shape("the scale of a norm", r, x.rows, 1))
    }
}
