//! Modulated root-mean-square norm: `y = x r w + b`, `r = rsqrt(mean(x^2) + eps)`, `w`, `b` constant (1,m).

use super::{dual, over, tangent_of};
use crate::compute::Compute;

/// `(y (n,m), r (n,1))`.
pub fn forward<C: Compute>(c: &C, x: &C::Tensor, w: &C::Leaf, b: Option<&C::Leaf>, eps: f64) -> (C::Tensor, C::Tensor) {
    let (_, m) = c.shape(x);
    let mean = c.scale(&c.sum_columns(&c.mul(x, x)), 1.0 / m as f64);
    let r = c.rsqrt(&c.offset(&mean, eps));
    let y = c.mul(&c.mul(x, &r), &c.lift(w));
    let y = match b {
        Some(b) => c.add(&y, &c.lift(b)),
        None => y,
    };
    (y, r)
}

/// `dx = r u - x r^3 mean(u x)` with `u = w dy`.
pub fn backward<C: Compute>(c: &C, x: &C::Tensor, w: &C::Leaf, r: &C::Tensor, dy: &C::Tensor) -> C::Tensor {
    let (_, m) = c.shape(x);
    let u = c.mul(dy, &c.lift(w));
    let s = c.scale(&c.sum_columns(&c.mul(&u, x)), 1.0 / m as f64);
    let r3 = c.mul(&c.mul(r, r), r);
    let through_r = c.mul(x, &c.scale(&c.mul(&r3, &s), -1.0));
    c.add(&c.mul(&u, r), &through_r)
}

/// Tangents of `y` and `r`: `rt = -r^3 mean(x xt)`, `yt = w (xt r + x rt)`.
pub fn tangent<C: Compute>(c: &C, x: &C::Tensor, xt: &C::Tensor, w: &C::Leaf, r: &C::Tensor) -> (C::Tensor, C::Tensor) {
    let (_, m) = c.shape(x);
    let s = c.scale(&c.sum_columns(&c.mul(x, xt)), -1.0 / m as f64);
    let rt = c.mul(&c.mul(&c.mul(r, r), r), &s);
    let yt = c.mul(&c.add(&c.mul(xt, r), &c.mul(x, &rt)), &c.lift(w));
    (yt, rt)
}

/// Tangent of [`backward`] along `(xt, rt, dyt)`.
pub fn backward_tangent<C: Compute>(
    c: &C,
    x: [&C::Tensor; 2],
    w: &C::Leaf,
    r: [&C::Tensor; 2],
    dy: [&C::Tensor; 2],
) -> C::Tensor {
    let d = over(c);
    tangent_of(c, backward(&d, &dual::<C>(x), w, &dual::<C>(r), &dual::<C>(dy)))
}
