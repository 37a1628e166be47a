//! AdamW, or Muon for the matrices of blocks, with a global-norm clip, decoupled decay on matrices only and learning rates of their own
//! for the step size and the token embedding.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::compute::{AdamW, Backend, ParamGroup, Rule};
use crate::config_error::{not_negative, positive, require};
use crate::error::Result;
use crate::muon;
use crate::parameters::{ParameterId, ParameterLayout, Role};

/// What the matrices of blocks are moved by; all else is moved by AdamW.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// AdamW
    #[default]
    AdamW,
    /// Momentum made orthogonal ([`muon`])
    Muon,
}

/// Settings of the optimiser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// What moves the matrices of blocks.
    pub kind: OptimizerKind,
    /// Share of the first moment kept at an update, in `[0, 1)`.
    pub beta1: f64,
    /// Share of the second moment kept at an update, in `[0, 1)`.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled decay of matrices.
    pub weight_decay: f64,
    /// Limit of the gradient's global norm; 0 = off.
    pub clip: f64,
    /// Learning rate of `alpha` over that of the weights.
    pub alpha_rate: f64,
    /// Learning rate of the token embedding over that of the other weights. With AdamW, `m` times the rate and `m` times the standard
    /// deviation at the start are a multiplier `m` on the embedding.
    pub embedding_rate: f64,
    /// Learning rate of AdaLN (step embeddings, and what makes shifts, scales and gates of them) over that of the other weights. All
    /// tokens share a condition `c (1, D)`, so an update by `r` of every weight moves a shift by as much as `r` times the sum of `|c|`,
    /// about `0.4 D` times as far as a bias: at Muon's rates that buries what tells tokens apart, and a mixture sends all to one expert.
    pub adaln_rate: f64,
    /// Share of the first moment that Muon keeps at an update, in `[0, 1)`.
    pub momentum: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::AdamW,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 0.01,
            clip: 1.0,
            alpha_rate: 1500.0,
            embedding_rate: 1.0,
            adaln_rate: 1.0,
            momentum: 0.95,
        }
    }
}

impl OptimizerConfig {
    /// The constants of the update.
    pub fn constants(&self) -> AdamW {
        AdamW { beta1: self.beta1, beta2: self.beta2, eps: self.eps }
    }

    /// Refuses impossible settings, naming the field.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Config`].
    pub fn validate(&self) -> Result<()> {
        let shares =
            [("optimizer.beta1", self.beta1), ("optimizer.beta2", self.beta2), ("optimizer.momentum", self.momentum)];
        for (field, x) in shares {
            require(field, x, (0.0..1.0).contains(&x), "must be in [0, 1)")?;
        }
        positive("optimizer.eps", self.eps)?;
        not_negative("optimizer.weight_decay", self.weight_decay)?;
        not_negative("optimizer.clip", self.clip)?;
        not_negative("optimizer.embedding_rate", self.embedding_rate)?;
        not_negative("optimizer.adaln_rate", self.adaln_rate)?;
        Ok(not_negative("optimizer.alpha_rate", self.alpha_rate)?)
    }
}

/// The parameters that Muon moves.
fn directed(layout: &ParameterLayout, config: &OptimizerConfig) -> impl Iterator<Item = ParameterId> + use<> {
    let matrices = if config.kind == OptimizerKind::Muon { layout.block_matrices() } else { Vec::new() };
    matrices.into_iter()
}

/// Moments of every parameter.
#[derive(Clone, Debug)]
pub struct Optimizer<T> {
    /// First moments, in layout order.
    pub first: Vec<T>,
    /// Second moments, in layout order; directions of the last step where Muon moves.
    pub second: Vec<T>,
    /// Number of updates done; numbers the bias corrections.
    pub updates: u64,
}

impl<T: Clone> Optimizer<T> {
    /// Moments of zero, in the shapes of the layout.
    pub fn new<B: Backend<Array = T>>(b: &B, layout: &ParameterLayout) -> Self {
        let zeros = || layout.entries.iter().map(|e| b.fill(e.rows, e.columns, 0.0)).collect();
        Self { first: zeros(), second: zeros(), updates: 0 }
    }

