//! Gradients of the gain of the norm and their tangents, summed over rows.
//!
//! The gradient of the shift is [`super::super::reduce::sum_rows`] of `dy`
//! (its tangent: of `dy_dot`).

use super::super::element::Element;
use super::super::reduce::add_rows;

/// `dw += sum_rows(dy * x * r)`; `dw`: `(1, m)`.
pub fn gain_gradient<E: Element>(x: &[E], r: &[E], dy: &[E], dw: &mut [E]) {
    assert_eq!(x.len(), r.len() * dw.len(), "norm: shapes differ");
    add_rows(
        dw,
        [x, dy],
        #[inline(always)]
        |i, acc, at, [x, dy]| {
            let (r, x, dy) = (r[i], &x[at..], &dy[at..]);
            for ((a, &x), &dy) in acc.iter_mut().zip(x).zip(dy) {
                *a = (dy * x).mul_add(r, *a);
            }
        },
    );
}

/// `dw_dot += sum_rows(dy_dot * x * r + dy * x_dot * r + dy * x * r_dot)`.
pub fn gain_gradient_tangent<E: Element>(
    x: &[E],
    x_dot: &[E],
    r: &[E],
    r_dot: &[E],
    dy: &[E],
    dy_dot: &[E],
    dw_dot: &mut [E],
) {
    assert_eq!(x.len(), r.len() * dw_dot.len(), "norm: shapes differ");
    assert_eq!(r.len(), r_dot.len(), "norm: shapes differ");
    add_rows(
        dw_dot,
        [x, x_dot, dy, dy_dot],
        #[inline(always)]
        |i, acc, at, xs| {
            let len = acc.len();
            let [x, t, dy, dt] = xs.map(
                #[inline(always)]
                |x| &x[at..at + len],
            );
            let (r, rt) = (r[i], r_dot[i]);
            for j in 0..len {
                let first = dt[j] * x[j] + dy[j] * t[j];
                acc[j] += first * r + dy[j] * x[j] * rt;
            }
        },
    );
}
