//! Modulated root-mean-square norm of rows (definition: [`ebt_core::fused::norm`]): `y = x r w + b`, `r = rsqrt(mean(x^2) + eps)`.

use crate::engine::number::Number;
use crate::packed::Floats;

/// Width of a row and the constant under the root.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Rows `n`, each with a norm of its own.
    pub n: usize,
    /// Numbers `m` of a row, over which the mean square is taken.
    pub width: usize,
    /// Added to the mean square.
    pub eps: f32,
}

/// `y (n,m)` and `r (n,1)` from `x (n,m)`.
pub fn forward<N: Number>(
    spec: Spec,
    x: &[f32],
    (w, b): (Floats<'_>, Option<Floats<'_>>),
    y: &mut [f32],
    r: &mut [f32],
) {
    let Spec { n, width, eps } = spec;
    let over = N::constant(1.0 / width as f32);
    let rows = N::rows(x, n, width).zip(N::rows_mut(y, n, width)).zip(N::rows_mut(r, n, 1));
    for ((x, mut y), mut r) in rows {
        let inverse = (N::dot(x, x) * over + N::constant(eps)).rsqrt();
        let scaled = N::numbers(x).zip(w.iter()).map(|(x, w)| x * inverse * N::constant(w));
        N::update_with(&mut y, scaled, |_, scaled| scaled);
        if let Some(b) = b {
            N::update_with(&mut y, b.iter().map(N::constant), |y, b| y + b);
        }
        N::update_with(&mut r, core::iter::once(inverse), |_, inverse| inverse);
    }
}

/// Adds `dx = r u - x r^3 mean(u x)`, `u = w dy`, to `dh (n,m)`; `dy` is used up.
pub fn backward<N: Number>(spec: Spec, x: &[f32], w: Floats<'_>, r: &[f32], dy: &mut [f32], dh: &mut [f32]) {
    let Spec { n, width, .. } = spec;
    let over = N::constant(1.0 / width as f32);
    let inputs = N::rows(x, n, width).zip(N::rows(r, n, 1));
    let outputs = N::rows_mut(dy, n, width).zip(N::rows_mut(dh, n, width));
    for ((x, r), (mut u, mut dh)) in inputs.zip(outputs) {
        let Some(r) = N::numbers(r).next() else { continue };
        N::update_with(&mut u, w.iter().map(N::constant), |u, w| u * w);
        let u = N::read(&u);
        let through = N::dot(u, x) * over * (r * r * r);
        let dx = N::numbers(u).zip(N::numbers(x)).map(|(u, x)| u * r - x * through);
        N::update_with(&mut dh, dx, |dh, dx| dh + dx);
    }
}
