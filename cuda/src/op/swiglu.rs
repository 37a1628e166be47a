//! The gated unit `silu(u1) u3` on `u = [u1 | u3]`.

use super::support::{THREADS, blocks, kernel, wide};
use crate::launch::args;
use crate::{Cuda, Matrix};

impl Cuda {
    /// Whether `tall` are like `u (n, 2F)` and `short` are `(n, F)`; otherwise the failure is kept.
    fn halves(&self, u: &Matrix, tall: &[&Matrix], short: &[&Matrix]) -> bool {
        self.require_shape("a gated unit", u, u.rows, u.columns / 2 * 2)
            && self.agree("a gated unit", u, tall)
            && short.iter().all(|y| self.require_shape("the result of a gated unit", y, u.rows, u.columns / 2))
    }

    pub(crate) fn swiglu(&self, u: &Matrix) -> Matrix {
        let u = self.stream(u);
        let out = self.take(u.rows, u.columns / 2, u.kind);
        if self.halves(&u, &[], &[]) {
            let wide = wide(out.columns, &[&u, &out]);
            let args = args![&out, &u, self.size(out.columns), out.len() as u64, u32::from(wide)];
            self.launch(kernel("swiglu", "swiglu", u.kind), blocks(out.len()), THREADS, 0, args);
        }
        out
    }

    pub(crate) fn swiglu_backward(&self, u: &Matrix, dy: &Matrix) -> Matrix {
        let (u, dy) = (self.stream(u), self.stream(dy));
        let du = self.take(u.rows, u.columns, u.kind);
        if self.halves(&u, &[], &[&dy]) {
            let wide = wide(dy.columns, &[&u, &dy, &du]);
            let args = args![&du, &u, &dy, self.size(dy.columns), dy.len() as u64, u32::from(wide)];
            self.launch(kernel("swiglu", "swiglu_backward", u.kind), blocks(dy.len()), THREADS, 0, args);
        }
        du
    }

    pub(crate) fn swiglu_tangent(&self, u: &Matrix, ut: &Matrix) -> Matrix {
        let (u, ut) = (self.stream(u), self.stream(ut));
        let out = self.take(u.rows, u.columns / 2, u.kind);
        if self.halves(&u, &[&ut], &[]) {
            let wide = wide(out.columns, &[&u, &ut, &out]);
            let args = args![&out, &u, &ut, self.size(out.columns), out.len() as u64, u32::from(wide)];
            self.launch(kernel("swiglu", "swiglu_tangent", u.kind), blocks(out.len()), THREADS, 0, args);
        }
        out
    }

    pub(crate) fn swiglu_backward_tangent(&self, u: [&Matrix; 2], dy: [&Matrix; 2]) -> Matrix {
        let ([u, ut], [dy, dyt]) = (u.map(|m| self.stream(m)), dy.map(|m| self.stream(m)));
        let out = self.take(u.rows, u.columns, u.kind);
        if self.halves(&u, &[&ut], &[&dy, &dyt]) {
            let wide = wide(dy.columns, &[&u, &ut, &dy, &dyt, &out]);
            let args = args![&out, &u, &ut, &dy, &dyt, self.size(dy.columns), dy.len() as u64, u32::from(wide)];
            self.launch(kernel("swiglu", "swiglu_backward_tangent", u.kind), blocks(dy.len()), THREADS, 0, args);
        }
        out
    }
}
