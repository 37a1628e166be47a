//! Small models of every kind, with drawn weights.

use ebt::packed::{self, Storage};
use ebt_core::config::{
    Conditioning, Config, Grid, JointConfig, ModelKind, MoeConfig, Positions, RelationKind, UpdateRule,
};
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use ebt_core::random::{Purpose, Stream};
use proptest::prelude::*;

/// `count` normal numbers.
pub fn normals(seed: u64, count: usize) -> Vec<f32> {
    let stream = Stream::new(seed, 0, Purpose::Test);
    (0..count as u64).map(|i| stream.normal(i) as f32).collect()
}

/// Weights in layout order.
pub fn weights(config: &Config, seed: u64) -> Vec<Vec<f32>> {
    let layout = ParameterLayout::new(config);
    layout.entries.iter().zip(1..).map(|(e, i)| normals(seed * 1000 + i, e.len())).collect()
}

/// Packs a model with a tokenizer and provenance.
pub fn packed(config: &Config, weights: &[Vec<f32>], storage: Storage) -> Vec<u8> {
    let provenance = [(String::from("source"), String::from("çizim")), (String::from("steps"), String::from("7"))];
    let objective = Objective { max_steps: 3, sigma0: 0.5, ..Objective::default() };
    let contents = packed::Contents {
        config,
        objective: &objective,
        provenance: &provenance,
        weights,
        storage,
        language: Some(b"tokens"),
    };
    packed::pack(&contents).expect("packs")
}

/// Dense and mixed, tied and not, every kind, all conditionings.
pub fn configs() -> impl Strategy<Value = Config> {
    (causal(), proptest::option::of((any::<bool>(), 0usize..4, 0usize..3))).prop_map(|(config, joint)| {
        let Some((modulated, positions, relations)) = joint else { return config };
        let grid = Some(Grid { rows: 2, columns: 3, box_rows: 1, box_columns: 3 });
        Config {
            kind: ModelKind::Joint,
            condition: if modulated { Conditioning::All } else { Conditioning::None },
            last_token: false,
            update: UpdateRule::Mirror,
            tau: 0.25,
            context: 6,
            joint: JointConfig {
                positions: [Positions::Rotary, Positions::Grid, Positions::Learned, Positions::None][positions],
                relations: [RelationKind::None, RelationKind::Bias, RelationKind::Mask][relations],
                grid,
                distance: 0,
            },
            ..config
        }
    })
}

fn causal() -> impl Strategy<Value = Config> {
    let moe = proptest::option::of((1usize..4, 0usize..2, 0usize..3, any::<bool>()));
    let sizes = (1usize..40, 1usize..24, 1usize..4, 1usize..3, 1usize..20, 1usize..3);
    (sizes, any::<[bool; 4]>(), moe).prop_map(|((vocab, dim, layers, keys, ffn, landscapes), flags, moe)| Config {
        kind: if flags[0] { ModelKind::Ebt } else { ModelKind::Transformer },
        vocab,
        dim,
        layers,
        heads: 2 * keys,
        kv_heads: Some(keys),
        head_dim: Some(6),
        ffn,
        landscapes,
        tied: flags[1],
        last_token: flags[3],
        condition: if flags[2] { Conditioning::All } else { Conditioning::Predictions },
        moe: moe.map(|(n_routed, n_shared, first_dense, bias)| MoeConfig {
            n_routed,
            n_shared,
            top_k: 1,
            hidden: 5,
            first_dense: first_dense.min(layers),
            bias_rate: if bias { 0.1 } else { 0.0 },
            ..MoeConfig::default()
        }),
        ..Config::default()
    })
}

/// Any storage.
pub fn storages() -> impl Strategy<Value = Storage> {
    proptest::sample::select(&Storage::ALL[..])
}
