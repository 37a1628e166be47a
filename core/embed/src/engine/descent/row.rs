//! What is known of one row, kept as words of the arena between the phases of a step.

use super::certificate::Stop;
use super::dual_averaging::DualAveraging;

/// Words of a [`Row`].
pub(super) const WORDS: usize = 16;
/// A row at rest in the arena.
pub(super) type Stored = [u32; WORDS];

/// State of one row besides its matrices.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    /// Step size: of the step being taken, or the first trial of a line search.
    pub alpha: f32,
    /// Energy at the current state, if `energy_known`.
    pub energy: f32,
    /// Energy of the initial state on the last landscape reached, for [`super::Selection::Drop`].
    pub first: f32,
    /// `<P, G>` at the current state, the mean of the gradient under its distribution.
    pub mean: f32,
    /// Dissipation `D`, at least 0, of the last move or trial.
    pub dissipation: f32,
    /// Log-sum-exp of the current state.
    pub lse: f32,
    /// `lambda_max` of the current step.
    pub lambda: f32,
    /// Step-size adaptation and acceptance.
    pub adapt: DualAveraging,
    /// Descent steps that the row took, including the one that it stopped at.
    pub steps: u32,
    /// Why it stopped; none while it runs.
    pub stop: Option<Stop>,
    /// Whether `energy` and the potential's last point are those of the current state on the current landscape.
    pub energy_known: bool,
    /// Whether the row of `G` is that of the current state on the current landscape.
    pub gradient_known: bool,
    /// Whether a line search of this row goes on.
    pub searching: bool,
}

impl Row {
    pub fn load(w: &Stored) -> Self {
        let &[alpha, energy, first, mean, dissipation, lse, lambda, a, b, c, d, e, f, steps, stop, flags] = w;
        let adapt = [a, b, c, d, e, f];
        Self {
            alpha: f32::from_bits(alpha),
            energy: f32::from_bits(energy),
            first: f32::from_bits(first),
            mean: f32::from_bits(mean),
            dissipation: f32::from_bits(dissipation),
            lse: f32::from_bits(lse),
            lambda: f32::from_bits(lambda),
            adapt: DualAveraging::load(adapt),
            steps,
            stop: Stop::load(stop),
            energy_known: flags & 1 != 0,
            gradient_known: flags & 2 != 0,
            searching: flags & 4 != 0,
        }
    }

    pub fn store(&self) -> Stored {
        let [a, b, c, d, e, f] = self.adapt.store();
        let flags = u32::from(self.energy_known) | u32::from(self.gradient_known) << 1 | u32::from(self.searching) << 2;
        [
            self.alpha.to_bits(),
            self.energy.to_bits(),
            self.first.to_bits(),
            self.mean.to_bits(),
            self.dissipation.to_bits(),
            self.lse.to_bits(),
            self.lambda.to_bits(),
            a,
            b,
            c,
            d,
            e,
            f,
            self.steps,
            Stop::store(self.stop),
            flags,
        ]
    }

    /// Whether the row still takes steps.
    pub fn runs(&self) -> bool {
        self.stop.is_none()
    }
}
