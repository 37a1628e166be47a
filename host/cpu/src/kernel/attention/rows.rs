//! Vector operations on single rows, for use inside a SIMD dispatch.
//!
//! Rows of scores are whole chunks of [`WIDE`] elements long. What lies outside
//! of the part that a query sees becomes zero, so that no loop has a remainder.

use super::super::element::Element;
use super::super::gemm::PADDED;
use super::super::lanes::{greatest, total};

/// Elements which a loop over a row takes at a time, and accumulators of a sum.
pub(super) const WIDE: usize = PADDED;

/// A score less than every other: where a maximum starts, and the log of the
/// sum where nothing is seen.
pub(super) fn least<E: Element>() -> E {
    E::from_f64(-1e30)
}

/// `y = x * by`, or `y += x * by`.
#[inline(always)]
pub(super) fn add<E: Element>(onto: bool, by: E, x: &[E], y: &mut [E]) {
    if onto {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = by.mul_add(x, *y);
        }
    } else {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = by * x;
        }
    }
}

/// `y *= by`.
#[inline(always)]
pub(super) fn scale<E: Element>(by: E, y: &mut [E]) {
    for y in y.iter_mut() {
        *y *= by;
    }
}

/// Inner product of two slices of equal length, which may be short.
#[inline(always)]
pub(super) fn dot<E: Element>(x: &[E], y: &[E]) -> E {
    let ((x, xr), (y, yr)) = (x.as_chunks::<WIDE>(), y.as_chunks::<WIDE>());
    let mut lanes = [E::ZERO; WIDE];
    for (x, y) in x.iter().zip(y) {
        for i in 0..WIDE {
            lanes[i] = x[i].mul_add(y[i], lanes[i]);
        }
    }
    let rest = xr.iter().zip(yr).fold(E::ZERO, |sum, (&x, &y)| x.mul_add(y, sum));
    total(lanes) + rest
}

/// The chunks of a row which the part `lo..hi` touches: zeros outside of them,
/// and scores which are never chosen outside of that part.
#[inline(always)]
fn seen<E: Element>(s: &mut [E], (lo, hi): (usize, usize)) -> (usize, usize) {
    let (from, to) = if lo < hi { (lo / WIDE * WIDE, hi.next_multiple_of(WIDE)) } else { (0, 0) };
    s[..from].fill(E::ZERO);
    s[to..].fill(E::ZERO);
    if lo < hi {
        s[from..lo].fill(E::NEG_INFINITY);
        s[hi..to].fill(E::NEG_INFINITY);
    }
    (from, to)
}

/// Adds biases, if there are any, to the scores `s[lo..hi]` and replaces them by
/// `exp(s - top)`, where `top` is their greatest and the greatest before, `top`;
/// zeros elsewhere. Returns the new greatest and the sum.
#[inline(always)]
pub(super) fn weigh<E: Element>(s: &mut [E], added: Option<&[E]>, part: (usize, usize), top: E) -> (E, E) {
    let (from, to) = seen(s, part);
    let s = s[from..to].as_chunks_mut::<WIDE>().0;
    let mut most = [top; WIDE];
    if let Some(added) = added {
        for (s, a) in s.iter_mut().zip(added[from..to].as_chunks::<WIDE>().0) {
            for i in 0..WIDE {
                s[i] += a[i];
                most[i] = s[i].larger(most[i]);
            }
        }
    } else {
        for s in s.iter() {
            for i in 0..WIDE {
                most[i] = s[i].larger(most[i]);
            }
        }
    }
    let top = greatest(most);
    let mut sums = [E::ZERO; WIDE];
    for s in s.iter_mut() {
        for i in 0..WIDE {
            s[i] = (s[i] - top).exp();
            sums[i] += s[i];
        }
    }
    (top, total(sums))
}

/// Probabilities `exp(s - lse)` of the scores `s[lo..hi]`, after biases are
/// added, if there are any; zeros elsewhere.
#[inline(always)]
pub(super) fn probabilities<E: Element>(s: &mut [E], added: Option<&[E]>, part: (usize, usize), lse: E) {
    let (from, to) = seen(s, part);
    let s = s[from..to].as_chunks_mut::<WIDE>().0;
    if let Some(added) = added {
        for (s, a) in s.iter_mut().zip(added[from..to].as_chunks::<WIDE>().0) {
            for i in 0..WIDE {
                s[i] = (s[i] + a[i] - lse).exp();
            }
        }
    } else {
        for s in s {
            for s in s {
                *s = (*s - lse).exp();
            }
        }
    }
}

/// `t = p * t`; returns the sum.
#[inline(always)]
pub(super) fn weighted<E: Element>(p: &[E], t: &mut [E]) -> E {
    let mut sums = [E::ZERO; WIDE];
    for (t, p) in t.as_chunks_mut::<WIDE>().0.iter_mut().zip(p.as_chunks::<WIDE>().0) {
        for i in 0..WIDE {
            t[i] *= p[i];
            sums[i] += t[i];
        }
    }
    total(sums)
}

/// `dp = p * (dp - delta)`.
#[inline(always)]
pub(super) fn logit_gradient<E: Element>(p: &[E], delta: E, dp: &mut [E]) {
    for (d, p) in dp.as_chunks_mut::<WIDE>().0.iter_mut().zip(p.as_chunks::<WIDE>().0) {
        for i in 0..WIDE {
            d[i] = p[i] * (d[i] - delta);
        }
    }
}

/// Tangents of [`probabilities`] and [`logit_gradient`]: from `p` and the
/// tangent of the logits `t`, of which `t_lse` is the mean under `p`, and from
/// `dp`, `delta` and their tangents; `t`, `dp` and `dp_dot` become the tangent
/// of `p`, the gradient of the logits and its tangent. `t` must be finite.
#[inline(always)]
pub(super) fn logit_gradient_tangent<E: Element>(
    p: &[E],
    (t, t_lse): (&mut [E], E),
    (dp, delta): (&mut [E], E),
    (dp_dot, delta_dot): (&mut [E], E),
) {
    let chunks = p.as_chunks::<WIDE>().0.iter().zip(t.as_chunks_mut::<WIDE>().0);
    let gradients = dp.as_chunks_mut::<WIDE>().0.iter_mut().zip(dp_dot.as_chunks_mut::<WIDE>().0);
    for ((p, t), (dp, dp_dot)) in chunks.zip(gradients) {
        for j in 0..WIDE {
            let p_dot = p[j] * (t[j] - t_lse);
            let inner = dp[j] - delta;
            dp_dot[j] = p_dot.mul_add(inner, p[j] * (dp_dot[j] - delta_dot));
            t[j] = p_dot;
            dp[j] = p[j] * inner;
        }
    }
}
