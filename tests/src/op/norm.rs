//! The modulated root-mean-square norm: its four entry points and its gradient sink.

use ebt_core::compute::Compute;

use crate::Draw;
use crate::case::{Args, Case, Operation};

/// Over one column the norm is `x / |x|` but for `eps`: a small one leaves derivatives that are all cancellation.
fn eps(columns: usize) -> f64 {
    if columns > 3 { 1e-5 } else { 0.25 }
}

/// Entry points of the norm. `t` is `x`, then what the entry point needs.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named after the methods of Compute")]
pub enum Norm {
    Forward,
    /// Forward, then backward of `t[1]`.
    Backward,
    /// Forward, then the tangent along `t[1]`.
    Tangent,
    /// Forward and tangent, then the tangent of the backward pass of `t[2]` along `t[3]`.
    BackwardTangent,
    /// Forward, then the gradients of gain and shift from `t[1]`.
    Collect,
}

impl Operation for Norm {
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor> {
        let (t, w) = (&x.t, &x.l[0]);
        let (y, r) = c.norm(&t[0], w, x.l.get(1), eps(c.shape(&t[0]).1));
        match self {
            Self::Forward => vec![y, r],
            Self::Backward => vec![c.norm_backward(&t[0], w, &r, &t[1])],
            Self::Tangent => {
                let (yt, rt) = c.norm_tangent(&t[0], &t[1], w, &r);
                vec![yt, rt]
            }
            Self::BackwardTangent => {
                let (_, rt) = c.norm_tangent(&t[0], &t[1], w, &r);
                vec![c.norm_backward_tangent([&t[0], &t[1]], w, [&r, &rt], [&t[2], &t[3]])]
            }
            Self::Collect => {
                let (dw, db) = x.slots.split_at_mut(1);
                c.accumulate_norm(&mut dw[0], db.first_mut(), &t[0], &r, &t[1]);
                vec![]
            }
        }
    }
}

/// All entry points on `(rows, columns)`, with and without a shift.
pub fn cases(draw: &Draw, rows: usize, columns: usize) -> Vec<Case<Norm>> {
    // `x` is not close to zero, where the norm is steep
    let many = |n: usize| {
        let x = draw.away_from_zero(rows, columns);
        std::iter::once(x).chain((1..n).map(|_| draw.matrix(rows, columns))).collect::<Vec<_>>()
    };
    let row = |n: usize| (0..n).map(|_| draw.matrix(1, columns)).collect::<Vec<_>>();
    let mut all = Vec::new();
    for constants in [1, 2] {
        all.extend([
            Case::new(Norm::Forward, many(1)).leaves(row(constants)),
            Case::new(Norm::Backward, many(2)).leaves(row(constants)),
            Case::new(Norm::Tangent, many(2)).leaves(row(constants)),
            Case::new(Norm::BackwardTangent, many(4)).leaves(row(constants)),
            Case::new(Norm::Collect, many(2)).leaves(row(constants)).slots(row(constants)),
        ]);
    }
    all
}
