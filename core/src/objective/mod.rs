//! What training minimises: settings of the rollout and of the loss (guide/mathematics.md sections 4 and 6).

#[cfg(feature = "alloc")]
pub mod contrastive;
#[cfg(feature = "alloc")]
pub mod cross_entropy;
#[cfg(feature = "alloc")]
pub mod lyapunov;
#[cfg(feature = "alloc")]
pub mod nce;
#[cfg(feature = "alloc")]
pub mod target;
#[cfg(feature = "alloc")]
pub mod term;

use serde::{Deserialize, Serialize};

use crate::config_error::{ConfigError, not_negative, require};
use crate::random::{Purpose, Stream};

/// What flows through the states of a rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flow {
    /// System 1: the gradient stops at every state.
    #[default]
    Detached,
    /// System 2: the gradient is pulled back through all steps.
    Unrolled,
}

/// Which steps' losses count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossSteps {
    /// The mean over steps.
    #[default]
    Mean,
    /// The last step only ("truncate"); earlier gradients `G` are constants.
    Last,
    /// Step `i` of `n`, from 1, weighs `2 i / (n (n + 1))`.
    Linear,
}

/// What a rollout starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitialState {
    /// Independent logits from `N(0, sigma0^2)`, drawn anew in every training step; `sigma0 = 0` gives zeros.
    #[default]
    Noise,
    /// Zeros: the uniform distribution.
    Zeros,
    /// Half of the sequences start from zeros, the others from `N(0, s^2)` with `s` uniform in `[0, sigma0)`.
    Mixed,
}

/// What the tangent pass finds of the primal pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checkpointing {
    /// Everything is kept: fastest.
    #[default]
    None,
    /// An unrolled run keeps states only and recomputes each step: memory constant in the number of steps.
    Step,
    /// As `Step`, and within a step only the input of every block is kept: about a third more work, and activations of
    /// one block at a time.
    Block,
}

/// Settings of the rollout and the loss. Zero switches an option off where not said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Objective {
    /// Fewest descent steps.
    pub min_steps: usize,
    /// Most descent steps; the number is drawn uniformly for every training step.
    pub max_steps: usize,
    /// Training steps that take `1 ..= curriculum_steps` descent steps, before `min_steps ..= max_steps` begin.
    pub curriculum: u32,
    /// Most descent steps while the curriculum lasts.
    pub curriculum_steps: usize,
    /// System 1 or 2.
    pub flow: Flow,
    /// Which steps count.
    pub loss: LossSteps,
    /// What a rollout starts from.
    pub initial: InitialState,
    /// Standard deviation of noise starts.
    pub sigma0: f64,
    /// Langevin noise added to the state before every step.
    pub langevin: f64,
    /// Every position's step size is drawn from `[alpha / j, alpha j]`; 1 = off.
    pub alpha_jitter: f64,
    /// Whether the step size is trained.
    pub learn_alpha: bool,
    /// Weight of the contrastive term `softplus(E(target) - E(prediction))`.
    pub contrastive: f64,
    /// Weight of noise contrastive estimation of the energies of tokens, on the last landscape.
    pub nce: f64,
    /// Tokens of noise for every position in it.
    pub noise_tokens: usize,
    /// Weight of the Lyapunov loss.
    pub lyapunov: f64,
    /// Constant `c` of sufficient decrease in the Lyapunov loss, and for the control of the step size.
    pub lyapunov_c: f64,
    /// Share of steps that are to decrease the energy sufficiently: after every update the step size grows where more do, and
    /// shrinks where fewer do. 0 leaves the step size alone.
    pub step_control: f64,
    /// How fast the controlled step size changes: by the factor `e^(gain (share - step_control))` an update.
    pub step_gain: f64,
    /// Sequences kept in the replay buffer.
    pub replay: usize,
    /// Share of a batch that starts from the replay buffer.
    pub replay_share: f64,
    /// Keep or recompute.
    pub checkpointing: Checkpointing,
}

impl Default for Objective {
    fn default() -> Self {
        Self {
            min_steps: 2,
            max_steps: 2,
            curriculum: 0,
            curriculum_steps: 1,
            flow: Flow::Detached,
            loss: LossSteps::Mean,
            initial: InitialState::Noise,
            sigma0: 1.0,
            langevin: 0.0,
            alpha_jitter: 1.0,
            learn_alpha: true,
            contrastive: 0.0,
            nce: 0.0,
            noise_tokens: 1,
            lyapunov: 0.0,
            lyapunov_c: 1e-4,
            step_control: 0.0,
            step_gain: 0.05,
            replay: 0,
            replay_share: 0.5,
            checkpointing: Checkpointing::None,
        }
    }
}

