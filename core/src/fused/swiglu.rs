//! SwiGLU on `u = [u1 | u3] (n, 2F)`: `silu(u1) u3`, `silu(z) = z sigmoid(z)`.

use super::{dual, over, tangent_of};
use crate::compute::Compute;

fn halves<C: Compute>(c: &C, u: &C::Tensor) -> (C::Tensor, C::Tensor, usize) {
    let f = c.shape(u).1 / 2;
    (c.slice_columns(u, 0, f), c.slice_columns(u, f, f), f)
}

/// The product `silu(u1) u3 (n,F)` of the halves of `u (n,2F)`.
pub fn forward<C: Compute>(c: &C, u: &C::Tensor) -> C::Tensor {
    let (u1, u3, _) = halves(c, u);
    c.mul(&c.mul(&u1, &c.sigmoid(&u1)), &u3)
}

/// `du1 = dy u3 (s + u1 s (1 - s))`, `du3 = dy u1 s`, with `s = sigmoid(u1)`.
pub fn backward<C: Compute>(c: &C, u: &C::Tensor, dy: &C::Tensor) -> C::Tensor {
    let (u1, u3, f) = halves(c, u);
    let s = c.sigmoid(&u1);
    let silu = c.mul(&u1, &s);
    let slope = c.add(&s, &c.mul(&silu, &c.offset(&c.scale(&s, -1.0), 1.0)));
    let du1 = c.mul(&c.mul(dy, &u3), &slope);
    let du3 = c.mul(dy, &silu);
    c.add(&c.pad_columns(&du1, 0, 2 * f), &c.pad_columns(&du3, f, 2 * f))
}

/// Tangent of [`forward`] along `ut`.
pub fn tangent<C: Compute>(c: &C, u: &C::Tensor, ut: &C::Tensor) -> C::Tensor {
    tangent_of(c, forward(&over(c), &dual::<C>([u, ut])))
}

/// Tangent of [`backward`] along `(ut, dyt)`.
pub fn backward_tangent<C: Compute>(c: &C, u: [&C::Tensor; 2], dy: [&C::Tensor; 2]) -> C::Tensor {
    tangent_of(c, backward(&over(c), &dual::<C>(u), &dual::<C>(dy)))
}
