//! The configurations that packed models of older versions hold.
//!
//! postcard stores fields by position, so these fields, their order and their types stay as they are, as do those of the types
//! inside: a change to one of them needs a frozen copy here.

use ebt_core::config::{Conditioning, Config, Head, Initialization, JointConfig, ModelKind, MoeConfig, UpdateRule};
use serde::Deserialize;

macro_rules! frozen {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $of:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        pub(super) struct $name {
            $($field: $of,)*
        }

        impl From<$name> for Config {
            fn from(old: $name) -> Self {
                let $name { $($field,)* } = old;
                Self { $($field,)* ..Self::default() }
            }
        }
    )*};
}

frozen! {
    /// What [`Config`] was before joint models.
    Config2 {
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
    /// What [`Config`] was before candidates could meet the last token.
    Config3 {
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
        tau: f64,
        alpha: f64,
        condition: Conditioning,
        initialization: Initialization,
        moe: Option<MoeConfig>,
        head: Head,
        joint: JointConfig,
    }
}
