//! What a session needs of everything, from the configuration and the options alone.

use super::error::Error;
use super::options::SessionOptions;
use crate::packed::Storage;
use ebt_core::config::{Conditioning, Config, ModelKind, Positions};

/// Every size that buffers are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Vocabulary `V`: numbers in a state, and rows of the token matrices.
    pub vocab: usize,
    /// Width `D` of the rows of both streams.
    pub dim: usize,
    /// Number of blocks; each has rings of its own in every observed stream.
    pub layers: usize,
    /// Key heads `K`.
    pub key_heads: usize,
    /// Query heads of a key head, `H / K`.
    pub group: usize,
    /// Width of a head `d`.
    pub head_width: usize,
    /// Whether candidates meet the last token.
    pub last_token: bool,
    /// Landscapes that are held.
    pub landscapes: usize,
    /// Observed streams that are held.
    pub streams: usize,
    /// Positions that a query sees at most, itself included.
    pub window: usize,
    /// Slots of a ring; 0 in a joint model, which has no cache.
    pub slots: usize,
    /// How the keys and values of a ring are stored.
    pub cache: Storage,
    /// Observed tokens computed together; 0 in a joint model, which observes none.
    pub block: usize,
    /// Candidate rows computed together; in a joint model the positions of one problem.
    pub rows: usize,
    /// Numbers of a head that its position turns: all of them, or 0 where positions are not rotary.
    pub turned: usize,
    /// Arrays of a candidate pass: 2 with tangents.
    pub parts: usize,
    /// Widest feed-forward that is run as one: dense, all shared experts, or one routed expert.
    pub hidden: usize,
    /// Widest feed-forward that all rows pass: the dense one or the shared experts.
    pub common: usize,
    /// Width of a routed expert; 0 without a mixture.
    pub expert: usize,
    /// Routed experts; 0 without a mixture.
    pub experts: usize,
    /// Routed experts of a row.
    pub chosen: usize,
}

impl Sizes {
    /// Sizes of a session, or of a solver of joint problems.
    ///
    /// # Errors
    ///
    /// Options out of their range. The configuration must have been checked.
    pub fn of(config: &Config, options: &SessionOptions) -> Result<Self, Error> {
        options.validate()?;
        let window = config.window.unwrap_or(config.context.saturating_add(1));
        let landscapes = match config.kind {
            ModelKind::Joint if !config.has_condition() => 1,
            ModelKind::Ebt | ModelKind::Joint => config.landscapes.min(options.steps),
            ModelKind::Transformer => 1,
        };
        let joint = config.kind == ModelKind::Joint;
        let block = if joint { 0 } else { options.block };
        let rotary = !joint || config.joint.positions == Positions::Rotary;
        let streams = match config.condition {
            Conditioning::All => landscapes,
            Conditioning::Predictions | Conditioning::None => 1,
        };
        let dense = config.mixture(0).is_none();
        let (mut common, mut expert, mut experts, mut chosen) = (if dense { config.ffn } else { 0 }, 0, 0, 0);
        if let Some(m) = &config.moe {
            common = common.max(m.n_shared.saturating_mul(m.hidden));
            (expert, experts, chosen) = (m.hidden, m.n_routed, m.top_k);
        }
        Ok(Self {
            vocab: config.vocab,
            dim: config.dim,
            layers: config.layers,
            key_heads: config.key_heads(),
            group: config.heads.checked_div(config.key_heads()).unwrap_or(1),
            head_width: config.head_width(),
            last_token: config.last_token && config.kind == ModelKind::Ebt,
            landscapes,
            streams,
            window,
            slots: if joint { 0 } else { window.saturating_sub(1).saturating_add(block) },
            cache: options.cache,
            block,
            rows: if joint { config.context } else { options.rows },
            turned: if rotary { config.head_width() } else { 0 },
            parts: if options.curvature { 2 } else { 1 },
            hidden: common.max(expert),
            common,
            expert,
            experts,
            chosen,
        })
    }

    /// Most rows of any pass, values and tangents counted apart.
    pub fn most_rows(&self) -> usize {
        self.block.max(self.rows.saturating_mul(self.parts))
    }

    /// Query heads `H`.
    pub fn heads(&self) -> usize {
        self.key_heads.saturating_mul(self.group)
    }

    /// Columns of all queries.
    pub fn queries(&self) -> usize {
        self.heads().saturating_mul(self.head_width)
    }

    /// Columns of all keys.
    pub fn keys(&self) -> usize {
        self.key_heads.saturating_mul(self.head_width)
    }

    /// Columns of `[q | k | v]`.
    pub fn columns(&self) -> usize {
        self.queries().saturating_add(self.keys().saturating_mul(2))
    }
}
