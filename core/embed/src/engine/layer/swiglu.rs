//! SwiGLU `y = W2 s`, `s = silu(u1) u3` for `u = [u1 | u3] = [W1 x | W3 x]`, `silu(x) = x sigmoid(x)`.

use super::buffers::rows;
use crate::engine::number::Number;
use crate::packed::{Isa, Swiglu};

fn sigmoid<N: Number>(x: N) -> N {
    (N::constant(1.0) + (-x).exp()).recip()
}

/// `y (n,D)`; keeps `u (n,2F)`.
pub fn ffn_forward<N: Number>(
    weights: Swiglu<'_>,
    kernel: Isa,
    hidden: usize,
    n: usize,
    x: &[f32],
    u: &mut [f32],
    scratch: &mut [f32],
    y: &mut [f32],
) {
    let s = rows::<N>(scratch, n, hidden);
    weights.w13.product(kernel, x, u);
    forward::<N>(n, hidden, u, s);
    weights.w2.product(kernel, s, y);
}

/// `dx (n,D)` from `dy (n,D)`.
pub fn ffn_backward<N: Number>(
    weights: Swiglu<'_>,
    kernel: Isa,
    hidden: usize,
    n: usize,
    u: &[f32],
    dy: &[f32],
    (ds, du): (&mut [f32], &mut [f32]),
    dx: &mut [f32],
) {
    let (ds, du) = (rows::<N>(ds, n, hidden), rows::<N>(du, n, hidden.saturating_mul(2)));
    weights.w2.adjoint(kernel, dy, ds);
    backward::<N>(n, hidden, u, ds, du);
    weights.w13.adjoint(kernel, du, dx);
}

/// `s (n,F)` from `u (n,2F)`.
fn forward<N: Number>(n: usize, hidden: usize, u: &[f32], s: &mut [f32]) {
    for (u, mut s) in N::rows(u, n, hidden.saturating_mul(2)).zip(N::rows_mut(s, n, hidden)) {
        let (u1, u3) = (N::part(&u, 0, hidden), N::part(&u, hidden, hidden));
        let product = N::numbers(u1).zip(N::numbers(u3)).map(|(u1, u3)| u1 * sigmoid(u1) * u3);
        N::update_with(&mut s, product, |_, product| product);
    }
}

/// `du (n,2F)` from `ds (n,F)`: `du1 = ds u3 g (1 + u1 (1 - g))`, `du3 = ds u1 g`, `g = sigmoid(u1)`.
fn backward<N: Number>(n: usize, hidden: usize, u: &[f32], ds: &[f32], du: &mut [f32]) {
    let wide = hidden.saturating_mul(2);
    for ((u, ds), mut du) in N::rows(u, n, wide).zip(N::rows(ds, n, hidden)).zip(N::rows_mut(du, n, wide)) {
        let (u1, u3) = (N::part(&u, 0, hidden), N::part(&u, hidden, hidden));
        let one = N::constant(1.0);
        let first = N::numbers(u1).zip(N::numbers(u3)).zip(N::numbers(ds)).map(|((u1, u3), ds)| {
            let g = sigmoid(u1);
            ds * u3 * g * (one + u1 * (one - g))
        });
        N::update_with(&mut N::part_mut(&mut du, 0, hidden), first, |_, x| x);
        let third = N::numbers(u1).zip(N::numbers(ds)).map(|(u1, ds)| ds * u1 * sigmoid(u1));
        N::update_with(&mut N::part_mut(&mut du, hidden, hidden), third, |_, x| x);
    }
}
