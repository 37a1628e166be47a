//! AdamW with a global-norm clip, decoupled decay on matrices only and a learning rate of its own for the step size.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::compute::{AdamW, Backend, Scope};
use crate::error::{Error, Result};
use crate::parameters::{ParameterLayout, Role};

/// Settings of the optimiser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// First-moment decay.
    pub beta1: f64,
    /// Second-moment decay.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled decay of matrices.
    pub weight_decay: f64,
    /// Limit of the gradient's global norm; 0 = off.
    pub clip: f64,
    /// Learning rate of `alpha` over that of the weights.
    pub alpha_rate: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.01, clip: 1.0, alpha_rate: 1500.0 }
    }
}

impl OptimizerConfig {
    /// Refuses impossible settings, naming the field.
    pub fn validate(&self) -> Result<()> {
        for (field, x) in [("optimizer.beta1", self.beta1), ("optimizer.beta2", self.beta2)] {
            if !(0.0..1.0).contains(&x) {
                return Err(Error::Config { field, message: alloc::format!("must be in [0, 1), got {x}") });
            }
        }
        for (field, x) in [
            ("optimizer.eps", self.eps),
            ("optimizer.weight_decay", self.weight_decay),
            ("optimizer.clip", self.clip),
            ("optimizer.alpha_rate", self.alpha_rate),
        ] {
            if !x.is_finite() || x < 0.0 || (field == "optimizer.eps" && x == 0.0) {
                return Err(Error::Config {
                    field,
                    message: alloc::format!("must be finite and not negative, got {x}"),
                });
            }
        }
        Ok(())
    }
}

/// Moments of every parameter.
#[derive(Clone, Debug)]
pub struct Optimizer<T> {
    /// First moments, in layout order.
    pub first: Vec<T>,
    /// Second moments.
    pub second: Vec<T>,
    /// Updates done.
    pub updates: u64,
}

impl<T: Clone> Optimizer<T> {
    /// Zero moments.
    pub fn new<B: Backend<Array = T>>(b: &B, layout: &ParameterLayout) -> Self {
        let zeros = || layout.entries.iter().map(|e| b.fill(e.rows, e.columns, 0.0)).collect();
        Self { first: zeros(), second: zeros(), updates: 0 }
    }

    /// One update of all weights from `grads`, whose sum of squares `(1,1)` is `squares`; returns the gradient's global norm before clipping `(1,1)`.
    pub fn update<B: Backend<Array = T>>(
        &mut self,
        b: &B,
        layout: &ParameterLayout,
        config: &OptimizerConfig,
        rate: f64,
        learn_alpha: bool,
        weights: &mut [T],
        grads: &[T],
        squares: &T,
    ) -> T {
        let left = b.enter(Scope::Optimizer);
        self.updates += 1;
        let t = self.updates as f64;
        // norm = s rsqrt(s); factor = min(1, clip / norm), without leaving the device
        let norm = b.mul(squares, &b.rsqrt(&b.offset(squares, f64::MIN_POSITIVE.max(1e-37))));
        let one = b.fill(1, 1, 1.0);
        let factor = if config.clip > 0.0 {
            let over = b.offset(&b.scale(&norm, 1.0 / config.clip), -1.0);
            let excess = b.mul(&over, &b.step(&over));
            b.recip(&b.add(&one, &excess))
        } else {
            one
        };
        let settings = AdamW {
            rate,
            beta1: config.beta1,
            beta2: config.beta2,
            eps: config.eps,
            decay: 0.0,
            correction1: 1.0 - libm::pow(config.beta1, t),
            correction2: 1.0 - libm::pow(config.beta2, t),
        };
        for (id, entry) in layout.entries.iter().enumerate() {
            let settings = match entry.role {
                Role::State => continue,
                Role::StepSize if !learn_alpha => continue,
                Role::StepSize => AdamW { rate: rate * config.alpha_rate, ..settings },
                Role::Vector => settings,
                Role::Matrix => AdamW { decay: config.weight_decay, ..settings },
            };
            let moments = (&mut self.first[id], &mut self.second[id]);
            b.adamw(&mut weights[id], moments, &grads[id], &factor, settings);
        }
        b.enter(left);
        norm
    }
}
