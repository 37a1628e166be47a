//! Vector operations on single rows, for use inside a SIMD dispatch.

use super::super::element::Element;
use super::super::lanes;

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

/// Softmax of the logits `s[lo..hi]` and of an own one; zeros elsewhere.
/// Returns the log of the sum and the own probability.
#[inline(always)]
pub(super) fn softmax<E: Element>(s: &mut [E], (lo, hi): (usize, usize), own: E) -> (E, E) {
    clear(s, (lo, hi));
    let s = &mut s[lo..hi];
    let top = lanes::max(s).larger(own);
    for x in s.iter_mut() {
        *x = (*x - top).exp();
    }
    let own = (own - top).exp();
    let sum = lanes::sum(s) + own;
    let scale = E::ONE / sum;
    for x in s.iter_mut() {
        *x *= scale;
    }
    (top + sum.ln(), own * scale)
}

/// Probabilities `exp(s - lse)` of the logits `s[lo..hi]`; zeros elsewhere.
#[inline(always)]
pub(super) fn probabilities<E: Element>(s: &mut [E], (lo, hi): (usize, usize), lse: E) {
    clear(s, (lo, hi));
    for x in &mut s[lo..hi] {
        *x = (*x - lse).exp();
    }
}

/// Zeros outside of `lo..hi`.
#[inline(always)]
pub(super) fn clear<E: Element>(s: &mut [E], (lo, hi): (usize, usize)) {
    s[..lo].fill(E::ZERO);
    s[hi..].fill(E::ZERO);
}

/// `dp = p * (dp - delta)`.
#[inline(always)]
pub(super) fn logit_gradient<E: Element>(p: &[E], delta: E, dp: &mut [E]) {
    for (d, &p) in dp.iter_mut().zip(p) {
        *d = p * (*d - delta);
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
    let len = p.len();
    let (t, dp, dp_dot) = (&mut t[..len], &mut dp[..len], &mut dp_dot[..len]);
    for j in 0..len {
        let p_dot = p[j] * (t[j] - t_lse);
        let inner = dp[j] - delta;
        dp_dot[j] = p_dot.mul_add(inner, p[j] * (dp_dot[j] - delta_dot));
        t[j] = p_dot;
        dp[j] = p[j] * inner;
    }
}
