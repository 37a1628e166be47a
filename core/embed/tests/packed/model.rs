//! What is packed is what is read.

use ebt::packed::{self, ConditionOf, FeedForward, Floats, Matrix, Model, Storage};
use ebt_core::compute::Backend;
use ebt_core::config::{Conditioning, Config, ModelKind};
use ebt_core::layer::{self, condition};
use ebt_core::parameters::{FeedForwardIds, ParameterId, ParameterLayout, SwigluIds};
use ebt_core::reference::{Arena, Reference};
use proptest::prelude::*;

use crate::support::{configs, packed, storages, weights};

/// The largest difference of a stored value from the weight, by the largest weight of its row.
fn tolerance(storage: Storage) -> f32 {
    match storage {
        Storage::F32 => 0.0,
        Storage::F16 => 1.0 / 2048.0,
        Storage::Bf16 => 1.0 / 256.0,
        // half a step, or what a scale of less squared error cuts off
        Storage::Int8 => 0.17,
        Storage::Int4 => 0.4,
        other => panic!("{other:?} has no tolerance"),
    }
}

struct Pair<'a> {
    layout: &'a ParameterLayout,
    weights: &'a [Vec<f32>],
    storage: Storage,
    seen: usize,
}

impl Pair<'_> {
    fn matrix(&mut self, found: Matrix<'_>, id: ParameterId) {
        let entry = &self.layout.entries[id];
        assert_eq!((found.rows, found.columns), (entry.rows, entry.columns), "{}", entry.name);
        assert_eq!(found.storage, self.storage);
        let mut row = vec![0.0; entry.columns];
        for (i, expected) in self.weights[id].chunks(entry.columns).enumerate() {
            assert!(found.row_into(i, &mut row));
            let largest = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            for (x, y) in row.iter().zip(expected) {
                assert!((x - y).abs() <= tolerance(self.storage) * largest, "{}: {x} for {y}", entry.name);
            }
        }
        self.seen += found.bytes();
    }

    fn swiglu(&mut self, found: ebt::packed::Swiglu<'_>, ids: SwigluIds) {
        self.matrix(found.w13, ids.w13);
        self.matrix(found.w2, ids.w2);
    }

    fn floats(&mut self, found: Floats<'_>, id: ParameterId) {
        assert!(found.iter().eq(self.weights[id].iter().copied()), "{}", self.layout.entries[id].name);
        self.seen += 4 * found.len();
    }
}

fn near(found: Option<Floats<'_>>, expected: Option<Vec<f32>>) {
    assert_eq!(found.is_some(), expected.is_some());
    let (Some(found), Some(expected)) = (found, expected) else { return };
    assert_eq!(found.len(), expected.len());
    for (i, x) in expected.iter().enumerate() {
        assert!((found.get(i) - x).abs() <= 1e-4 * (1.0 + x.abs()), "{} for {x}", found.get(i));
    }
}

