//! Modulated root-mean-square norm of rows (definition: [`ebt_core::fused::norm`]): `y = x r w + b`, `r = rsqrt(mean(x^2) + eps)`.

use crate::engine::number::Number;
use crate::packed::Floats;

/// Width of a row and the constant under the root.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Rows.
    pub n: usize,
    /// Width.
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

/// `dx (n,m) = r u - x r^3 mean(u x)`, `u = w dy`.
pub fn backward<N: Number>(
    (n, width): (usize, usize),
    x: &[f32],
    w: Floats<'_>,
    r: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    let over = N::constant(1.0 / width as f32);
    let inputs = N::rows(x, n, width).zip(N::rows(r, n, 1));
    let outputs = N::rows(dy, n, width).zip(N::rows_mut(dx, n, width));
    for ((x, r), (dy, mut dx)) in inputs.zip(outputs) {
        let Some(r) = N::numbers(r).next() else { continue };
        N::update(&mut dx, dy, |_, dy| dy);
        N::update_with(&mut dx, w.iter().map(N::constant), |dy, w| dy * w);
        let through = N::dot(N::read(&dx), x) * over * (r * r * r);
        N::update(&mut dx, x, |u, x| u * r - x * through);
    }
}
