//! Softmax over columns, its Jacobian `J = diag(P) - P P^T` (symmetric), and the tangent of the latter.

use super::{dual, over, tangent_of};
use crate::compute::Compute;

/// `P = softmax(y)`.
pub fn forward<C: Compute>(c: &C, y: &C::Tensor) -> C::Tensor {
    let shift = c.scale(&c.max_columns(y), -1.0);
    let e = c.exp(&c.add(y, &shift));
    c.mul(&e, &c.recip(&c.sum_columns(&e)))
}

/// `J dp = P (dp - <P, dp>)`.
pub fn backward<C: Compute>(c: &C, p: &C::Tensor, dp: &C::Tensor) -> C::Tensor {
    let mean = c.sum_columns(&c.mul(p, dp));
    c.mul(p, &c.add(dp, &c.scale(&mean, -1.0)))
}

/// Tangent of [`backward`] along `(pt, dpt)`.
pub fn backward_tangent<C: Compute>(c: &C, p: [&C::Tensor; 2], dp: [&C::Tensor; 2]) -> C::Tensor {
    tangent_of(c, backward(&over(c), &dual::<C>(p), &dual::<C>(dp)))
}
