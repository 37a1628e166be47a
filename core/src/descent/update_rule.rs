//! How a state moves (guide/mathematics.md sections 2 and 5.2), and the pull-back of a cotangent through one move.
//!
//! `g = dE/dP (n,V)`; `alpha (n,1)` is the step size of every position.

use crate::compute::Backend;
use crate::config::UpdateRule;

/// Limits on a move, all off by default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// `|alpha G|` is limited to this, elementwise; 0 = off.
    pub max_change: f64,
    /// `|Y'|` is limited to this, elementwise; 0 = off.
    pub absolute: f64,
    /// `Y'` is divided by this temperature after the move; 1 = off.
    pub sharpen: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_change: 0.0, absolute: 0.0, sharpen: 1.0 }
    }
}

/// The gradient that the chosen rule follows: `G`, or `J G` for `logit`.
pub fn direction<B: Backend>(b: &B, rule: UpdateRule, p: &B::Array, g: B::Array) -> B::Array {
    match rule {
        UpdateRule::Probability | UpdateRule::Mirror => g,
        UpdateRule::Logit => b.softmax_backward(p, &g),
    }
}

/// The next state from the current one (`y` noised, `p = softmax(y)`) and the direction followed.
pub fn advance<B: Backend>(
    b: &B,
    rule: UpdateRule,
    limits: Limits,
    (y, p): (&B::Array, &B::Array),
    alpha: &B::Array,
    direction: &B::Array,
) -> B::Array {
    let from = match rule {
        UpdateRule::Probability => p,
        UpdateRule::Mirror | UpdateRule::Logit => y,
    };
    let minus_one = b.fill(1, 1, -1.0);
    let mut next = if limits.max_change > 0.0 {
        let change = b.clamp(b.mul(direction, alpha), &b.fill(1, 1, limits.max_change));
        b.axpy(from.clone(), &minus_one, &change)
    } else {
        b.axpy(from.clone(), &b.scale(alpha, -1.0), direction)
    };
    if limits.absolute > 0.0 {
        next = b.clamp(next, &b.fill(1, 1, limits.absolute));
    }
    if limits.sharpen != 1.0 {
        next = b.scale(&next, 1.0 / limits.sharpen);
    }
    next
}

/// A cotangent on the state after the limits, pulled back to the state before them.
pub fn through_limits<B: Backend>(b: &B, limits: Limits, next: &B::Array, v: B::Array) -> B::Array {
    let mut v = v;
    if limits.absolute > 0.0 {
        // rounded as the state was: a clamped element must meet the bound exactly
        let bound = b.fill(1, 1, limits.absolute);
        let bound = if limits.sharpen == 1.0 { bound } else { b.scale(&bound, 1.0 / limits.sharpen) };
        v = b.mul(&v, &b.inside(next, &bound));
    }
    if limits.sharpen != 1.0 {
        v = b.scale(&v, 1.0 / limits.sharpen);
    }
    v
}

/// The cotangent on the previous state `Y` from `v` on the next one, given `hu = H u` where `u` is the direction that
/// was pushed through the energy; `raw = -alpha v` (limited) and `g` are needed by `logit` only.
///
/// ```text
/// probability: dP = v + hu                         dY = J dP
/// mirror:      dP = hu                             dY = v + J dP
/// logit:       dP = hu + u G - u <P,G> - G <u,P>   dY = v + J dP      (u = raw; the last terms are J's own derivative)
/// ```
pub fn pull_back<B: Backend>(
    b: &B,
    rule: UpdateRule,
    p: &B::Array,
    v: &B::Array,
    hu: Option<B::Array>,
    logit: Option<(&B::Array, &B::Array)>,
) -> B::Array {
    match (rule, hu) {
        (UpdateRule::Probability, Some(hu)) => b.softmax_backward(p, &b.add(v, &hu)),
        (UpdateRule::Probability, None) => b.softmax_backward(p, v),
        (UpdateRule::Mirror | UpdateRule::Logit, None) => v.clone(),
        (UpdateRule::Mirror | UpdateRule::Logit, Some(hu)) => {
            let mut dp = hu;
            if let (UpdateRule::Logit, Some((u, g))) = (rule, logit) {
                let pg = b.sum_columns(&b.mul(p, g));
                let up = b.sum_columns(&b.mul(u, p));
                dp = b.add(&dp, &b.mul(u, g));
                dp = b.axpy(dp, &b.scale(&pg, -1.0), u);
                dp = b.axpy(dp, &b.scale(&up, -1.0), g);
            }
            b.add(v, &b.softmax_backward(p, &dp))
        }
    }
}
