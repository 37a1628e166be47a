//! SwiGLU between its two products: `s = silu(u1) u3` for `u = [u1 | u3]`, `silu(x) = x sigmoid(x)`.

use crate::engine::number::Number;

fn sigmoid<N: Number>(x: N) -> N {
    (N::constant(1.0) + (-x).exp()).recip()
}

/// `s (n,F)` from `u (n,2F)`.
pub fn forward<N: Number>(n: usize, hidden: usize, u: &[f32], s: &mut [f32]) {
    for (u, mut s) in N::rows(u, n, hidden.saturating_mul(2)).zip(N::rows_mut(s, n, hidden)) {
        let (u1, u3) = (N::part(&u, 0, hidden), N::part(&u, hidden, hidden));
        let product = N::numbers(u1).zip(N::numbers(u3)).map(|(u1, u3)| u1 * sigmoid(u1) * u3);
        N::update_with(&mut s, product, |_, product| product);
    }
}

/// `du (n,2F)` from `ds (n,F)`: `du1 = ds u3 g (1 + u1 (1 - g))`, `du3 = ds u1 g`, `g = sigmoid(u1)`.
pub fn backward<N: Number>(n: usize, hidden: usize, u: &[f32], ds: &[f32], du: &mut [f32]) {
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
