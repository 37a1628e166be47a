//! The product of activations with a weight of the model, `y = x W^T`: the one place where a layer multiplies with a
//! weight and adds to its gradient. Low-rank adaptation, frozen weights and reductions over devices belong here.
//!
//! Shapes: `x (n,in)`, `W (out,in)`, `y (n,out)`; the experts' weights are stacked, `W (E out, in)`, and every slot of a
//! route is multiplied with its own expert's.

use crate::compute::{Compute, Route};
use crate::parameters::ParameterId;

/// `y = x W^T (n,out)`.
pub fn forward<C: Compute>(c: &C, weights: &[C::Leaf], id: ParameterId, x: &C::Tensor) -> C::Tensor {
    c.linear(x, &weights[id])
}

/// [`forward`] for few outputs whose exact value matters: energies `(n,1)` and gate scores `(n,E)`, see
/// [`Compute::linear_wide`].
pub fn wide_forward<C: Compute>(c: &C, weights: &[C::Leaf], id: ParameterId, x: &C::Tensor) -> C::Tensor {
    c.linear_wide(x, &weights[id])
}

/// `dx = dy W (n,in)` of [`forward`] and [`wide_forward`]; `dW += dy^T x`.
pub fn backward<C: Compute>(
    c: &C,
    weights: &[C::Leaf],
    id: ParameterId,
    x: &C::Tensor,
    dy: &C::Tensor,
    grads: Option<&mut [C::Leaf]>,
) -> C::Tensor {
    if let Some(grads) = grads {
        c.accumulate_product(&mut grads[id], 0, dy, x);
    }
    c.linear_adjoint(dy, &weights[id])
}

/// `y = x W[start .. start + len]^T (n,len)`: some rows of a stacked weight.
pub fn rows_forward<C: Compute>(
    c: &C,
    weights: &[C::Leaf],
    (id, start, len): (ParameterId, usize, usize),
    x: &C::Tensor,
) -> C::Tensor {
    c.linear(x, &c.slice_rows(&weights[id], start, len))
}

/// `dx = dy W[start .. start + len] (n,in)` of [`rows_forward`]; `dW[start .. start + len] += dy^T x`.
pub fn rows_backward<C: Compute>(
    c: &C,
    weights: &[C::Leaf],
    (id, start, len): (ParameterId, usize, usize),
    x: &C::Tensor,
    dy: &C::Tensor,
    grads: &mut [C::Leaf],
) -> C::Tensor {
    c.accumulate_product(&mut grads[id], start, dy, x);
    c.linear_adjoint(dy, &c.slice_rows(&weights[id], start, len))
}

/// `y (slots,out)`: rows `x (slots,in)`, each times its expert's matrix of `W (E out, in)`.
pub fn grouped_forward<C: Compute>(
    c: &C,
    weights: &[C::Leaf],
    id: ParameterId,
    x: &C::Tensor,
    route: &Route<C::Index>,
) -> C::Tensor {
    c.grouped_linear(x, &weights[id], route)
}

/// `dx (slots,in)` of [`grouped_forward`]; the gradient of every expert's matrix is added to its part of `dW (E out, in)`.
pub fn grouped_backward<C: Compute>(
    c: &C,
    weights: &[C::Leaf],
    id: ParameterId,
    x: &C::Tensor,
    dy: &C::Tensor,
    route: &Route<C::Index>,
    grads: Option<&mut [C::Leaf]>,
) -> C::Tensor {
    if let Some(grads) = grads {
        c.accumulate_grouped(&mut grads[id], dy, x, route);
    }
    c.grouped_linear_adjoint(dy, &weights[id], route)
}
