//! What is known of one row, kept as words of the arena between the phases of a step.

use super::certificate::Stop;
use super::dual_averaging::DualAveraging;

/// Words of a [`Row`].
pub(super) const WORDS: usize = 14;
/// A row at rest in the arena.
pub(super) type Stored = [u32; WORDS];

/// State of one row besides its matrices.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    /// Step size: of the step being taken, or the first trial of a line search.
    pub alpha: f32,
    /// Energy `E` at the current state, if `energy_known`.
    pub energy: f32,
    /// Entropy of the unknown cells there; 0 while nothing needs it.
    pub entropy: f32,
    /// `F` of the initial state on the last landscape reached, for [`super::Selection::Drop`].
    pub first: f32,
    /// Dissipation `D`, at least 0, of the last move or trial; of the final state where that was assessed.
    pub dissipation: f32,
    /// `lambda_max` of the current step.
    pub lambda: f32,
    /// Step-size adaptation and acceptance.
    pub adapt: DualAveraging,
    /// Descent steps that the row took, including the one that it stopped at.
    pub steps: u32,
    /// Candidates with the same answer, itself included; 0 where nothing was assessed.
    pub votes: u32,
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
        let &[alpha, energy, entropy, first, dissipation, lambda, a, b, c, d, e, f, steps, packed] = w;
        let adapt = [a, b, c, d, e, f];
        Self {
            alpha: f32::from_bits(alpha),
            energy: f32::from_bits(energy),
            entropy: f32::from_bits(entropy),
            first: f32::from_bits(first),
            dissipation: f32::from_bits(dissipation),
            lambda: f32::from_bits(lambda),
            adapt: DualAveraging::load(adapt),
            steps,
            votes: packed >> 16,
            stop: Stop::load(packed >> 8 & 0xff),
            energy_known: packed & 1 != 0,
            gradient_known: packed & 2 != 0,
            searching: packed & 4 != 0,
        }
    }

    pub fn store(&self) -> Stored {
        let [a, b, c, d, e, f] = self.adapt.store();
        let flags = u32::from(self.energy_known) | u32::from(self.gradient_known) << 1 | u32::from(self.searching) << 2;
        [
            self.alpha.to_bits(),
            self.energy.to_bits(),
            self.entropy.to_bits(),
            self.first.to_bits(),
            self.dissipation.to_bits(),
            self.lambda.to_bits(),
            a,
            b,
            c,
            d,
            e,
            f,
            self.steps,
            // votes are at most the candidates, of which there are less than 2^16
            flags | Stop::store(self.stop) << 8 | self.votes << 16,
        ]
    }

    /// Whether the row still takes steps.
    pub fn runs(&self) -> bool {
        self.stop.is_none()
    }
}
