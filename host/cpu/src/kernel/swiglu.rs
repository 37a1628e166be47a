//! The gated unit `act = silu(u1) * u3`, its gradient and its tangents.
//!
//! `u` is `(n, 2F)`: a row holds the gate `u1` in its first `F` columns and
//! the value `u3` in its last; `act` is `(n, F)`. `silu(x) = x * sigmoid(x)`.

use super::element::Element;
use super::par::{rows_per_chunk, simd};
use rayon::prelude::*;

/// `act = silu(u1) * u3`.
pub fn forward<E: Element>(f: usize, u: &[E], act: &mut [E]) {
    check(f, act.len(), &[u.len()]);
    let chunk = rows_per_chunk(act.len() / f, 2 * f) * f;
    act.par_chunks_mut(chunk).zip(u.par_chunks(2 * chunk)).for_each(|(act, u)| {
        simd(
            #[inline(always)]
            || {
                for (act, u) in act.chunks_exact_mut(f).zip(u.chunks_exact(2 * f)) {
                    let (u1, u3) = u.split_at(f);
                    for ((a, &x), &z) in act.iter_mut().zip(u1).zip(u3) {
                        *a = x * x.sigmoid() * z;
                    }
                }
            },
        );
    });
}

/// `du` from `dact`: `du1 = dact * u3 * silu'(u1)`, `du3 = dact * silu(u1)`.
pub fn backward<E: Element>(f: usize, u: &[E], dact: &[E], du: &mut [E]) {
    check(f, dact.len(), &[u.len(), du.len()]);
    let chunk = rows_per_chunk(dact.len() / f, 2 * f) * f;
    let ins = u.par_chunks(2 * chunk).zip(dact.par_chunks(chunk));
    du.par_chunks_mut(2 * chunk).zip(ins).for_each(|(du, (u, dact))| {
        simd(
            #[inline(always)]
            || {
                let ins = u.chunks_exact(2 * f).zip(dact.chunks_exact(f));
                for (du, (u, dact)) in du.chunks_exact_mut(2 * f).zip(ins) {
                    backward_row(u, dact, du);
                }
            },
        );
    });
}

/// One row of [`backward`].
#[inline(always)]
fn backward_row<E: Element>(u: &[E], d: &[E], du: &mut [E]) {
    let f = d.len();
    let (u1, u3) = (&u[..f], &u[f..2 * f]);
    let (d1, d3) = du.split_at_mut(f);
    let d3 = &mut d3[..f];
    for j in 0..f {
        let (y, slope, _) = silu(u1[j]);
        d1[j] = d[j] * u3[j] * slope;
        d3[j] = d[j] * y;
    }
}

/// Tangent of [`forward`]: `act_dot` from `u` and `u_dot`.
pub fn forward_tangent<E: Element>(f: usize, u: &[E], u_dot: &[E], act_dot: &mut [E]) {
    check(f, act_dot.len(), &[u.len(), u_dot.len()]);
    let chunk = rows_per_chunk(act_dot.len() / f, 2 * f) * f;
    let ins = u.par_chunks(2 * chunk).zip(u_dot.par_chunks(2 * chunk));
    act_dot.par_chunks_mut(chunk).zip(ins).for_each(|(act_dot, (u, u_dot))| {
        simd(
            #[inline(always)]
            || {
                let ins = u.chunks_exact(2 * f).zip(u_dot.chunks_exact(2 * f));
                for (act_dot, (u, u_dot)) in act_dot.chunks_exact_mut(f).zip(ins) {
                    let (u1, u3) = u.split_at(f);
                    let (t1, t3) = u_dot.split_at(f);
                    let dots = t1.iter().zip(t3);
                    for ((a, (&x, &z)), (&tx, &tz)) in act_dot.iter_mut().zip(u1.iter().zip(u3)).zip(dots) {
                        let (y, slope, _) = silu(x);
                        *a = (slope * tx).mul_add(z, y * tz);
                    }
                }
            },
        );
    });
}

/// Tangent of [`backward`]: `du_dot` from `u`, `u_dot`, `dact`, `dact_dot`.
pub fn backward_tangent<E: Element>(f: usize, u: &[E], u_dot: &[E], dact: &[E], dact_dot: &[E], du_dot: &mut [E]) {
    check(f, dact.len(), &[u.len(), u_dot.len(), du_dot.len(), 2 * dact_dot.len()]);
    let chunk = rows_per_chunk(dact.len() / f, 2 * f) * f;
    let us = u.par_chunks(2 * chunk).zip(u_dot.par_chunks(2 * chunk));
    let ds = dact.par_chunks(chunk).zip(dact_dot.par_chunks(chunk));
    du_dot.par_chunks_mut(2 * chunk).zip(us.zip(ds)).for_each(|(out, ((u, u_dot), (d, d_dot)))| {
        simd(
            #[inline(always)]
            || {
                for (i, out) in out.chunks_exact_mut(2 * f).enumerate() {
                    let wide = 2 * i * f..2 * (i + 1) * f;
                    let slim = i * f..(i + 1) * f;
                    tangent_row((&u[wide.clone()], &u_dot[wide]), (&d[slim.clone()], &d_dot[slim]), out);
                }
            },
        );
    });
}

/// One row of [`backward_tangent`].
#[inline(always)]
fn tangent_row<E: Element>((u, u_dot): (&[E], &[E]), (d, d_dot): (&[E], &[E]), out: &mut [E]) {
    let f = d.len();
    let (u1, u3) = (&u[..f], &u[f..2 * f]);
    let (t1, t3) = (&u_dot[..f], &u_dot[f..2 * f]);
    let (o1, o3) = out.split_at_mut(f);
    let (o3, d_dot) = (&mut o3[..f], &d_dot[..f]);
    for j in 0..f {
        let (y, slope, bend) = silu(u1[j]);
        o1[j] = slope * (d_dot[j] * u3[j] + d[j] * t3[j]) + d[j] * u3[j] * bend * t1[j];
        o3[j] = d_dot[j] * y + d[j] * slope * t1[j];
    }
}

/// `silu`, its first and its second derivative at `x`.
#[inline(always)]
fn silu<E: Element>(x: E) -> (E, E, E) {
    let s = x.sigmoid();
    let rest = E::ONE - s;
    let slope = s * x.mul_add(rest, E::ONE);
    let two = E::ONE + E::ONE;
    (x * s, slope, s * rest * x.mul_add(rest - s, two))
}

/// Checks that a matrix of `act` elements has whole rows of `f` and that the
/// others are twice as long.
fn check(f: usize, act: usize, wide: &[usize]) {
    assert!(f > 0 && act.is_multiple_of(f), "swiglu: rows are not whole");
    assert!(wide.iter().all(|&len| len == 2 * act), "swiglu: shapes differ");
}