/// The condition vectors that training computes.
fn compare_conditions(model: &Model<'_>, config: &Config, layout: &ParameterLayout, weights: &[Vec<f32>]) {
    let arena = Arena::<f64>::new(1 << 16, 1 << 12);
    let b = Reference::new(&arena);
    let arrays: Vec<_> = layout.entries.iter().zip(weights).map(|(e, w)| b.upload(e.rows, e.columns, w)).collect();
    let trained = layer::Model { config, layout, weights: &arrays };
    let vector = |a: &_| {
        let mut out = vec![0.0; config.dim];
        b.download(a, &mut out);
        out
    };
    for s in 0..config.landscapes {
        let of = ConditionOf::Landscape(s);
        let Some((expected, _)) = condition::conditioned(&b, trained, s) else {
            assert!(model.block_condition(of, 0).is_none() && model.head_condition(of).is_none());
            continue;
        };
        for (i, expected) in expected.blocks.iter().enumerate() {
            let found = model.block_condition(of, i).expect("exists");
            near(Some(found.w1), Some(vector(&expected.w1)));
            near(found.b1, expected.b1.as_ref().map(vector));
            near(found.a1, expected.a1.as_ref().map(vector));
            near(Some(found.w2), Some(vector(&expected.w2)));
            near(found.b2, expected.b2.as_ref().map(vector));
            near(found.a2, expected.a2.as_ref().map(vector));
        }
        let found = model.head_condition(of).expect("exists");
        near(Some(found.w), Some(vector(&expected.w)));
        near(found.b, expected.b.as_ref().map(vector));
    }
    b.status().expect("the arena is large enough");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_packed_model_holds_what_was_trained(config in configs(), storage in storages(), seed in 1u64..1000) {
        let (layout, weights) = (ParameterLayout::new(&config), weights(&config, seed));
        let bytes = packed(&config, &weights, storage);
        let model = Model::read(&bytes).expect("reads");
        prop_assert_eq!(&model.config, &config);
        prop_assert_eq!(model.storage, storage);
        prop_assert_eq!(model.tokenizer().or(model.words()), Some(&b"tokens"[..]));
        prop_assert!(model.provenance().eq([("source", "çizim"), ("steps", "7")]));
        let alpha = layout.energy.map_or(500.0, |e| weights[e.alpha][0].max(1e-4));
        prop_assert_eq!((model.descent.steps, model.descent.sigma0, model.descent.alpha), (3, 0.5, alpha));

        let mut pair = Pair { layout: &layout, weights: &weights, storage, seen: 0 };
        pair.matrix(model.embedding(), layout.embedding);
        pair.matrix(model.vocabulary(), layout.vocabulary);
        prop_assert_eq!(model.marks().is_some(), layout.joint.is_some());
        if let (Some(marks), Some(ids)) = (model.marks(), layout.joint) {
            pair.floats(marks.flags, ids.flags);
            prop_assert_eq!(marks.positions.is_some(), ids.positions.is_some());
            marks.positions.into_iter().zip(ids.positions).for_each(|(found, id)| pair.floats(found, id));
        }
        for (i, ids) in layout.blocks.iter().enumerate() {
            let block = model.block(i).expect("exists");
            prop_assert_eq!(block.relations.is_some(), ids.relations.is_some());
            block.relations.into_iter().zip(ids.relations).for_each(|(found, id)| pair.floats(found, id));
            pair.matrix(block.qkv, ids.qkv);
            pair.matrix(block.wo, ids.wo);
            match (block.feed_forward, ids.feed_forward) {
                (FeedForward::Dense(found), FeedForwardIds::Dense(ids)) => pair.swiglu(found, ids),
                (
                    FeedForward::Mixture { gate, bias, experts, shared },
                    FeedForwardIds::Mixture { gate: g, bias: b, experts: e, shared: s },
                ) => {
                    pair.matrix(gate, g);
                    let biased = config.moe.as_ref().is_some_and(|m| m.bias_rate > 0.0);
                    prop_assert_eq!(bias.is_some(), biased);
                    bias.into_iter().for_each(|bias| pair.floats(bias, b));
                    pair.swiglu(experts, e);
                    prop_assert_eq!(shared.is_some(), s.is_some());
                    shared.into_iter().zip(s).for_each(|(found, ids)| pair.swiglu(found, ids));
                }
                _ => prop_assert!(false, "block {} is of another kind", i),
            }
            let plain = !config.has_condition() || config.condition == Conditioning::Predictions;
            prop_assert_eq!(model.condition_of(0) == ConditionOf::Plain, !config.has_condition());
            let found = model.block_condition(ConditionOf::Plain, i);
            prop_assert_eq!(found.is_some(), plain);
            if let Some(found) = found {
                pair.floats(found.w1, ids.attention_norm);
                pair.floats(found.w2, ids.ffn_norm);
                prop_assert!(found.b1.is_none() && found.a1.is_none() && found.b2.is_none() && found.a2.is_none());
            }
        }
        if let Some(found) = model.head_condition(ConditionOf::Plain) {
            pair.floats(found.w, layout.norm);
        }
        prop_assert_eq!(model.head().is_some(), layout.energy.is_some());
        if let (Some(head), Some(ids)) = (model.head(), layout.energy) {
            pair.floats(head, ids.head);
        }
        prop_assert!(pair.seen > 0 && model.weight_bytes() < bytes.len());
        compare_conditions(&model, &config, &layout, &weights);
        prop_assert!(model.block(config.layers).is_none());
        prop_assert!(model.block_condition(ConditionOf::Plain, config.layers).is_none());
        prop_assert!(model.block_condition(ConditionOf::Landscape(config.landscapes), 0).is_none());
    }
}

