//! What a model is: sizes and semantics, validated before anything is built.

use serde::{Deserialize, Serialize};

#[cfg(feature = "alloc")]
use crate::compute::{Attention, RouteSpec};
use crate::fault::{Fault, Problem, not_negative, positive, refuse, size};

/// How a state moves against the energy's gradient (guide/mathematics.md section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateRule {
    /// `Y' = P - alpha G`, the published rule.
    #[default]
    Probability,
    /// `Y' = Y - alpha G`: entropic mirror descent on the simplex.
    Mirror,
    /// `Y' = Y - alpha J G`: Euclidean descent on the logits.
    Logit,
}

/// Which streams AdaLN modulates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conditioning {
    /// Both streams.
    #[default]
    All,
    /// The predicted stream only; the observed stream is then computed once for all steps and candidates.
    Predictions,
}

/// What is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Energy-based transformer.
    #[default]
    Ebt,
    /// Transformer++ baseline: causal, the same blocks without AdaLN, cross-entropy head.
    Transformer,
}

/// Initial parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialization {
    /// Xavier-normal everywhere.
    #[default]
    Xavier,
    /// AdaLN-zero: modulations and head zero, so blocks are the identity and `E = 0`.
    AdalnZero,
    /// AdaLN starts as the identity modulation with open gates (shift 0, scale 0, gate 1).
    AdalnIdentity,
}

/// DeepSeek-V2 mixture of experts (arXiv 2405.04434, section 2.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MoeConfig {
    /// Routed experts `E`.
    pub n_routed: usize,
    /// Shared experts, always on.
    pub n_shared: usize,
    /// Routed experts of a token.
    pub top_k: usize,
    /// Width of one expert.
    pub hidden: usize,
    /// Renormalise the kept gates to sum 1 (when `top_k > 1`).
    pub norm_topk: bool,
    /// `routed_scaling_factor`.
    pub scale: f64,
    /// Groups of experts.
    pub n_group: usize,
    /// Groups that may be chosen from.
    pub topk_group: usize,
    /// Balance loss per sequence (true) or over the batch.
    pub seq_aux: bool,
    /// Weight `a1` of the balance loss.
    pub aux_coeff: f64,
    /// Leading blocks that keep a dense feed-forward.
    pub first_dense: usize,
    /// Step of the auxiliary-loss-free bias (arXiv 2408.15664); 0 switches it off.
    pub bias_rate: f64,
}

impl Default for MoeConfig {
    fn default() -> Self {
        Self {
            n_routed: 8,
            n_shared: 1,
            top_k: 2,
            hidden: 0,
            norm_topk: false,
            scale: 1.0,
            n_group: 1,
            topk_group: 1,
            seq_aux: true,
            aux_coeff: 0.001,
            first_dense: 0,
            bias_rate: 0.0,
        }
    }
}

impl MoeConfig {
    /// The routing rule.
    #[cfg(feature = "alloc")]
    pub fn route(&self) -> RouteSpec {
        RouteSpec { experts: self.n_routed, top_k: self.top_k, groups: self.n_group, top_groups: self.topk_group }
    }
}

/// Sizes and semantics of a model. Field names are those of the published reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Energy-based model or baseline.
    pub kind: ModelKind,
    /// Vocabulary `V`.
    pub vocab: usize,
    /// Width `D`.
    pub dim: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads `H`.
    pub heads: usize,
    /// Key/value heads `K` (default `heads`).
    pub kv_heads: Option<usize>,
    /// Head width `d` (default `dim / heads`); `heads * head_dim` need not equal `dim`.
    pub head_dim: Option<usize>,
    /// Feed-forward width `F`.
    pub ffn: usize,
    /// Longest context `T`.
    pub context: usize,
    /// Sliding window in positions; none = full causal attention.
    pub window: Option<usize>,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Added to the mean square in norms.
    pub eps: f64,
    /// Landscapes `S`: AdaLN conditions.
    pub landscapes: usize,
    /// Candidates are mixed with the embedding matrix instead of one of their own.
    pub tied: bool,
    /// Update rule.
    pub update: UpdateRule,
    /// Initial step size.
    pub alpha: f64,
    /// Which streams AdaLN modulates.
    pub condition: Conditioning,
    /// Initial parameters.
    pub initialization: Initialization,
    /// Mixture of experts, or none for a dense feed-forward.
    pub moe: Option<MoeConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kind: ModelKind::Ebt,
            vocab: 64,
            dim: 32,
            layers: 2,
            heads: 4,
            kv_heads: None,
            head_dim: None,
            ffn: 64,
            context: 16,
            window: None,
            rope_theta: 10_000.0,
            eps: 1e-5,
            landscapes: 2,
            tied: false,
            update: UpdateRule::Probability,
            alpha: 500.0,
            condition: Conditioning::All,
            initialization: Initialization::Xavier,
            moe: None,
        }
    }
}

