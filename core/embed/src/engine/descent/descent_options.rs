//! What is asked for: how long, how carefully and from how many starts a token is thought about.

use serde::{Deserialize, Serialize};

use crate::engine::Error;

/// Most products a step.
pub(super) const MOST_PRODUCTS: usize = 32;

/// How the step size `alpha` of every descent step is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StepSize {
    /// The model's own.
    #[default]
    Model,
    /// This `alpha` at every step of every row; it must be finite and above 0.
    Fixed(f32),
    /// This multiple `eta` of the model's own `alpha`; it must be finite and above 0.
    Scaled(f32),
    /// Backtracking (Armijo, Pacific J. Math. 16, 1966), row by row and on the landscape of the step, until
    /// `F' <= F - decrease alpha D`. A row that finds no such step keeps its state.
    Armijo {
        /// First trial of the first step; 0 = the model's step size.
        start: f32,
        /// The constant `c` of sufficient decrease.
        decrease: f32,
        /// Factor of a refused step size.
        shrink: f32,
        /// Factor of the next step's first trial where the first trial held, 1 to 2 (1.1 and more to recover).
        grow: f32,
        /// Refused trials after the first before a row gives up.
        most_halvings: u32,
    },
    /// `alpha = c / lambda_max` of the linearised step (stable below `c = 2`); the model's step size where
    /// `lambda_max <= 0`, and where it is so small that `alpha` would exceed `2^23` step sizes of the model.
    Curvature {
        /// The product `alpha lambda_max` wanted.
        c: f32,
        /// Hessian-vector products a step.
        iterations: usize,
    },
}

impl StepSize {
    /// Backtracking with the usual constants.
    pub const ARMIJO: Self = Self::Armijo { start: 0.0, decrease: 1e-4, shrink: 0.5, grow: 1.5, most_halvings: 20 };
}

/// Noise of the dynamics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Noise {
    /// No noise: the descent is a function of its initial state alone.
    #[default]
    None,
    /// `Y += sigma xi` before the energy of every step: the training recipe.
    Langevin {
        /// Standard deviation `sigma` of the noise on every logit; it must be finite, and 0 adds none.
        sigma: f32,
    },
    /// The same at `sigma = sqrt(2 alpha tau)`: unadjusted Langevin dynamics at temperature `tau`.
    Temperature {
        /// Temperature, in units of energy.
        tau: f32,
    },
    /// Metropolis-adjusted steps on the last landscape (earlier landscapes are descended without noise).
    Metropolis {
        /// Temperature, in units of energy.
        tau: f32,
        /// Transitions during which the step size is adapted to acceptance 0.574; 0 = never.
        warm_up: u32,
    },
}

/// When a row stops early. Only steps on the last landscape can end a descent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tolerance {
    /// Stop when a step changed the energy `F` by no more than this; 0 = off.
    pub energy: f32,
    /// Stop when the dissipation `D` was no more than this; 0 = off.
    pub dissipation: f32,
    /// Never stop before this many steps.
    pub min_steps: usize,
}

/// Which of several candidates is kept; among equals it is the first. `F` is `E` where the dynamics have no entropy
/// ([`super::Dynamics::tau`]). From [`Self::Free`] on a selection has the final states assessed ([`DescentOptions::assess`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Selection {
    /// The least final energy `E`.
    #[default]
    Energy,
    /// The largest drop of `F` from the initial to the final state, both on the last landscape reached.
    Drop,
    /// The least final `F`.
    Free,
    /// The least entropy `-sum P ln P` of the unknown cells.
    Entropy,
    /// The least residual: the state that is nearest to rest.
    Residual,
    /// The answer (the most probable allowed token of every cell) that most candidates give as a whole; among answers with
    /// as many, that of the least `F`.
    Vote,
}

/// What is asked of one run; it holds for all of its positions and candidates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DescentOptions {
    /// Most descent steps, of every round where there are several; 0 = the model's own number.
    pub steps: usize,
    /// Rounds of committing, 0 or 1 = none. Every round descends from the start; after each but the last, the unknown cells
    /// whose likeliest token has the largest probability are given that token: of `u` unknown cells `ceil(u / rounds left)`,
    /// the round itself counted. Needs sets of allowed tokens, and dynamics of one landscape.
    pub commits: usize,
    /// How `alpha` is found; with a temperature it must be the model's own, a multiple of it, or a fixed one.
    pub step_size: StepSize,
    /// Noise on the states; every number of it is a function of `seed`, position, candidate and step.
    pub noise: Noise,
    /// When a row stops before its last step; with Metropolis steps both thresholds must be 0.
    pub tolerance: Tolerance,
    /// Starts of every position; one is kept. The first starts as the model was trained to.
    pub candidates: usize,
    /// Standard deviation of the starts of further candidates; 0 = `sigma0` of the model, or 1 where that is 0.
    pub spread: f32,
    /// Which candidate of a position is kept.
    pub choose: Selection,
    /// Whether the final state of every candidate is assessed: its energy, entropy and residual, and how many candidates
    /// give its answer. Costs one more gradient a row, and an energy where the last one is not that of the final state.
    pub assess: bool,
    /// Whether the energy after every step is evaluated, so that the certificate says whether it decreased.
    pub certify: bool,
    /// Hessian-vector products a step to measure `alpha lambda_max` with; 0 = not measured.
    pub curvature: usize,
    /// Seed of all noise.
    pub seed: u64,
}

