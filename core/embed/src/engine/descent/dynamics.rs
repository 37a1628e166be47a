//! The dynamics a model was trained with.

use crate::engine::Error;
use crate::packed::Model;
use ebt_core::config::{ModelKind, UpdateRule};
use ebt_core::objective::InitialState;

/// What a model says about its own descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dynamics {
    /// How a state moves.
    pub update: UpdateRule,
    /// Number of landscapes `S`.
    pub landscapes: usize,
    /// Steps where [`super::DescentOptions::steps`] is 0.
    pub steps: usize,
    /// Step size `alpha`, finite and above 0, of every step for which the options set no other.
    pub alpha: f32,
    /// Whether states start at zero (the uniform distribution); else at `N(0, sigma0^2)`.
    pub zero_start: bool,
    /// Standard deviation of noise starts.
    pub sigma0: f32,
    /// Entropy `tau`, in units of energy: what is descended on is `F = E + tau sum P ln P` over the unknown cells of a
    /// row. Above 0 for the rule `mirror` only, whose step is then `Y' = Y - alpha (G + tau Y)`. Where there is a prior with logits
    /// `l`, it is `F = E + tau sum P (ln P - l)` and `Y - l` instead of `Y`.
    pub tau: f32,
}

/// `F` of a row from its energy and its entropy `-sum P ln P`; the energy itself without `tau`.
pub(super) fn free(tau: f32, energy: f32, entropy: f32) -> f32 {
    if tau > 0.0 { energy - tau * entropy } else { energy }
}

impl Dynamics {
    /// Those of a packed model, on `landscapes` landscapes and for at most `steps` steps. A model that was trained from zeros and
    /// from noise starts from zeros.
    pub(in crate::engine) fn of(model: &Model<'_>, landscapes: usize, steps: usize) -> Self {
        let (descent, config) = (&model.descent, &model.config);
        // a loop of logits replaces the state
        let replaces = config.kind == ModelKind::Joint && !config.has_energy();
        let (update, alpha, tau) =
            if replaces { (UpdateRule::Mirror, 1.0, 1.0) } else { (config.update, descent.alpha, config.tau as f32) };
        Self {
            update,
            landscapes,
            steps: descent.steps.min(steps),
            alpha,
            zero_start: descent.initial != InitialState::Noise,
            sigma0: descent.sigma0,
            tau,
        }
    }

    /// Landscape of step `i`.
    pub fn landscape(&self, i: usize) -> usize {
        i.min(self.landscapes.saturating_sub(1))
    }

    /// Refuses what no model file holds.
    ///
    /// # Errors
    ///
    /// The first field out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        let refuse = |field, requirement| Err(Error::Option { field, requirement });
        if self.landscapes == 0 {
            return refuse("dynamics.landscapes", "must be at least 1");
        }
        if !(self.sigma0.is_finite() && self.sigma0 >= 0.0) {
            return refuse("dynamics.sigma0", "must be finite and not negative");
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return refuse("dynamics.alpha", "must be finite and positive");
        }
        if !(self.tau.is_finite() && self.tau >= 0.0) {
            return refuse("dynamics.tau", "must be finite and not negative");
        }
        if self.tau > 0.0 && self.update != UpdateRule::Mirror {
            return refuse("dynamics.tau", "must be 0 but for the update rule `mirror`");
        }
        Ok(())
    }
}
