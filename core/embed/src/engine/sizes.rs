//! What a session needs of everything, from the configuration and the options alone.

use super::error::Error;
use super::layer::attention::Shape;
use super::options::Options;
use ebt_core::config::{Conditioning, Config, ModelKind};

/// Every size that buffers are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Vocabulary `V`.
    pub vocab: usize,
    /// Width `D`.
    pub dim: usize,
    /// Blocks.
    pub layers: usize,
    /// Key heads `K`.
    pub key_heads: usize,
    /// Query heads of a key head, `H / K`.
    pub group: usize,
    /// Width of a head `d`.
    pub head_width: usize,
    /// Landscapes that are held.
    pub landscapes: usize,
    /// Observed streams that are held.
    pub streams: usize,
    /// Positions that a query sees at most, itself included.
    pub window: usize,
    /// Slots of a ring.
    pub slots: usize,
    /// Observed tokens computed together.
    pub block: usize,
    /// Candidate rows computed together.
    pub rows: usize,
    /// Arrays of a candidate pass: 2 with tangents.
    pub parts: usize,
}

impl Sizes {
    /// Sizes of a session.
    ///
    /// # Errors
    ///
    /// Options out of their range. The configuration must have been checked.
    pub fn of(config: &Config, options: &Options) -> Result<Self, Error> {
        options.validate()?;
        let window = config.window.unwrap_or(config.context.saturating_add(1));
        let landscapes = match config.kind {
            ModelKind::Ebt => config.landscapes.min(options.steps),
            ModelKind::Transformer => 1,
        };
        let streams = match config.condition {
            Conditioning::All => landscapes,
            Conditioning::Predictions => 1,
        };
        Ok(Self {
            vocab: config.vocab,
            dim: config.dim,
            layers: config.layers,
            key_heads: config.key_heads(),
            group: config.heads.checked_div(config.key_heads()).unwrap_or(1),
            head_width: config.head_width(),
            landscapes,
            streams,
            window,
            slots: window.saturating_sub(1).saturating_add(options.block),
            block: options.block,
            rows: options.rows,
            parts: if options.curvature { 2 } else { 1 },
        })
    }

    /// Most rows of any pass, values and tangents counted apart.
    pub fn most_rows(&self) -> usize {
        self.block.max(self.rows.saturating_mul(self.parts))
    }

    /// Geometry of the attention of `n` rows.
    pub fn attention(&self, n: usize, own: bool) -> Shape {
        Shape { n, group: self.group, key_heads: self.key_heads, width: self.head_width, own }
    }
}