    /// How every parameter is treated, in layout order.
    pub fn param_groups(layout: &ParameterLayout, config: &OptimizerConfig, learn_alpha: bool) -> Vec<ParamGroup> {
        let of = |role: Role| match role {
            Role::State => (0.0, 0.0),
            Role::StepSize => (if learn_alpha { config.alpha_rate } else { 0.0 }, 0.0),
            Role::Vector => (1.0, 0.0),
            Role::Matrix => (1.0, config.weight_decay),
        };
        let groups = layout.entries.iter().map(|e| {
            let (rate, decay) = of(e.role);
            ParamGroup { rate, decay, rule: Rule::AdamW }
        });
        let mut groups: Vec<ParamGroup> = groups.collect();
        groups[layout.embedding].rate *= config.embedding_rate;
        for id in layout.adaln() {
            groups[id].rate *= config.adaln_rate;
        }
        for id in directed(layout, config) {
            groups[id].rule = Rule::Direction { momentum: config.momentum };
        }
        groups
    }

    /// Writes the directions that Muon finds to the places of second moments, but of `frozen` parameters, which move nowhere; `factor
    /// (1,1)` is that on the gradients.
    pub fn find_directions<B: Backend<Array = T>>(
        &mut self,
        b: &B,
        layout: &ParameterLayout,
        (config, frozen): (&OptimizerConfig, &[ParameterId]),
        gradients: &[T],
        factor: &T,
    ) {
        for id in directed(layout, config).filter(|id| !frozen.contains(id)) {
            let of = (&self.first[id], &gradients[id]);
            let direction = muon::direction(b, of, factor, config.momentum, &layout.entries[id].parts);
            // written in place: a recorded step finds it where it was
            b.clear(&mut self.second[id]);
            b.accumulate(&mut self.second[id], &direction);
        }
    }

    /// Forgets directions, after a step whose gradients were no numbers.
    pub fn clear_directions<B: Backend<Array = T>>(
        &mut self,
        b: &B,
        layout: &ParameterLayout,
        config: &OptimizerConfig,
    ) {
        for id in directed(layout, config) {
            b.clear(&mut self.second[id]);
        }
    }

    /// What the next update takes from the host `(1,5)`: rate, bias corrections, room for the factor, share kept of the
    /// average. See [`Backend::update`].
    pub fn device_scalars(&self, config: &OptimizerConfig, rate: f64, keep: f64) -> [f64; 5] {
        let t = (self.updates + 1) as f64;
        [rate, 1.0 - libm::pow(config.beta1, t), 1.0 - libm::pow(config.beta2, t), 0.0, keep]
    }
}

/// `(norm, factor)`, both `(1,1)`, from the sum of squares of gradients that are `1 / unscale` times too large: the
/// global norm, and what to multiply gradients with so that the norm is at most `clip`. Without leaving the device;
/// the factor is NaN where `squares` or `loss` is not finite.
pub fn clip<B: Backend>(
    b: &B,
    clip: f64,
    squares: &B::Array,
    loss: &B::Array,
    unscale: Option<&B::Array>,
) -> (B::Array, B::Array) {
    // norm = s rsqrt(s); factor = min(1, clip / norm)
    let scaled = b.mul(squares, &b.rsqrt(&b.offset(squares, f64::MIN_POSITIVE.max(1e-37))));
    let norm = match unscale {
        Some(unscale) => b.mul(&scaled, unscale),
        None => scaled,
    };
    let one = b.fill(1, 1, 1.0);
    let mut factor = if clip > 0.0 {
        let over = b.offset(&b.scale(&norm, 1.0 / clip), -1.0);
        let excess = b.mul(&over, &b.heaviside(&over));
        b.recip(&b.add(&one, &excess))
    } else {
        one
    };
    if let Some(unscale) = unscale {
        factor = b.mul(&factor, unscale);
    }
    // 0 x is NaN where x is not finite
    let poison = b.scale(&b.add(squares, loss), 0.0);
    (norm, b.add(&factor, &poison))
}
