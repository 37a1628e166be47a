//! The dynamics a model was trained with.

use crate::engine::Error;
use ebt_core::config::UpdateRule;

/// Limits on a move, in the order they are applied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// `|alpha d|` is limited to this, elementwise; 0 = off.
    pub max_change: f32,
    /// `|Y'|` is limited to this, elementwise; 0 = off.
    pub absolute: f32,
    /// `Y'` is divided by this temperature after the move; 1 = off.
    pub sharpen: f32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_change: 0.0, absolute: 0.0, sharpen: 1.0 }
    }
}

/// What a model says about its own descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dynamics {
    /// How a state moves.
    pub update: UpdateRule,
    /// Number of landscapes `S`.
    pub landscapes: usize,
    /// Steps where [`super::Think::steps`] is 0.
    pub steps: usize,
    /// Step size.
    pub alpha: f32,
    /// Whether states start at zero (the uniform distribution); else at `N(0, sigma0^2)`.
    pub zero_start: bool,
    /// Standard deviation of noise starts.
    pub sigma0: f32,
    /// Limits on a move.
    pub limits: Limits,
}

impl Dynamics {
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
        let l = &self.limits;
        let refuse = |field, requirement| Err(Error::Option { field, requirement });
        if self.landscapes == 0 {
            return refuse("dynamics.landscapes", "must be at least 1");
        }
        for (field, x) in
            [("dynamics.sigma0", self.sigma0), ("dynamics.max_change", l.max_change), ("dynamics.absolute", l.absolute)]
        {
            if !(x.is_finite() && x >= 0.0) {
                return refuse(field, "must be finite and not negative");
            }
        }
        for (field, x) in [("dynamics.alpha", self.alpha), ("dynamics.sharpen", l.sharpen)] {
            if !(x.is_finite() && x > 0.0) {
                return refuse(field, "must be finite and positive");
            }
        }
        Ok(())
    }
}
