//! `Y' = Y - alpha J G`: Euclidean descent on the logits, whose gradient is `J G`.

use super::rule::{Dissipation, Origin, PulledMove, Rule, Speed};
use crate::compute::Backend;

/// See the module text.
#[derive(Debug)]
pub(super) struct Logit;

impl<B: Backend> Rule<B> for Logit {
    fn origin(&self) -> Origin {
        Origin::State
    }

    fn follows_gradient(&self) -> bool {
        false
    }

    fn direction(&self, b: &B, p: &B::Array, g: B::Array) -> B::Array {
        b.softmax_backward(p, &g)
    }

    /// `J` is symmetric.
    fn adjoint(&self, b: &B, p: &B::Array, raw: &B::Array) -> B::Array {
        b.softmax_backward(p, raw)
    }

    /// `dP = H u + r G - r <P,G> - G <r,P>` with `r` the cotangent on `J G`, `dY = v + J dP`: the last three terms are
    /// the derivative of `J`.
    fn pull_back(&self, b: &B, step: PulledMove<'_, B::Array>) -> B::Array {
        let Some(hu) = step.hu else { return step.v.clone() };
        let (p, r, g) = (step.p, step.raw, &(step.gradient)());
        let pg = b.sum_columns(&b.mul(p, g));
        let rp = b.sum_columns(&b.mul(r, p));
        let mut dp = b.add(&hu, &b.mul(r, g));
        dp = b.axpy(dp, &b.scale(&pg, -1.0), r);
        dp = b.axpy(dp, &b.scale(&rp, -1.0), g);
        b.add(step.v, &b.softmax_backward(p, &dp))
    }

    /// With `z = J G = P (G - <P,G>)`: `D = |z|^2`, `dD/dG = 2 J z`, `dD/dP = 2 (z (G - <P,G>) - G <z,P>)`.
    fn dissipation(&self, b: &B, at: Speed<'_, B::Array>) -> Dissipation<B::Array> {
        let dot = |x: &B::Array, y: &B::Array| b.sum_columns(&b.mul(x, y));
        let z = b.softmax_backward(at.p, at.g);
        let m = b.scale(&dot(at.p, at.g), -1.0);
        let centred = b.add(at.g, &m);
        let by_p = b.add(&b.mul(&z, &centred), &b.scale(&b.mul(at.g, &dot(&z, at.p)), -1.0));
        let by_g = b.scale(&b.softmax_backward(at.p, &z), 2.0);
        Dissipation {
            fall: b.mul(&dot(&z, &z), at.alpha),
            by_g: b.mul(&by_g, at.alpha),
            by_p: b.mul(&b.scale(&by_p, 2.0), at.alpha),
            by_next: None,
        }
    }
}
