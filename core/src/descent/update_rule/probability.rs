//! `Y' = P - alpha G`: the published rule (arXiv 2507.02092).

use super::rule::{Dissipation, Origin, PulledMove, Rule, Speed};
use crate::compute::Backend;

/// See the module text.
#[derive(Debug)]
pub(super) struct Probability;

impl<B: Backend> Rule<B> for Probability {
    fn origin(&self) -> Origin {
        Origin::Distribution
    }

    /// `dP = v + H u`, `dY = J dP`.
    fn pull_back(&self, b: &B, step: PulledMove<'_, B::Array>) -> B::Array {
        match step.hu {
            Some(hu) => b.softmax_backward(step.p, &b.add(step.v, &hu)),
            None => b.softmax_backward(step.p, step.v),
        }
    }

    /// `alpha D = <G, P - P'>`: the fall along the actual move.
    fn dissipation(&self, b: &B, at: Speed<'_, B::Array>) -> Dissipation<B::Array> {
        let back = b.add(at.p, &b.scale(at.next, -1.0));
        Dissipation {
            fall: b.sum_columns(&b.mul(at.g, &back)),
            by_g: back,
            by_p: at.g.clone(),
            by_next: Some(b.scale(at.g, -1.0)),
        }
    }
}
