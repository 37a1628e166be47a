//! Softmax of rows (definition: [`ebt_core::fused::softmax`]) and its Jacobian `J = diag(P) - P P^T`.

use crate::engine::number::Number;

/// `p (n,m) = softmax(y)`.
pub fn forward<N: Number>(n: usize, width: usize, y: &[f32], p: &mut [f32]) {
    for (y, mut p) in N::rows(y, n, width).zip(N::rows_mut(p, n, width)) {
        let top = N::constant(N::largest(y));
        N::update(&mut p, y, |_, y| (y - top).exp());
        let over = N::total(N::read(&p)).recip();
        N::map(&mut p, |e| e * over);
    }
}

/// `J dp = P (dp - <P, dp>)`, `(n,m)`.
pub fn backward<N: Number>(n: usize, width: usize, p: &[f32], dp: &[f32], out: &mut [f32]) {
    let inputs = N::rows(p, n, width).zip(N::rows(dp, n, width));
    for ((p, dp), mut out) in inputs.zip(N::rows_mut(out, n, width)) {
        let mean = N::dot(p, dp);
        N::update(&mut out, dp, |_, dp| dp - mean);
        N::update(&mut out, p, |x, p| p * x);
    }
}
