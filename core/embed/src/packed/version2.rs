//! The configuration as packed models of version 2 hold it.
//!
//! postcard stores fields by position, so these fields, their order and their types stay as they are, as do those of the types
//! inside: a change to one of them needs a frozen copy here.

use ebt_core::config::{Conditioning, Config, Initialization, ModelKind, MoeConfig, UpdateRule};
use serde::Deserialize;

/// What [`Config`] was before joint models.
#[derive(Debug, Deserialize)]
pub(super) struct Config2 {
    kind: ModelKind,
    vocab: usize,
    dim: usize,
    layers: usize,
    heads: usize,
    kv_heads: Option<usize>,
    head_dim: Option<usize>,
    ffn: usize,
    context: usize,
    window: Option<usize>,
    rope_theta: f64,
    eps: f64,
    landscapes: usize,
    tied: bool,
    update: UpdateRule,
    alpha: f64,
    condition: Conditioning,
    initialization: Initialization,
    moe: Option<MoeConfig>,
}

impl From<Config2> for Config {
    fn from(old: Config2) -> Self {
        let Config2 { kind, vocab, dim, layers, heads, kv_heads, head_dim, ffn, context, window, .. } = old;
        let Config2 { rope_theta, eps, landscapes, tied, update, alpha, condition, initialization, moe, .. } = old;
        Self {
            kind,
            vocab,
            dim,
            layers,
            heads,
            kv_heads,
            head_dim,
            ffn,
            context,
            window,
            rope_theta,
            eps,
            landscapes,
            tied,
            update,
            alpha,
            condition,
            initialization,
            moe,
            ..Self::default()
        }
    }
}