/// Largest size of any dimension: keeps every product of two far from overflow.
const LARGEST: usize = 1 << 28;

impl Config {
    /// Key/value heads.
    pub fn key_heads(&self) -> usize {
        self.kv_heads.unwrap_or(self.heads)
    }
    /// Head width.
    pub fn head_width(&self) -> usize {
        self.head_dim.unwrap_or(self.dim / self.heads.max(1))
    }
    /// Rows of the stacked query, key and value projection: `(H + 2K) d`.
    pub fn qkv_rows(&self) -> usize {
        self.key_heads().saturating_mul(2).saturating_add(self.heads).saturating_mul(self.head_width())
    }
    /// Attention geometry for `batch` sequences of `context` positions.
    #[cfg(feature = "alloc")]
    pub fn attention(&self, batch: usize, context: usize) -> Attention {
        Attention {
            batch,
            context,
            heads: self.heads,
            kv_heads: self.key_heads(),
            head_dim: self.head_width(),
            window: self.window.unwrap_or(context + 1),
        }
    }
    /// The mixture of block `layer`, if it has one.
    pub fn mixture(&self, layer: usize) -> Option<&MoeConfig> {
        self.moe.as_ref().filter(|m| layer >= m.first_dense)
    }

    /// Refuses what cannot be built, naming the field.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Config`].
    #[cfg(feature = "alloc")]
    pub fn validate(&self) -> crate::error::Result<()> {
        Ok(self.check()?)
    }

    /// Refuses what cannot be built, naming the field; without memory and for any values.
    ///
    /// # Errors
    ///
    /// The first field that cannot be used.
    pub fn check(&self) -> Result<(), Fault> {
        for (field, found) in [
            ("vocab", self.vocab),
            ("dim", self.dim),
            ("layers", self.layers),
            ("heads", self.heads),
            ("kv_heads", self.key_heads()),
            ("ffn", self.ffn),
            ("context", self.context),
            ("landscapes", self.landscapes),
            ("window", self.window.unwrap_or(1)),
        ] {
            size(field, found, LARGEST)?;
        }
        if self.layers > 4096 || self.landscapes > 4096 {
            return refuse("layers", Problem::Rule("layers and landscapes are limited to 4096"));
        }
        let (found, heads, keys) = (self.head_width(), self.heads, self.key_heads());
        if found == 0 || found % 2 == 1 || found > LARGEST {
            return refuse("head_dim", Problem::Count { rule: "rotary pairs need an even head width", found });
        }
        if !heads.is_multiple_of(keys) {
            let after = "query heads";
            return refuse(
                "kv_heads",
                Problem::Pair { first: keys, between: "key heads do not divide", second: heads, after },
            );
        }
        positive("rope_theta", self.rope_theta)?;
        positive("eps", self.eps)?;
        positive("alpha", self.alpha)?;
        self.moe.as_ref().map_or(Ok(()), |moe| moe.check(self.layers))
    }
}

impl MoeConfig {
    fn check(&self, layers: usize) -> Result<(), Fault> {
        for (field, found) in [
            ("moe.n_routed", self.n_routed),
            ("moe.top_k", self.top_k),
            ("moe.hidden", self.hidden),
            ("moe.n_group", self.n_group),
            ("moe.topk_group", self.topk_group),
        ] {
            size(field, found, 1 << 20)?;
        }
        if self.n_shared > 1 << 16 {
            let rule = "at most 65536 shared experts are possible";
            return refuse("moe.n_shared", Problem::Count { rule, found: self.n_shared });
        }
        let pair =
            |field, first, between, second, after| refuse(field, Problem::Pair { first, between, second, after });
        if self.top_k > self.n_routed {
            return pair("moe.top_k", self.top_k, "of", self.n_routed, "experts cannot be chosen");
        }
        if !self.n_routed.is_multiple_of(self.n_group) {
            return pair("moe.n_group", self.n_group, "groups do not divide", self.n_routed, "experts");
        }
        if self.topk_group > self.n_group {
            return pair("moe.topk_group", self.topk_group, "of", self.n_group, "groups cannot be chosen");
        }
        // both factors are at most 2^20, and the groups at least one
        let reachable = self.n_routed.checked_div(self.n_group).map_or(0, |each| each.saturating_mul(self.topk_group));
        if self.top_k > reachable {
            return pair("moe.top_k", self.top_k, "experts asked of", reachable, "in the chosen groups");
        }
        not_negative("moe.scale", self.scale)?;
        not_negative("moe.aux_coeff", self.aux_coeff)?;
        not_negative("moe.bias_rate", self.bias_rate)?;
        if self.first_dense > layers {
            return pair("moe.first_dense", self.first_dense, "dense blocks are more than the", layers, "blocks");
        }
        Ok(())
    }
}
