//! Elementwise primitives, with broadcasting, and reductions.

use ebt_core::compute::Compute;

use crate::case::{Args, Case, Operation};
use crate::{Draw, Mat};

/// Elementwise operations and reductions.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named after the methods of Compute")]
pub enum Elementwise {
    Fill(usize, usize, f64),
    Add,
    Mul,
    /// The same tensor as both operands.
    Square,
    Scale(f64),
    Offset(f64),
    Exp,
    Ln,
    Recip,
    Rsqrt,
    Sigmoid,
    Heaviside,
    SumColumns,
    SumRows,
    MaxColumns,
    /// `lift` of a leaf.
    Lift,
}

impl Operation for Elementwise {
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor> {
        let t = &x.t;
        vec![match *self {
            Self::Fill(rows, columns, value) => c.fill(rows, columns, value),
            Self::Add => c.add(&t[0], &t[1]),
            Self::Mul => c.mul(&t[0], &t[1]),
            Self::Square => c.mul(&t[0], &t[0]),
            Self::Scale(factor) => c.scale(&t[0], factor),
            Self::Offset(constant) => c.offset(&t[0], constant),
            Self::Exp => c.exp(&t[0]),
            Self::Ln => c.ln(&t[0]),
            Self::Recip => c.recip(&t[0]),
            Self::Rsqrt => c.rsqrt(&t[0]),
            Self::Sigmoid => c.sigmoid(&t[0]),
            Self::Heaviside => c.heaviside(&t[0]),
            Self::SumColumns => c.sum_columns(&t[0]),
            Self::SumRows => c.sum_rows(&t[0]),
            Self::MaxColumns => c.max_columns(&t[0]),
            Self::Lift => c.lift(&x.l[0]),
        }]
    }
    fn constant(&self) -> bool {
        // a maximum only shifts exponents, a step is flat on either side: both are constants by definition
        matches!(self, Self::MaxColumns | Self::Heaviside)
    }
}

/// All operations of the family on `(rows, columns)` operands.
pub fn cases(draw: &Draw, rows: usize, columns: usize) -> Vec<Case<Elementwise>> {
    use Elementwise::*;
    let matrix = || draw.matrix(rows, columns);
    let mut all = Vec::new();
    for (r, k) in [(rows, columns), (1, columns), (rows, 1), (1, 1)] {
        all.push(Case::new(Add, vec![matrix(), draw.matrix(r, k)]));
        all.push(Case::new(Mul, vec![matrix(), draw.matrix(r, k)]));
    }
    for op in
        [Square, Scale(-1.75), Scale(0.0), Offset(0.625), Exp, Sigmoid, Heaviside, SumColumns, SumRows, MaxColumns]
    {
        all.push(Case::new(op, vec![matrix()]));
    }
    for op in [Ln, Recip, Rsqrt] {
        all.push(Case::new(op, vec![draw.positive(rows, columns)]));
    }
    // zero counts as not positive; large arguments must not overflow into nonsense
    all.push(Case::new(Heaviside, vec![Mat::zeros(rows, columns)]));
    all.push(Case::new(Sigmoid, vec![Mat::zeros(rows, columns).plus(30.0, &matrix())]));
    all.push(Case::new(Fill(rows, columns, 1.5), vec![]));
    all.push(Case::new(Lift, vec![]).leaves(vec![matrix()]));
    all
}
