//! What a model is: sizes and semantics, validated before anything is built.

mod joint;

pub use joint::{Grid, Head, JointConfig, Positions, RelationKind};
use serde::{Deserialize, Serialize};

#[cfg(feature = "alloc")]
use crate::compute::{Attention, RouteSpec};
use crate::config_error::{ConfigError, not_negative, positive, require, require_choice};

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

impl UpdateRule {
    /// Every rule with its name, which is that in configuration files and on command lines, and its equation.
    pub const ALL: &[(&str, &str, Self)] = &[
        ("probability", "Y' = P - alpha G", Self::Probability),
        ("mirror", "Y' = Y - alpha G", Self::Mirror),
        ("logit", "Y' = Y - alpha J G", Self::Logit),
    ];
}

/// Smallest step size: a learned `alpha` is limited from below.
pub const SMALLEST_ALPHA: f64 = 1e-4;

/// Which streams AdaLN modulates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conditioning {
    /// Both streams are modulated.
    #[default]
    All,
    /// The predicted stream only; the observed stream is then computed once for all steps and candidates.
    Predictions,
    /// Nothing: a joint energy without AdaLN.
    None,
}

/// What is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// The energy-based transformer: prediction is descent on an energy.
    #[default]
    Ebt,
    /// Transformer++ baseline: causal, the same blocks without AdaLN, cross-entropy head.
    Transformer,
    /// One energy of all positions of a problem together: predictions see each other.
    Joint,
}

/// How parameters are drawn before training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialization {
    /// Every matrix is drawn from `N(0, 2 / (inputs + outputs))`.
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
    /// Factor of the routed experts' output (`routed_scaling_factor` of the paper).
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
    /// Number of tokens `V` of the vocabulary.
    pub vocab: usize,
    /// Width `D` of the hidden state.
    pub dim: usize,
    /// Number of transformer blocks.
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
    /// The predicted stream begins with the candidate and the embedding of the last token that was read, instead of the candidate alone.
    /// The baseline begins with that token anyhow.
    pub last_token: bool,
    /// How a state moves against the energy's gradient.
    pub update: UpdateRule,
    /// Temperature `tau` of an entropy in what is descended, `F = E + tau sum P log P`; rule `mirror` only.
    pub tau: f64,
    /// Initial step size.
    pub alpha: f64,
    /// Which streams AdaLN modulates.
    pub condition: Conditioning,
    /// How parameters are drawn before training.
    pub initialization: Initialization,
    /// Mixture of experts, or none for a dense feed-forward.
    pub moe: Option<MoeConfig>,
    /// What a joint model computes at its end.
    pub head: Head,
    /// Positions and relations of a joint model.
    pub joint: JointConfig,
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
            last_token: false,
            update: UpdateRule::Probability,
            tau: 0.0,
            alpha: 500.0,
            condition: Conditioning::All,
            initialization: Initialization::Xavier,
            moe: None,
            head: Head::Energy,
            joint: JointConfig::default(),
        }
    }
}

/// Largest size of any dimension: keeps every product of two far from overflow.
const LARGEST: usize = 1 << 28;

impl Config {
    /// Number of key/value heads `K`: `kv_heads`, or as many as query heads.
    pub fn key_heads(&self) -> usize {
        self.kv_heads.unwrap_or(self.heads)
    }
    /// Width `d` of a head: `head_dim`, or `dim / heads`.
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
    /// Whether what is trained has an energy.
    pub fn has_energy(&self) -> bool {
        self.kind != ModelKind::Transformer && self.head == Head::Energy
    }
    /// Whether AdaLN modulates something.
    pub fn has_condition(&self) -> bool {
        self.has_energy() && self.condition != Conditioning::None
    }
    /// Words of the set of allowed tokens of one position.
    pub fn set_words(&self) -> usize {
        self.vocab.div_ceil(32)
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
    pub fn check(&self) -> Result<(), ConfigError> {
        for (field, found) in [
            ("vocab", self.vocab),
            ("dim", self.dim),
            ("heads", self.heads),
            ("kv_heads", self.key_heads()),
            ("ffn", self.ffn),
            ("context", self.context),
            ("window", self.window.unwrap_or(1)),
        ] {
            require(field, found as f64, (1..=LARGEST).contains(&found), "must be between 1 and 2^28")?;
        }
        for (field, found) in [("layers", self.layers), ("landscapes", self.landscapes)] {
            require(field, found as f64, (1..=4096).contains(&found), "must be between 1 and 4096")?;
        }
        let width = self.head_width();
        let even = width != 0 && width.is_multiple_of(2) && width <= LARGEST;
        require("head_dim", width as f64, even, "must be even for rotary pairs, and between 2 and 2^28")?;
        let keys = self.key_heads();
        let divides = self.heads.is_multiple_of(keys);
        require("kv_heads", keys as f64, divides, "must divide the number of query heads")?;
        positive("rope_theta", self.rope_theta)?;
        positive("eps", self.eps)?;
        positive("alpha", self.alpha)?;
        not_negative("tau", self.tau)?;
        let mirror = self.tau == 0.0 || self.update == UpdateRule::Mirror;
        require("tau", self.tau, mirror, "needs update = \"mirror\"")?;
        let causal = !self.last_token || self.kind != ModelKind::Joint;
        require_choice("last_token", causal, "is not for joint models, which read no tokens")?;
        if self.kind == ModelKind::Joint {
            let conditions = self.condition != Conditioning::Predictions;
            require_choice("condition", conditions, "must be \"all\" or \"none\" in a joint model")?;
            self.joint.check(self.context)?;
        } else {
            require_choice("condition", self.condition != Conditioning::None, "\"none\" is for joint models")?;
            require_choice("head", self.head == Head::Energy, "\"logits\" is for joint models")?;
            let plain = self.joint == JointConfig::default();
            require_choice("joint", plain, "is for models of kind \"joint\"")?;
        }
        self.moe.as_ref().map_or(Ok(()), |moe| moe.check(self.layers))
    }
}

impl MoeConfig {
    fn check(&self, layers: usize) -> Result<(), ConfigError> {
        for (field, found) in [
            ("moe.n_routed", self.n_routed),
            ("moe.top_k", self.top_k),
            ("moe.hidden", self.hidden),
            ("moe.n_group", self.n_group),
            ("moe.topk_group", self.topk_group),
        ] {
            require(field, found as f64, (1..=1 << 20).contains(&found), "must be between 1 and 2^20")?;
        }
        let count = |field, found: usize, fits, rule| require(field, found as f64, fits, rule);
        count("moe.n_shared", self.n_shared, self.n_shared <= 1 << 16, "must be at most 65536")?;
        count("moe.top_k", self.top_k, self.top_k <= self.n_routed, "must be at most moe.n_routed")?;
        let divides = self.n_routed.is_multiple_of(self.n_group);
        count("moe.n_group", self.n_group, divides, "must divide moe.n_routed")?;
        count("moe.topk_group", self.topk_group, self.topk_group <= self.n_group, "must be at most moe.n_group")?;
        // both factors are at most 2^20, and the groups at least one
        let reachable = self.n_routed.checked_div(self.n_group).map_or(0, |each| each.saturating_mul(self.topk_group));
        count(
            "moe.top_k",
            self.top_k,
            self.top_k <= reachable,
            "must be at most the experts of moe.topk_group groups",
        )?;
        not_negative("moe.scale", self.scale)?;
        not_negative("moe.aux_coeff", self.aux_coeff)?;
        not_negative("moe.bias_rate", self.bias_rate)?;
        count("moe.first_dense", self.first_dense, self.first_dense <= layers, "must be at most layers")
    }
}
