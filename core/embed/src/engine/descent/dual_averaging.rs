//! Step sizes adapted to an acceptance rate by dual averaging (Nesterov, Math. Program. 120, 2009; Hoffman and Gelman,
//! JMLR 15, 2014, eq. 6): `x_{t+1} = mu - sqrt(t) / gamma * 1/(t + t0) sum (delta - a_i)`, `x = ln alpha`, and the
//! average `x_bar_{t+1} = t^-kappa x_{t+1} + (1 - t^-kappa) x_bar_t` that is kept when adaptation ends.

use crate::engine::math::{exp, ln, sqrt};

/// Best acceptance rate of Langevin proposals in many dimensions (Roberts and Rosenthal, JRSS B 60, 1998).
pub(super) const TARGET: f32 = 0.574;
const GAMMA: f32 = 0.05;
const T0: f32 = 10.0;
const KAPPA: f32 = 0.75;
/// `|ln alpha|` stays within this.
const WIDEST: f32 = 60.0;

/// Adaptation of one row, and its count of acceptances.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct DualAveraging {
    /// `mu = ln(10 alpha_0)`.
    pub mu: f32,
    /// Running mean of `delta - a`.
    pub error: f32,
    /// `x_bar`, the weighted mean of `ln alpha` that is kept when adaptation ends.
    pub average: f32,
    /// Transitions that the step size was adapted after, at most `warm_up`: the time `t` of the formulas.
    pub adapted: u32,
    /// Transitions counted in the rate: those after adaptation, or all while there are none.
    pub transitions: u32,
    /// Of these, accepted.
    pub accepted: u32,
}

impl DualAveraging {
    pub fn new(alpha: f32) -> Self {
        Self { mu: ln(10.0 * alpha), ..Self::default() }
    }

    pub fn load([mu, error, average, adapted, transitions, accepted]: [u32; 6]) -> Self {
        let f = f32::from_bits;
        Self { mu: f(mu), error: f(error), average: f(average), adapted, transitions, accepted }
    }

    pub fn store(&self) -> [u32; 6] {
        let Self { mu, error, average, adapted, transitions, accepted } = *self;
        [mu.to_bits(), error.to_bits(), average.to_bits(), adapted, transitions, accepted]
    }

    /// Counts a transition.
    pub fn count(&mut self, accepted: bool) {
        self.transitions = self.transitions.saturating_add(1);
        self.accepted = self.accepted.saturating_add(u32::from(accepted));
    }

    /// Takes the acceptance probability of a transition and gives the next step size; the last of `warm_up` gives the
    /// averaged one, and the rate is counted from there.
    pub fn adapt(&mut self, probability: f32, warm_up: u32) -> f32 {
        self.adapted = self.adapted.saturating_add(1);
        let t = self.adapted as f32;
        let share = 1.0 / (t + T0);
        self.error = (1.0 - share) * self.error + share * (TARGET - probability);
        let x = self.mu - sqrt(t) / GAMMA * self.error;
        let x = if x > WIDEST { WIDEST } else { x };
        let x = if x < -WIDEST { -WIDEST } else { x };
        let weight = exp(-KAPPA * ln(t));
        self.average = weight * x + (1.0 - weight) * self.average;
        if self.adapted < warm_up {
            return exp(x);
        }
        (self.transitions, self.accepted) = (0, 0);
        exp(self.average)
    }

    /// Share of accepted transitions; none where there was no transition.
    pub fn rate(&self) -> Option<f32> {
        (self.transitions > 0).then(|| self.accepted as f32 / self.transitions as f32)
    }
}
