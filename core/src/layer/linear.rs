//! The product of activations with a weight of the model, `y = x W^T`: the one place where a layer multiplies with a
//! weight and adds to its gradient. Low-rank adaptation, frozen weights and reductions over devices belong here.
//!
//! Shapes: `x (n,in)`, `W (out,in)`, `y (n,out)`; the experts' weights are stacked, `W (E out, in)`, and every slot of a
//! route is multiplied with its own expert's.

use crate::compute::{Compute, Route};
use crate::layer::weights::Weight;

/// `y = x W^T (n,out)`.
pub fn forward<C: Compute>(c: &C, w: Weight<'_, C::Leaf>, x: &C::Tensor) -> C::Tensor {
    c.linear(x, w.value)
}

/// [`forward`] for few outputs whose exact value matters: energies `(n,1)` and gate scores `(n,E)`, see
/// [`Compute::scores`].
pub fn wide_forward<C: Compute>(c: &C, w: Weight<'_, C::Leaf>, x: &C::Tensor) -> C::Tensor {
    c.scores(x, w.value)
}

/// `dx = dy W (n,in)` of [`forward`] and [`wide_forward`]; `dW += dy^T x`.
pub fn backward<C: Compute>(
    c: &C,
    w: Weight<'_, C::Leaf>,
    x: &C::Tensor,
    dy: &C::Tensor,
    grads: Option<&mut [C::Leaf]>,
) -> C::Tensor {
    if let Some(slot) = grads.and_then(|grads| grads.get_mut(w.id)) {
        c.collect_product(slot, 0, dy, x);
    }
    c.linear_adjoint(dy, w.value)
}

/// `y = x W[start .. start + len]^T (n,len)`: some rows of a stacked weight.
pub fn rows_forward<C: Compute>(
    c: &C,
    (w, start, len): (Weight<'_, C::Leaf>, usize, usize),
    x: &C::Tensor,
) -> C::Tensor {
    c.linear(x, &c.slice_rows(w.value, start, len))
}

/// `dx = dy W[start .. start + len] (n,in)` of [`rows_forward`]; `dW[start .. start + len] += dy^T x`.
pub fn rows_backward<C: Compute>(
    c: &C,
    (w, start, len): (Weight<'_, C::Leaf>, usize, usize),
    x: &C::Tensor,
    dy: &C::Tensor,
    grads: &mut [C::Leaf],
) -> C::Tensor {
    if let Some(slot) = grads.get_mut(w.id) {
        c.collect_product(slot, start, dy, x);
    }
    c.linear_adjoint(dy, &c.slice_rows(w.value, start, len))
}

/// `y (slots,out)`: rows `x (slots,in)`, each times its expert's matrix of `W (E out, in)`.
pub fn grouped_forward<C: Compute>(c: &C, w: Weight<'_, C::Leaf>, x: &C::Tensor, route: &Route<C::Index>) -> C::Tensor {
    c.grouped_linear(x, w.value, route)
}

/// `dx (slots,in)` of [`grouped_forward`]; the gradient of every expert's matrix is added to its part of `dW (E out, in)`.
pub fn grouped_backward<C: Compute>(
    c: &C,
    w: Weight<'_, C::Leaf>,
    x: &C::Tensor,
    dy: &C::Tensor,
    route: &Route<C::Index>,
    grads: Option<&mut [C::Leaf]>,
) -> C::Tensor {
    if let Some(slot) = grads.and_then(|grads| grads.get_mut(w.id)) {
        c.collect_grouped(slot, dy, x, route);
    }
    c.grouped_linear_adjoint(dy, w.value, route)
}