/// All matrices of a packed model, in its order.
fn held<'m>(model: &Model<'m>) -> Vec<Matrix<'m>> {
    let mut all = vec![model.embedding()];
    all.extend(Some(model.vocabulary()).filter(|_| !model.config.tied && model.config.kind != ModelKind::Joint));
    for block in (0..model.config.layers).map(|i| model.block(i).expect("exists")) {
        all.extend([block.qkv, block.wo]);
        match block.feed_forward {
            FeedForward::Dense(of) => all.extend([of.w13, of.w2]),
            FeedForward::Mixture { gate, experts, shared, .. } => {
                all.extend([gate, experts.w13, experts.w2]);
                all.extend(shared.into_iter().flat_map(|of| [of.w13, of.w2]));
            }
        }
    }
    all.extend(model.output().map(|output| output.weight));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Training that rounds its matrices knows what will be held.
    #[test]
    fn rounded_matrices_are_held_as_they_are(config in configs(), storage in storages(), seed in 1u64..1000) {
        let (layout, mut weights) = (ParameterLayout::new(&config), weights(&config, seed));
        let matrices = packed::matrices(&layout);
        for &id in &matrices {
            packed::round(storage, layout.entries[id].columns, &mut weights[id]).expect("these are small");
        }
        let bytes = packed(&config, &weights, storage);
        let model = Model::read(&bytes).expect("reads");
        let held = held(&model);
        prop_assert_eq!(held.len(), matrices.len());
        for (matrix, id) in held.into_iter().zip(matrices) {
            let mut row = vec![0.0; matrix.columns];
            for (i, expected) in weights[id].chunks(matrix.columns).enumerate() {
                prop_assert!(matrix.row_into(i, &mut row));
                for (&x, &y) in row.iter().zip(expected) {
                    // a scale of int8 is found again up to its last place
                    let place = if storage == Storage::Int8 { 3e-7 * y.abs() } else { 0.0 };
                    prop_assert!((x - y).abs() <= place, "{:?} of {}: {} for {}", storage, layout.entries[id].name, x, y);
                }
            }
        }
    }
}

#[test]
fn what_a_storage_cannot_hold_is_not_rounded() {
    let message = packed::round(Storage::F16, 2, &mut [1.0, 1e6]).expect_err("too large").to_string();
    assert!(message.contains("1000000") && message.contains("f16"), "{message}");
    packed::round(Storage::Int4, 2, &mut [1.0, f32::NAN]).expect_err("no number");
}

/// Root of the mean squared error by the root mean square, of normal weights.
fn relative_error(storage: Storage) -> f64 {
    let config = Config { vocab: 64, dim: 256, layers: 1, heads: 2, ffn: 8, ..Config::default() };
    let weights = weights(&config, 3);
    let bytes = packed(&config, &weights, storage);
    let model = Model::read(&bytes).expect("reads");
    let (mut error, mut size, mut row) = (0.0, 0.0, vec![0.0; 256]);
    for (i, expected) in weights[0].chunks(256).enumerate() {
        assert!(model.embedding().row_into(i, &mut row));
        for (&x, &y) in row.iter().zip(expected) {
            error += f64::from(x - y).powi(2);
            size += f64::from(y).powi(2);
        }
    }
    (error / size).sqrt()
}

#[test]
fn quantisation_of_normal_weights_is_as_fine_as_its_bits() {
    assert!(relative_error(Storage::Int8) < 0.0075);
    assert!(relative_error(Storage::Int4) < 0.085);
}
