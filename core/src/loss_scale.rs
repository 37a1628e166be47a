//! Loss scaling for numbers of short range (Micikevicius et al., arXiv 1710.03740), twice: half precision holds nothing
//! below `6e-8`, and an energy-based model has two small gradients.
//!
//! * *outer* `S`: the loss, as usual. Every cotangent of the loss and every weight gradient is `S` times its value.
//! * *inner* `s`: the energy whose gradient drives the descent. `dE/dp` is about `1 / alpha` (500 times) smaller than the
//!   move it makes, so it is computed as `s dE/dp` and the step size is divided by `s`.
//!
//! The direction of the tangent pass is `-(alpha / s) v S`; times the inner factor every collected gradient is again
//! `S` times its value. Either scale halves when what it scales overflows (the training step is skipped) and doubles
//! after a number of good steps.

use serde::{Deserialize, Serialize};

use crate::compute::Backend;

/// Good steps after which a scale is doubled.
const GROWTH_INTERVAL: u32 = 2000;
/// No scale grows beyond this, 2^24.
const LARGEST: f64 = 16_777_216.0;
/// No scale falls below this, 2^-24: an overflow there is a failure.
const SMALLEST: f64 = 1.0 / 16_777_216.0;

/// One dynamic scale, a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// The factor, a power of two.
    pub factor: f64,
    /// Steps since it last changed.
    pub good: u32,
}

impl Scale {
    fn new(factor: f64) -> Self {
        Self { factor, good: 0 }
    }

    fn overflowed(&mut self) {
        *self = Self::new((self.factor / 2.0).max(SMALLEST));
    }

    fn held(&mut self) {
        self.good += 1;
        if self.good >= GROWTH_INTERVAL {
            *self = Self::new((self.factor * 2.0).min(LARGEST));
        }
    }
}

/// Both scales, adapted from step to step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    /// Of the loss.
    pub outer: Scale,
    /// Of the energy.
    pub inner: Scale,
}

impl Default for LossScale {
    fn default() -> Self {
        Self { outer: Scale::new(4096.0), inner: Scale::new(1024.0) }
    }
}

impl LossScale {
    /// Adapts to a training step: whether the energy gradients, and whether all gradients, were finite.
    pub fn adapt(&mut self, inner_finite: bool, finite: bool) {
        if !inner_finite {
            self.inner.overflowed();
        } else if !finite {
            self.outer.overflowed();
        } else {
            self.inner.held();
            self.outer.held();
        }
    }

    /// Whether halving once more would help after an overflow.
    pub fn exhausted(&self) -> bool {
        self.outer.factor <= SMALLEST || self.inner.factor <= SMALLEST
    }
}

/// The scales on the device, each `(1,1)`.
#[derive(Clone, Debug)]
pub struct Scaling<A> {
    /// The factor `S` on the loss, between `2^-24` and `2^24`; weight gradients are `S` times their value.
    pub outer: A,
    /// The factor `s` on the energy that drives the descent, between `2^-24` and `2^24`; step sizes are divided by it.
    pub inner: A,
    /// `1 / S`.
    pub inverse_outer: A,
    /// `1 / s`.
    pub inverse_inner: A,
}

impl<A: Clone> Scaling<A> {
    /// Room for the scales.
    pub fn new<B: Backend<Array = A>>(b: &B) -> Self {
        let one = || b.fill(1, 1, 1.0);
        Self { outer: one(), inner: one(), inverse_outer: one(), inverse_inner: one() }
    }

    /// Takes over the host's scales.
    pub fn write<B: Backend<Array = A>>(&mut self, b: &B, scale: &LossScale) {
        b.write(&mut self.outer, &[scale.outer.factor]);
        b.write(&mut self.inner, &[scale.inner.factor]);
        b.write(&mut self.inverse_outer, &[1.0 / scale.outer.factor]);
        b.write(&mut self.inverse_inner, &[1.0 / scale.inner.factor]);
    }

    /// Where the arrays live.
    pub fn addresses<B: Backend<Array = A>>(&self, b: &B) -> [u64; 4] {
        [&self.outer, &self.inner, &self.inverse_outer, &self.inverse_inner].map(|a| b.address(a))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_halves_where_it_overflowed_and_doubles_after_good_steps() {
        let mut scale = LossScale::default();
        let start = scale;
        scale.adapt(false, false);
        assert_eq!((scale.inner.factor, scale.outer.factor), (start.inner.factor / 2.0, start.outer.factor));
        scale.adapt(true, false);
        assert_eq!((scale.inner.factor, scale.outer.factor), (start.inner.factor / 2.0, start.outer.factor / 2.0));
        for _ in 0..GROWTH_INTERVAL {
            assert!(scale.outer.factor < start.outer.factor);
            scale.adapt(true, true);
        }
        assert_eq!((scale.inner.factor, scale.outer.factor), (start.inner.factor, start.outer.factor));
        for _ in 0..200 {
            scale.adapt(true, false);
        }
        assert!(scale.exhausted() && scale.outer.factor > 0.0);
    }
}
