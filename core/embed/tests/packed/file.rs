//! Any bytes are either a sound packed model or refused.

use ebt::packed::{self, ConditionOf, Contents, FeedForward, Isa, Matrix, Model, ReadError, Storage};
use ebt_core::config::{Config, Head, ModelKind, MoeConfig};
use ebt_core::error::Error;
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use proptest::prelude::*;

use crate::support::{configs, packed, storages, weights};

fn small(storage: Storage) -> Vec<u8> {
    let config = Config { vocab: 5, dim: 4, layers: 2, heads: 2, ffn: 3, landscapes: 1, ..Config::default() };
    packed(&config, &weights(&config, 1), storage)
}

/// Bytes with a checksum that fits them.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 4;
    let checksum = ebt_core::checksum::crc32(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// A file with this header and `body` zero bytes behind it.
fn file(header: &[u8], body: usize) -> Vec<u8> {
    let mut out = packed::MAGIC.to_vec();
    out.extend(packed::VERSION.to_le_bytes());
    out.extend((header.len() as u32).to_le_bytes());
    out.extend((24 + header.len() as u64 + body as u64 + 4).to_le_bytes());
    out.extend(header);
    out.resize(out.len() + body + 4, 0);
    sealed(out)
}

fn header(config: &Config) -> Vec<u8> {
    let descent = packed::DescentDefaults { steps: 1, initial: Default::default(), sigma0: 1.0, alpha: 1.0 };
    postcard::to_allocvec(&(config, descent, Storage::F32, 0u32, None::<u64>)).expect("encodes")
}

/// Reads everything that a model gives out.
fn walk(model: &Model<'_>) {
    let touch = |w: Matrix<'_>| {
        let mut y = vec![0.0; w.rows];
        w.product(Isa::detect(), &vec![1.0; w.columns], &mut y);
    };
    touch(model.embedding());
    touch(model.vocabulary());
    for layer in 0..=model.config.layers {
        if let Some(block) = model.block(layer) {
            touch(block.qkv);
            touch(block.wo);
            match block.feed_forward {
                FeedForward::Dense(dense) => touch(dense.w2),
                FeedForward::Mixture { experts, .. } => touch(experts.w2),
            }
        }
        for of in [ConditionOf::Plain, ConditionOf::Landscape(0), ConditionOf::Landscape(usize::MAX)] {
            let _ = model.block_condition(of, layer).map(|c| c.w1.iter().sum::<f32>());
        }
    }
    assert_eq!(model.provenance().map(|(key, value)| key.len() + value.len()).sum::<usize>(), 18);
}

