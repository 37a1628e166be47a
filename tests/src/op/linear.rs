//! Modulation by a constant row, gated residuals, and injection of an outer cotangent.

use ebt_core::compute::Compute;

use crate::Draw;
use crate::case::{Args, Case, Operation};

/// Operations with a constant row.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named after the methods of Compute")]
pub enum Linear {
    Modulate,
    GateResidual,
    Residual,
    /// Under `Dual` the leaf enters the tangent only, so this is no function to take differences of.
    AddOuterCotangent,
}

impl Operation for Linear {
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor> {
        let t = &x.t;
        vec![match self {
            Self::Modulate => c.modulate(&t[0], &x.l[0]),
            Self::GateResidual => c.gate_residual(&t[0], Some(&x.l[0]), &t[1]),
            Self::Residual => c.gate_residual(&t[0], None, &t[1]),
            Self::AddOuterCotangent => c.add_outer_cotangent(&t[0], &x.l[0]),
        }]
    }
    fn constant(&self) -> bool {
        matches!(self, Self::AddOuterCotangent)
    }
}

/// All operations of the family on `(rows, columns)` operands.
pub fn cases(draw: &Draw, rows: usize, columns: usize) -> Vec<Case<Linear>> {
    let a = || draw.matrix(rows, columns);
    let row = || vec![draw.matrix(1, columns)];
    vec![
        Case::new(Linear::Modulate, vec![a()]).leaves(row()),
        Case::new(Linear::GateResidual, vec![a(), a()]).leaves(row()),
        Case::new(Linear::Residual, vec![a(), a()]),
        Case::new(Linear::AddOuterCotangent, vec![a()]).leaves(vec![a()]),
    ]
}
