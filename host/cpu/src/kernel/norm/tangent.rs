//! Tangents of the norm and of its gradient along `x_dot`; the parameters
//! carry no tangent.

use super::super::element::Element;
use super::super::lanes::{self, fold};
use super::super::par::{rows_per_chunk, simd};
use super::{check, mean};
use rayon::prelude::*;

/// Tangent of [`super::forward`]: `y_dot = w * (r * x_dot + r_dot * x)` with
/// `r_dot = -r^3 * mean(x * x_dot)`, which is returned as well (`(n)`).
pub fn forward_tangent<E: Element>(x: &[E], x_dot: &[E], w: &[E], r: &[E], y_dot: &mut [E], r_dot: &mut [E]) {
    let m = w.len();
    check(m, r.len(), &[x.len(), x_dot.len(), y_dot.len(), r_dot.len() * m]);
    let chunk = rows_per_chunk(r.len(), m);
    let outs = y_dot.par_chunks_mut(chunk * m).zip(r_dot.par_chunks_mut(chunk));
    let ins = x.par_chunks(chunk * m).zip(x_dot.par_chunks(chunk * m)).zip(r.par_chunks(chunk));
    outs.zip(ins).for_each(|((y_dot, r_dot), ((x, x_dot), r))| {
        simd(
            #[inline(always)]
            || {
                let ins = x.chunks_exact(m).zip(x_dot.chunks_exact(m)).zip(r);
                let outs = y_dot.chunks_exact_mut(m).zip(r_dot);
                for ((y_dot, r_dot), ((x, x_dot), &r)) in outs.zip(ins) {
                    let s = -r * r * r * mean(m, lanes::dot(x, x_dot));
                    *r_dot = s;
                    for ((y, (&x, &t)), &w) in y_dot.iter_mut().zip(x.iter().zip(x_dot)).zip(w) {
                        *y = w * r.mul_add(t, s * x);
                    }
                }
            },
        );
    });
}

/// Tangent of [`super::backward`], along `x_dot`, `r_dot` (of
/// [`forward_tangent`]) and `dy_dot`. With `u = w * dy`, `s = mean(u * x)`:
/// `dx_dot = r_dot u + r u_dot - (3 r^2 r_dot s + r^3 s_dot) x - r^3 s x_dot`.
pub fn backward_tangent<E: Element>(
    x: &[E],
    x_dot: &[E],
    w: &[E],
    r: &[E],
    r_dot: &[E],
    dy: &[E],
    dy_dot: &[E],
    dx_dot: &mut [E],
) {
    let m = w.len();
    let n = r.len();
    check(m, n, &[x.len(), x_dot.len(), dy.len(), dy_dot.len(), dx_dot.len(), r_dot.len() * m]);
    let chunk = rows_per_chunk(n, m);
    dx_dot.par_chunks_mut(chunk * m).enumerate().for_each(|(c, out)| {
        simd(
            #[inline(always)]
            || {
                for (i, out) in out.chunks_exact_mut(m).enumerate() {
                    let i = c * chunk + i;
                    let at = i * m..(i + 1) * m;
                    let xs = (&x[at.clone()], &x_dot[at.clone()]);
                    row(xs, w, (r[i], r_dot[i]), (&dy[at.clone()], &dy_dot[at]), out);
                }
            },
        );
    });
}

#[inline(always)]
fn row<E: Element>((x, x_dot): (&[E], &[E]), w: &[E], (r, r_dot): (E, E), (dy, dy_dot): (&[E], &[E]), out: &mut [E]) {
    let m = w.len();
    let s = fold!(acc, E::ZERO; x in x, w in w, dy in dy => (w * dy).mul_add(x, acc));
    let s_dot = fold!(acc, E::ZERO; x in x, t in x_dot, w in w, dy in dy, dt in dy_dot =>
        w.mul_add(dt * x + dy * t, acc));
    let (s, s_dot) = (mean(m, lanes::total(s)), mean(m, lanes::total(s_dot)));
    let three = E::from_f64(3.0);
    let cube = r * r * r;
    let on_x = three * r * r * r_dot * s + cube * s_dot;
    let on_t = cube * s;
    let (x, x_dot) = (&x[..m], &x_dot[..m]);
    let (dy, dy_dot, out) = (&dy[..m], &dy_dot[..m], &mut out[..m]);
    for j in 0..m {
        out[j] = w[j] * (r_dot * dy[j] + r * dy_dot[j]) - on_x * x[j] - on_t * x_dot[j];
    }
}
