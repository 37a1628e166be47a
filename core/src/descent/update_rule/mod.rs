//! How a state moves against the gradient of the energy: an object for each rule, with the derivatives of its move.
//!
//! ```text
//! probability: Y' = P - alpha G         the published rule
//! mirror:      Y' = Y - alpha G         entropic mirror descent on the simplex
//! logit:       Y' = Y - alpha J G       Euclidean descent on the logits, J = diag(P) - P P^T
//! ```

mod logit;
mod mirror;
mod probability;
mod rule;

pub use rule::{Dissipation, Origin, PulledMove, Rule, Speed};

use crate::compute::Backend;
use crate::config::UpdateRule;

/// The object of a configured rule.
pub fn of<'r, B: Backend + 'r>(rule: UpdateRule) -> &'r dyn Rule<B> {
    match rule {
        UpdateRule::Probability => &probability::Probability,
        UpdateRule::Mirror => &mirror::Mirror,
        UpdateRule::Logit => &logit::Logit,
    }
}
