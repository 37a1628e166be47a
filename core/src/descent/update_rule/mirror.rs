//! `Y' = Y - alpha G`: entropic mirror descent on the simplex.

use super::rule::{Dissipation, Origin, PulledMove, Rule, Speed};
use crate::compute::Backend;

/// See the module text.
#[derive(Debug)]
pub(super) struct Mirror;

impl<B: Backend> Rule<B> for Mirror {
    fn origin(&self) -> Origin {
        Origin::State
    }

    /// `dP = H u`, `dY = v + J dP`.
    fn pull_back(&self, b: &B, step: PulledMove<'_, B::Array>) -> B::Array {
        match step.hu {
            Some(hu) => b.add(step.v, &b.softmax_backward(step.p, &hu)),
            None => step.v.clone(),
        }
    }

    /// `D = Var_P(G) = <P, G^2> - <P,G>^2`, so `dD/dG = 2 J G` and `dD/dP = G^2 - 2 <P,G> G`.
    fn dissipation(&self, b: &B, at: Speed<'_, B::Array>) -> Dissipation<B::Array> {
        let dot = |x: &B::Array, y: &B::Array| b.sum_columns(&b.mul(x, y));
        let jg = b.softmax_backward(at.p, at.g);
        let mean = dot(at.p, at.g);
        let by_p = b.add(&b.mul(at.g, at.g), &b.scale(&b.mul(at.g, &mean), -2.0));
        Dissipation {
            fall: b.mul(&dot(&jg, at.g), at.alpha),
            by_g: b.mul(&b.scale(&jg, 2.0), at.alpha),
            by_p: b.mul(&by_p, at.alpha),
            by_next: None,
        }
    }
}