impl Objective {
    /// Refuses what cannot be run, naming the field.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Config`].
    #[cfg(feature = "alloc")]
    pub fn validate(&self) -> crate::error::Result<()> {
        Ok(self.check()?)
    }

    /// Refuses what cannot be run, naming the field; without memory and for any values.
    ///
    /// # Errors
    ///
    /// The first field that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (least, most) = (self.min_steps, self.max_steps);
        require("objective.min_steps", least as f64, (1..=most).contains(&least), "must be between 1 and max_steps")?;
        require("objective.max_steps", most as f64, most <= 4096, "must be at most 4096")?;
        let early = self.curriculum_steps;
        let fits = (1..=4096).contains(&early);
        require("objective.curriculum_steps", early as f64, fits, "must be between 1 and 4096")?;
        not_negative("objective.sigma0", self.sigma0)?;
        not_negative("objective.langevin", self.langevin)?;
        not_negative("objective.contrastive", self.contrastive)?;
        not_negative("objective.nce", self.nce)?;
        let noise = self.noise_tokens;
        require("objective.noise_tokens", noise as f64, (1..=64).contains(&noise), "must be between 1 and 64")?;
        not_negative("objective.lyapunov", self.lyapunov)?;
        not_negative("objective.lyapunov_c", self.lyapunov_c)?;
        let control = self.step_control;
        require("objective.step_control", control, (0.0..1.0).contains(&control), "must be in [0, 1)")?;
        let gain = self.step_gain;
        require("objective.step_gain", gain, gain > 0.0 && gain <= 1.0, "must be above 0 and at most 1")?;
        let jitter = self.alpha_jitter;
        require("objective.alpha_jitter", jitter, jitter.is_finite() && jitter >= 1.0, "must be at least 1")?;
        let share = self.replay_share;
        require("objective.replay_share", share, (0.0..=1.0).contains(&share), "must be in [0, 1]")
    }

    /// Whether a step of the reverse sweep reads whole matrices `(n,V)` beside the states: unrolling pulls cotangents
    /// through them, and the Lyapunov loss reads the gradient of the energy.
    pub fn needs_matrices(&self) -> bool {
        self.flow == Flow::Unrolled || self.measures_decrease()
    }

    /// Whether the energy after every step is measured.
    pub fn measures_decrease(&self) -> bool {
        self.lyapunov != 0.0 || self.step_control != 0.0
    }

    /// Number of descent steps of training step `step`.
    pub fn steps(&self, seed: u64, step: u32) -> usize {
        let (least, most) =
            if step < self.curriculum { (1, self.curriculum_steps) } else { (self.min_steps, self.max_steps) };
        let span = (most - least + 1) as u64;
        least + Stream::new(seed, step, Purpose::Steps).below(0, span) as usize
    }

    /// Most descent steps of any training step.
    pub fn most_steps(&self) -> usize {
        let early = if self.curriculum > 0 { self.curriculum_steps } else { 1 };
        self.max_steps.max(early)
    }

    /// The objective as far as `done` training steps have come: while the curriculum lasts, its descent steps.
    pub fn reached(&self, done: u64) -> Self {
        let mut reached = self.clone();
        if self.curriculum > 0 && done <= u64::from(self.curriculum) {
            (reached.min_steps, reached.max_steps) = (1, self.curriculum_steps);
        }
        reached
    }

    /// Weight of the loss after step `i` of `n`.
    pub fn step_weight(&self, i: usize, n: usize) -> f64 {
        match self.loss {
            LossSteps::Mean => 1.0 / n as f64,
            LossSteps::Last => f64::from(u8::from(i + 1 == n)),
            LossSteps::Linear => 2.0 * (i + 1) as f64 / (n * (n + 1)) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curriculum_takes_one_step_and_then_all() {
        let o = Objective { min_steps: 2, max_steps: 3, curriculum: 5, ..Objective::default() };
        assert!((0..5).all(|step| o.steps(1, step) == 1));
        assert!((5..50).all(|step| (2..=3).contains(&o.steps(1, step))));
        assert_eq!((o.reached(5).max_steps, o.reached(6).max_steps), (1, 3));
        let o = Objective { curriculum_steps: 4, ..o };
        assert!((0..5).all(|step| (1..=4).contains(&o.steps(1, step))));
        assert_eq!((o.reached(5).max_steps, o.most_steps()), (4, 4));
    }
}
