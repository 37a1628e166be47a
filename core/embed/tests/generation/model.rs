//! Random small models.

use ebt::packed::{Contents, Storage, pack};
use ebt_core::config::{Conditioning, Config, JointConfig, ModelKind, MoeConfig, RelationKind, UpdateRule};
use ebt_core::objective::{InitialState, Objective};
use ebt_core::parameters::{ParameterLayout, Start};
use ebt_core::random::{Purpose, Stream};
use proptest::prelude::*;

/// A model and a text, or a joint model and a problem.
#[derive(Clone, Debug)]
pub struct Case {
    pub config: Config,
    pub objective: Objective,
    pub weights: Vec<Vec<f32>>,
    pub tokens: Vec<u32>,
    /// Sets of allowed tokens of a problem; empty where there is none.
    pub allowed: Vec<u32>,
    /// Tokens that are held likely in its cells, and their logits; empty where nothing is.
    pub prior: (Vec<u32>, Vec<f32>),
    pub steps: usize,
}

/// By how much of itself a nudged weight moves, as a standard deviation.
pub const NUDGE: f64 = 1e-6;

/// Weights large enough that every part of the model shows.
fn weights(config: &Config, seed: u64) -> Vec<Vec<f32>> {
    let layout = ParameterLayout::new(config);
    let entries = layout.entries.iter().enumerate();
    let draw = |(id, e): (usize, &ebt_core::parameters::ParameterInfo)| {
        let stream = Stream::new(seed, id as u32, Purpose::Test);
        let scale = 0.8 / (e.columns as f64).sqrt();
        if let Start::Relations(JointConfig { relations: RelationKind::Mask, .. }) = e.start {
            let mask = e.initial(id, seed);
            return (0..e.len()).map(|i| mask(i) as f32).collect();
        }
        let around = if e.rows == 1 && !e.name.contains("head") && !e.name.contains("bias") { 1.0 } else { 0.0 };
        (0..e.len()).map(|i| (around + scale * stream.normal(i as u64)) as f32).collect::<Vec<f32>>()
    };
    let mut weights: Vec<Vec<f32>> = entries.map(draw).collect();
    if let Some(energy) = layout.energy {
        weights[energy.alpha] = vec![config.alpha as f32];
    }
    weights
}

impl Case {
    pub fn new(config: Config, seed: u64, length: usize) -> Self {
        config.validate().unwrap();
        let stream = Stream::new(seed, 1, Purpose::Test);
        let vocab = config.vocab as u64;
        let zeros = stream.below(9_999, 2) == 0;
        let initial = if zeros { InitialState::Zeros } else { InitialState::Noise };
        Self {
            weights: weights(&config, seed),
            tokens: (0..length as u64).map(|i| stream.below(i, vocab) as u32).collect(),
            allowed: Vec::new(),
            prior: (Vec::new(), Vec::new()),
            objective: Objective { initial, ..Objective::default() },
            steps: 1 + stream.below(10_000, 4) as usize,
            config,
        }
    }

    pub fn small() -> Self {
        Self::new(
            Config { vocab: 11, dim: 8, layers: 2, heads: 2, ffn: 8, context: 8, alpha: 0.5, ..Config::default() },
            3,
            6,
        )
    }

    /// The same with every weight moved by a millionth or so of itself: sixteen roundings to single precision.
    pub fn nudged(&self, seed: u64) -> Self {
        let nudge = |(id, w): (usize, &Vec<f32>)| {
            let stream = Stream::new(seed, id as u32, Purpose::Test);
            let each = w.iter().enumerate();
            each.map(|(i, x)| (f64::from(*x) * (1.0 + NUDGE * stream.normal(i as u64))) as f32).collect()
        };
        Self { weights: self.weights.iter().enumerate().map(nudge).collect(), ..self.clone() }
    }

    pub fn pack(&self) -> Vec<u8> {
        self.pack_as(Storage::F32)
    }

    pub fn pack_as(&self, storage: Storage) -> Vec<u8> {
        let (config, objective, weights) = (&self.config, &self.objective, &self.weights[..]);
        pack(&Contents { config, objective, provenance: &[], weights, storage, language: None }).unwrap()
    }
}

pub fn mixtures() -> impl Strategy<Value = Option<MoeConfig>> {
    let some = (1..3usize, 1..3usize, 1..3usize, 0..2usize, 3..6usize, any::<bool>(), any::<bool>());
    let some = some.prop_map(|(groups, of, k, n_shared, hidden, norm_topk, biased)| {
        let n_routed = groups * (of + 1);
        let topk_group = 1 + (groups - 1) / 2;
        let top_k = k.min(topk_group * (of + 1));
        let bias_rate = if biased { 0.01 } else { 0.0 };
        MoeConfig {
            n_routed,
            n_shared,
            top_k,
            hidden,
            norm_topk,
            scale: 1.5,
            n_group: groups,
            topk_group,
            bias_rate,
            ..MoeConfig::default()
        }
    });
    prop_oneof![2 => Just(None), 1 => some.prop_map(Some)]
}

/// Sizes of all kinds: odd widths, groups of queries, windows of one, mixtures, both conditions, all rules, the baseline.
pub fn cases() -> impl Strategy<Value = Case> {
    let sizes = (5..20usize, 3..20usize, 1..4usize, 1..3usize, 1..3usize, 1..4usize, 3..12usize);
    let kinds =
        (prop::option::of(1..7usize), 1..4usize, any::<[bool; 3]>(), 0..UpdateRule::ALL.len(), mixtures(), 0..2usize);
    (sizes, kinds, any::<u64>(), 2..18usize).prop_map(|(sizes, kinds, seed, length)| {
        let (vocab, dim, layers, keys, group, pairs, ffn) = sizes;
        let (window, landscapes, [tied, all, ebt], rule, moe, first_dense) = kinds;
        let kind = if ebt || seed % 4 > 0 { ModelKind::Ebt } else { ModelKind::Transformer };
        let config = Config {
            kind,
            vocab,
            dim,
            layers,
            heads: keys * group,
            kv_heads: Some(keys),
            head_dim: Some(2 * pairs),
            ffn,
            context: 18,
            window,
            landscapes,
            tied,
            last_token: seed % 3 == 0,
            update: UpdateRule::ALL[rule].2,
            alpha: 0.5,
            condition: if all { Conditioning::All } else { Conditioning::Predictions },
            moe: moe.map(|m| MoeConfig { first_dense: first_dense.min(layers), ..m }),
            ..Config::default()
        };
        Case::new(config, seed, length)
    })
}