impl Default for DescentOptions {
    fn default() -> Self {
        Self {
            steps: 0,
            commits: 0,
            step_size: StepSize::Model,
            noise: Noise::None,
            tolerance: Tolerance::default(),
            candidates: 1,
            spread: 0.0,
            choose: Selection::Energy,
            assess: false,
            certify: false,
            curvature: 0,
            seed: 0,
        }
    }
}

impl DescentOptions {
    /// The usual request of a joint problem: 16 steps of half of the model's step size, every step certified, and of further
    /// candidates, which start at `N(0, 2^2)`, the one of least `F`.
    pub fn joint() -> Self {
        let step_size = StepSize::Scaled(0.5);
        Self {
            steps: 16,
            step_size,
            spread: 2.0,
            choose: Selection::Free,
            assess: true,
            certify: true,
            ..Self::default()
        }
    }

    /// Whether final states are assessed.
    pub(super) fn assesses(&self) -> bool {
        self.assess || !matches!(self.choose, Selection::Energy | Selection::Drop)
    }

    /// Rounds that are descended.
    pub(super) fn rounds(&self) -> usize {
        self.commits.max(1)
    }

    /// Hessian-vector products a step.
    pub(super) fn products(&self) -> usize {
        match self.step_size {
            StepSize::Curvature { iterations, .. } => iterations.max(self.curvature),
            _ => self.curvature,
        }
    }

    /// The constant of sufficient decrease that certificates use.
    pub(super) fn sufficient(&self) -> f32 {
        match self.step_size {
            StepSize::Armijo { decrease, .. } => decrease,
            _ => 1e-4,
        }
    }

    /// Whether every step's energy afterwards is evaluated.
    pub(super) fn evaluates_after(&self) -> bool {
        self.certify
            || self.tolerance.energy > 0.0
            || (self.candidates > 1 && self.tolerance.dissipation > 0.0)
            || matches!(self.step_size, StepSize::Armijo { .. })
            || matches!(self.noise, Noise::Metropolis { .. })
    }

    /// Refuses what cannot be run.
    ///
    /// # Errors
    ///
    /// The first field out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        let positive = |field, x: f32| {
            let fine = x.is_finite() && x > 0.0;
            if fine { Ok(()) } else { Err(Error::Option { field, requirement: "must be finite and positive" }) }
        };
        let not_negative = |field, x: f32| {
            let fine = x.is_finite() && x >= 0.0;
            if fine { Ok(()) } else { Err(Error::Option { field, requirement: "must be finite and not negative" }) }
        };
        match self.step_size {
            StepSize::Model => {}
            StepSize::Fixed(x) => positive("step_size.fixed", x)?,
            StepSize::Scaled(x) => positive("step_size.scaled", x)?,
            StepSize::Armijo { start, decrease, shrink, grow, .. } => {
                not_negative("step_size.armijo.start", start)?;
                let between =
                    |field, fine, requirement| if fine { Ok(()) } else { Err(Error::Option { field, requirement }) };
                between("step_size.armijo.decrease", decrease > 0.0 && decrease < 1.0, "must lie between 0 and 1")?;
                between("step_size.armijo.shrink", shrink > 0.0 && shrink < 1.0, "must lie between 0 and 1")?;
                between("step_size.armijo.grow", (1.0..=2.0).contains(&grow), "must lie between 1 and 2")?;
            }
            StepSize::Curvature { c, .. } => positive("step_size.curvature.c", c)?,
        }
        match self.noise {
            Noise::None => {}
            Noise::Langevin { sigma } => not_negative("noise.langevin.sigma", sigma)?,
            Noise::Temperature { tau } => positive("noise.temperature.tau", tau)?,
            Noise::Metropolis { tau, .. } => positive("noise.metropolis.tau", tau)?,
        }
        let paired = matches!(self.noise, Noise::Temperature { .. } | Noise::Metropolis { .. });
        if paired && !matches!(self.step_size, StepSize::Model | StepSize::Fixed(_) | StepSize::Scaled(_)) {
            let requirement =
                "a temperature needs step sizes that do not depend on the state: `model`, `scaled` or `fixed`";
            return Err(Error::Option { field: "step_size", requirement });
        }
        if matches!(self.noise, Noise::Metropolis { .. }) {
            let t = self.tolerance;
            if t.energy > 0.0 || t.dissipation > 0.0 {
                let requirement = "must be 0 with Metropolis steps: stopping early would bias what is sampled";
                return Err(Error::Option { field: "tolerance", requirement });
            }
            if self.curvature > 0 {
                let requirement = "must be 0 with Metropolis steps";
                return Err(Error::Option { field: "curvature", requirement });
            }
        }
        not_negative("tolerance.energy", self.tolerance.energy)?;
        not_negative("tolerance.dissipation", self.tolerance.dissipation)?;
        not_negative("spread", self.spread)?;
        if self.commits > 1 && self.choose == Selection::Drop {
            let requirement = "must not be `drop` with several rounds: their energies are not those of one problem";
            return Err(Error::Option { field: "choose", requirement });
        }
        if !(1..=65_535).contains(&self.candidates) {
            return Err(Error::Option { field: "candidates", requirement: "must lie between 1 and 65535" });
        }
        let asks = matches!(self.step_size, StepSize::Curvature { .. });
        if self.products() > MOST_PRODUCTS || (asks && self.products() == 0) {
            let requirement = "the number of Hessian-vector products a step must lie between 1 and 32";
            return Err(Error::Option { field: "curvature", requirement });
        }
        Ok(())
    }
}
