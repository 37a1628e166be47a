//! What the tests of this package share.
#![allow(dead_code, clippy::unwrap_used)]

use ebt::packed::{self, Storage};
use ebt_core::config::{Conditioning, Config, ModelKind, UpdateRule};
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use ebt_core::random::{Purpose, Stream};

/// The tokenizer that every command uses, in its compact form.
pub const TOKENIZER: &[u8] = ebt_fixtures::COMPACT_TOKENIZER;

/// Sizes of a small model for that tokenizer.
pub fn config() -> Config {
    Config { vocab: 4096, dim: 16, layers: 2, heads: 2, ffn: 24, context: 64, alpha: 5.0, ..Config::default() }
}

/// A packed model with drawn weights.
pub fn packed(config: &Config, tokenizer: Option<&[u8]>, storage: Storage) -> Vec<u8> {
    let layout = ParameterLayout::new(config);
    let draw = |(i, length): (u64, usize)| {
        let stream = Stream::new(i, 0, Purpose::Test);
        (0..length as u64).map(|k| 0.4 * stream.normal(k) as f32).collect::<Vec<f32>>()
    };
    let weights: Vec<Vec<f32>> = (1..).zip(layout.entries.iter().map(|entry| entry.len())).map(draw).collect();
    let objective = Objective { max_steps: 3, ..Objective::default() };
    let contents = packed::Contents {
        config,
        objective: &objective,
        provenance: &[],
        weights: &weights,
        storage,
        language: tokenizer,
    };
    packed::pack(&contents).unwrap()
}

/// A small packed model.
pub fn model() -> Vec<u8> {
    packed(&config(), Some(TOKENIZER), Storage::Int8)
}

/// A small packed joint model.
pub fn joint() -> Vec<u8> {
    let config = Config {
        kind: ModelKind::Joint,
        condition: Conditioning::None,
        vocab: 7,
        context: 9,
        update: UpdateRule::Mirror,
        alpha: 2.0,
        tau: 0.5,
        ..config()
    };
    packed(&config, None, Storage::F16)
}

/// The same, of another kind.
pub fn baseline() -> Vec<u8> {
    packed(&Config { kind: ModelKind::Transformer, ..config() }, Some(TOKENIZER), Storage::F32)
}
