//! Softmax over columns, its Jacobian, cross entropy. Logits, shares and gates keep their storage type (which is single
//! precision wherever the model makes them), statistics are single precision.

use super::support::{kernel, lanes, wide};
use crate::launch::args;
use crate::{Cuda, Index, Kind, Matrix};

/// Most threads of a row.
const MOST: u32 = 512;

impl Cuda {
    pub(crate) fn softmax(&self, y: &Matrix) -> Matrix {
        let out = self.take(y.rows, y.columns, y.kind);
        let l = lanes(y.rows, y.columns, MOST);
        let (rows, columns) = (self.size(y.rows), self.size(y.columns));
        let args = args![&out, y, rows, columns, l.group, u32::from(wide(y.columns, &[y, &out]))];
        self.launch(kernel("softmax", "softmax", y.kind), l.blocks, l.threads, 0, args);
        out
    }

    /// `log sum_j exp(y_ij)`, `(n,1)`.
    pub(crate) fn log_sum_exp(&self, y: &Matrix) -> Matrix {
        let out = self.take(y.rows, 1, Kind::F32);
        let l = lanes(y.rows, y.columns, MOST);
        let (rows, columns) = (self.size(y.rows), self.size(y.columns));
        let args = args![&out, y, rows, columns, l.group, u32::from(wide(y.columns, &[y]))];
        self.launch(kernel("softmax", "log_sum_exp", y.kind), l.blocks, l.threads, 0, args);
        out
    }

    pub(crate) fn softmax_backward(&self, p: &Matrix, dp: &Matrix) -> Matrix {
        let (p, dp) = self.common(p, dp);
        let out = self.take(p.rows, p.columns, p.kind);
        if self.agree("a cotangent of softmax", &p, &[&dp]) {
            let l = lanes(p.rows, p.columns, MOST);
            let (rows, columns) = (self.size(p.rows), self.size(p.columns));
            let args = args![&out, &p, &dp, rows, columns, l.group, u32::from(wide(p.columns, &[&p, &dp, &out]))];
            self.launch(kernel("softmax", "softmax_backward", p.kind), l.blocks, l.threads, 0, args);
        }
        out
    }

    pub(crate) fn softmax_backward_tangent(&self, p: [&Matrix; 2], dp: [&Matrix; 2]) -> Matrix {
        let kind = p[0].kind;
        let same = [p[1], dp[0], dp[1]].iter().all(|m| m.kind == kind);
        let unified = |m: &Matrix| if same { m.clone() } else { self.float(m) };
        let ([p, pt], [dp, dpt]) = (p.map(unified), dp.map(unified));
        let out = self.take(p.rows, p.columns, p.kind);
        if self.agree("a tangent of softmax", &p, &[&pt, &dp, &dpt]) {
            let l = lanes(p.rows, p.columns, MOST);
            let (rows, columns) = (self.size(p.rows), self.size(p.columns));
            let wide = wide(p.columns, &[&p, &pt, &dp, &dpt, &out]);
            let args = args![&out, &p, &pt, &dp, &dpt, rows, columns, l.group, u32::from(wide)];
            self.launch(kernel("softmax", "softmax_backward_tangent", p.kind), l.blocks, l.threads, 0, args);
        }
        out
    }

    /// Loss `(n,1)` and its derivative `(n,V)`, both times `weight (n,1)`.
    pub(crate) fn cross_entropy(&self, y: &Matrix, targets: &Index, weight: &Matrix) -> (Matrix, Matrix) {
        let (loss, dy) = (self.take(y.rows, 1, Kind::F32), self.take(y.rows, y.columns, y.kind));
        let weight = self.float(weight);
        if self.require_shape("the weights of a loss", &weight, y.rows, 1) && self.targets_fit(targets, y.rows) {
            let l = lanes(y.rows, y.columns, MOST);
            let (rows, columns) = (self.size(y.rows), self.size(y.columns));
            let wide = wide(y.columns, &[y, &dy]);
            let args = args![&loss, &dy, y, targets, &weight, rows, columns, l.group, u32::from(wide)];
            self.launch(kernel("softmax", "cross_entropy", y.kind), l.blocks, l.threads, 0, args);
        }
        (loss, dy)
    }

    /// Whether there is a target a row; otherwise the failure is kept.
    pub(super) fn targets_fit(&self, targets: &Index, rows: usize) -> bool {
        let fits = targets.len == rows;
        if !fits {
            let message = format!("{} for {rows} rows", targets.len);
            self.fail(ebt_core::error::Error::Shape { what: "a list of targets".to_owned(), message });
        }
        fits
    }
}
