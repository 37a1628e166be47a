//! Small models for tests.
#![allow(dead_code)]

pub mod fed;
pub mod header;
pub mod program;

use std::path::PathBuf;
use std::sync::OnceLock;

use ebt_core::config::{Config, ModelKind, MoeConfig};
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use ebt_model::LoadedModel;
use ebt_tokenizer::{Tokenizer, TrainOptions};

/// A folder of the repository's fixtures.
pub fn fixtures(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures")).join(name)
}

/// A tokenizer of 300 tokens.
pub fn tokenizer() -> Tokenizer {
    static TRAINED: OnceLock<Tokenizer> = OnceLock::new();
    let train = || {
        let texts = ["Ankara'nın başkent oluşu", "İstanbul'un ilçeleri ve köyleri"].map(String::from);
        Tokenizer::train(texts.into_iter(), TrainOptions { vocabulary_size: 300, ..TrainOptions::default() }).unwrap()
    };
    TRAINED.get_or_init(train).clone()
}

/// Configurations of every kind of layout.
pub fn configs() -> Vec<Config> {
    let base =
        Config { vocab: 300, dim: 16, layers: 2, heads: 2, ffn: 24, context: 16, alpha: 0.5, ..Config::default() };
    let moe = MoeConfig { n_routed: 4, n_shared: 2, top_k: 2, hidden: 6, first_dense: 1, ..MoeConfig::default() };
    vec![
        Config { kv_heads: Some(1), head_dim: Some(6), window: Some(5), ..base.clone() },
        Config { tied: true, moe: Some(moe.clone()), ..base.clone() },
        Config { moe: Some(MoeConfig { n_shared: 0, first_dense: 0, bias_rate: 0.1, ..moe }), ..base.clone() },
        Config { kind: ModelKind::Transformer, ..base.clone() },
        Config { kind: ModelKind::Transformer, tied: true, ..base.clone() },
        Config { last_token: true, window: Some(4), ..base },
    ]
}

/// A model of reproducible weights; values that half precisions hold exactly if `short`.
pub fn model(config: &Config, short: bool) -> LoadedModel {
    let layout = ParameterLayout::new(config);
    let weight = |id: usize, i: usize| -> f32 {
        let x = ((i * 7 + id * 13) % 31) as f32 / 16.0 - 0.9375;
        if short { x } else { x + 1e-7 * i as f32 }
    };
    let weights =
        layout.entries.iter().enumerate().map(|(id, e)| (0..e.len()).map(|i| weight(id, i)).collect()).collect();
    LoadedModel {
        config: config.clone(),
        objective: Objective { max_steps: 3, sigma0: 0.5, ..Objective::default() },
        layout,
        weights,
        fingerprint: Some(tokenizer().fingerprint()),
        tokenizer: Some(tokenizer()),
        words: None,
        provenance: vec![("origin".into(), "test".into()), ("not".into(), "ışık".into())],
    }
}