#[test]
fn every_truncation_is_refused() {
    let bytes = small(Storage::Int4);
    for length in 0..bytes.len() {
        let error = Model::read(&bytes[..length]).expect_err("refused");
        assert!(matches!(error, ReadError::CutShort { .. } | ReadError::Foreign), "{length}: {error}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert_eq!(Model::read(&longer).expect_err("refused"), ReadError::TooLong { extra: 1 });
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = small(Storage::Int8);
    for i in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[i] ^= 1 << (i % 8);
        assert!(Model::read(&damaged).is_err(), "byte {i}");
    }
}

#[test]
fn any_alignment_will_do() {
    let bytes = small(Storage::F16);
    for shift in 0..8 {
        let mut moved = vec![0; shift];
        moved.extend_from_slice(&bytes);
        walk(&Model::read(&moved[shift..]).expect("reads"));
    }
}

#[test]
fn huge_sizes_are_refused_without_looking_for_them() {
    let most = 1 << 28;
    let dense = Config {
        vocab: most,
        dim: most,
        layers: 4096,
        heads: most,
        kv_heads: Some(most),
        head_dim: Some(most),
        ffn: most,
        landscapes: 4096,
        ..Config::default()
    };
    let moe = MoeConfig { n_routed: 1 << 20, hidden: 1 << 20, n_shared: 1 << 16, ..MoeConfig::default() };
    let mixed = Config { moe: Some(moe), ..dense.clone() };
    for config in [dense, mixed] {
        assert_eq!(config.check(), Ok(()));
        assert_eq!(Model::read(&file(&header(&config), 4096)).expect_err("refused"), ReadError::Sections);
    }
    let provenance = (Config::default(), 1u32);
    assert!(Model::read(&file(&postcard::to_allocvec(&provenance).expect("encodes"), 64)).is_err());
}

#[test]
fn a_bad_field_is_named() {
    let config = Config { heads: 4, kv_heads: Some(3), ..Config::default() };
    let error = Model::read(&file(&header(&config), 64)).expect_err("refused");
    assert!(matches!(error, ReadError::Config(error) if error.field == "kv_heads"));
    assert!(error.to_string().contains("`kv_heads`"), "{error}");
}

#[test]
fn other_files_are_told_apart() {
    for bytes in [&b""[..], b"PK\x03\x04", b"\x89EBT\r\n\x1a\n", &[0; 100]] {
        assert_eq!(Model::read(bytes).expect_err("refused"), ReadError::Foreign);
    }
    for found in [0, 1, packed::VERSION + 1, 9] {
        let mut other = small(Storage::F32);
        other[8] = found as u8;
        let refused = Model::read(&other).expect_err("refused");
        assert_eq!(refused, ReadError::Version { found });
        let remedy = if found > packed::VERSION { "a newer one wrote it" } else { "export it again" };
        assert!(refused.to_string().contains(remedy), "{refused}");
    }
}

/// The configuration as version 2 held it: without what joint models brought.
#[test]
fn headers_of_version_2_are_read_and_newer_fields_are_those_of_the_causal_kind() {
    let c = Config { vocab: 5, dim: 4, layers: 2, heads: 2, ffn: 3, landscapes: 1, alpha: 3.5, ..Config::default() };
    let new = packed(&c, &weights(&c, 1), Storage::F32);
    let first = (c.kind, c.vocab, c.dim, c.layers, c.heads, c.kv_heads, c.head_dim, c.ffn, c.context, c.window);
    let second = (c.rope_theta, c.eps, c.landscapes, c.tied, c.update, c.alpha, c.condition, c.initialization);
    let configuration = postcard::to_allocvec(&(first, second, &c.moe)).expect("encodes");
    let length = u32::from_le_bytes([new[12], new[13], new[14], new[15]]) as usize;
    let rest = &new[24 + postcard::to_allocvec(&c).expect("encodes").len()..24 + length];
    let header = [&configuration[..], rest].concat();
    let body = &new[(24 + length).next_multiple_of(64)..new.len() - 4];
    let mut old = file(&header, 0);
    let end = (24 + header.len()).next_multiple_of(64);
    old.resize(end, 0);
    old.extend(body);
    old.extend([0; 4]);
    old[8] = 2;
    let whole = old.len() as u64;
    old[16..24].copy_from_slice(&whole.to_le_bytes());
    let (old, new) = (sealed(old), Model::read(&new).expect("reads"));
    let model = Model::read(&old).expect("reads");
    assert_eq!((&model.config, model.weight_bytes()), (&c, new.weight_bytes()));
    assert!(model.head().is_some_and(|head| head.iter().eq(new.head().expect("exists").iter())));
    walk(&model);
}

#[test]
fn a_head_of_logits_and_a_table_of_words_are_packed() {
    let joint =
        Config { kind: ModelKind::Joint, head: Head::Logits, vocab: 9, dim: 8, heads: 2, ffn: 8, ..Config::default() };
    let weights = weights(&joint, 1);
    let bytes = packed(&joint, &weights, Storage::F32);
    let model = Model::read(&bytes).expect("reads");
    let output = model.output().expect("a head of logits");
    let ids = ParameterLayout::new(&joint).joint.and_then(|joint| joint.output).expect("a head of logits");
    assert!(output.bias.iter().eq(weights[ids[1]].iter().copied()));
    let mut row = vec![0.0; 8];
    for (token, expected) in weights[ids[0]].chunks(8).enumerate() {
        output.weight.row_into(token, &mut row);
        assert_eq!(row, expected);
    }
    assert!(model.head().is_none() && model.tokenizer().is_none());
    assert_eq!(model.words(), Some(&b"tokens"[..]));
}

#[test]
fn what_cannot_be_stored_is_not_packed() {
    let config = Config { vocab: 5, dim: 4, layers: 1, heads: 2, ffn: 3, ..Config::default() };
    let refused = |value: f32, storage: Storage| {
        let mut weights = weights(&config, 1);
        weights[0][3] = value;
        let objective = Objective::default();
        let (config, provenance) = (&config, &[]);
        let contents =
            Contents { config, objective: &objective, provenance, weights: &weights, storage, language: None };
        packed::pack(&contents)
    };
    for storage in Storage::ALL {
        for value in [f32::NAN, f32::INFINITY] {
            let error = refused(value, storage).expect_err("refused");
            assert!(matches!(&error, Error::Format { message, .. } if message.contains("embedding")), "{error}");
        }
        let fits = matches!(storage, Storage::F32 | Storage::Bf16 | Storage::Int8);
        assert_eq!(refused(1e30, storage).is_ok(), fits, "{storage:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Model::read(&bytes).is_err());
        prop_assert!(Model::read(&file(&bytes, 64)).is_err());
    }

    #[test]
    fn mutations_with_a_checksum_that_fits_are_read_or_refused(
        config in configs(),
        storage in storages(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        head in any::<bool>(),
    ) {
        let mut bytes = packed(&config, &weights(&config, 1), storage);
        let end = bytes.len() - 4;
        // most edits meet the header, where the decisions are
        let (from, to) = if head { (24, end.min(180)) } else { (0, end) };
        for (place, value) in edits {
            bytes[from + place.index(to - from)] = value;
        }
        if let Ok(model) = Model::read(&sealed(bytes)) {
            let _ = model.provenance().count();
            for layer in 0..model.config.layers.min(10) {
                prop_assert!(model.block(layer).is_some());
            }
            prop_assert_eq!(model.embedding().rows, model.config.vocab);
        }
    }

    #[test]
    fn whole_models_are_walked(config in configs(), storage in storages()) {
        let bytes = packed(&config, &weights(&config, 1), storage);
        walk(&Model::read(&bytes).expect("reads"));
    }
}
