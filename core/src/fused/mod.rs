//! Fused operations as compositions of primitives: the definition every backend's kernels are held against.
//!
//! A composition calls primitives only, never another fused operation, so it runs under any nesting of `Dual`
//! and defines all tangents by itself: `tangent` functions run the composition on `Dual` and keep the tangent.

pub mod attention;
pub mod cross_entropy;
pub mod joint_attention;
pub mod modulation;
pub mod norm;
pub mod softmax;
pub mod swiglu;
pub mod vocabulary;

use crate::compute::Compute;
use crate::dual::{Dual, DualTensor};

/// A dual tensor with both parts.
pub(crate) fn dual<C: Compute>(pair: [&C::Tensor; 2]) -> DualTensor<C::Tensor> {
    DualTensor { value: pair[0].clone(), tangent: Some(pair[1].clone()) }
}

/// The tangent of `a`, zeros made explicit.
pub(crate) fn tangent_of<C: Compute>(c: &C, a: DualTensor<C::Tensor>) -> C::Tensor {
    let (rows, columns) = c.shape(&a.value);
    a.tangent.unwrap_or_else(|| c.fill(rows, columns, 0.0))
}

/// `Dual` over `c` alone: values are recomputed, which a composition accepts.
pub(crate) fn over<C: Compute>(c: &C) -> Dual<'_, C, C> {
    Dual::new(c)
}
