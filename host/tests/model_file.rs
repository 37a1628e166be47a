//! The model file: round trips, and a reader that survives any bytes.
#![allow(clippy::unwrap_used)]

mod support;

use ebt_core::model_file::{self, Contents, Dtype};
use ebt_train::model::{self, LoadedModel};
use proptest::prelude::*;
use support::{configs, fixtures};

fn bytes_of(model: &LoadedModel, dtype: Dtype) -> Vec<u8> {
    let json = model.tokenizer.as_ref().unwrap().to_json();
    model_file::write(&Contents {
        config: &model.config,
        objective: &model.objective,
        provenance: &model.provenance,
        weights: &model.weights,
        dtype,
        tokenizer: Some(json.as_bytes()),
    })
    .unwrap()
}

/// A small file without a tokenizer, so that most mutations hit the header.
fn small() -> Vec<u8> {
    let model = support::model(
        &ebt_core::config::Config { vocab: 8, dim: 4, layers: 1, heads: 1, ffn: 4, ..Default::default() },
        true,
    );
    model_file::write(&Contents {
        config: &model.config,
        objective: &model.objective,
        provenance: &model.provenance,
        weights: &model.weights,
        dtype: Dtype::F32,
        tokenizer: Some(b"{}"),
    })
    .unwrap()
}

/// Makes length and checksum right again, so that the reader looks further.
fn repair(bytes: &mut [u8]) {
    if bytes.len() < 28 {
        return;
    }
    let total = bytes.len() as u64;
    bytes[16..24].copy_from_slice(&total.to_le_bytes());
    let end = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn every_layout_and_dtype_comes_back() {
    for config in configs() {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
            let model = support::model(&config, dtype != Dtype::F32);
            let bytes = bytes_of(&model, dtype);
            let read = model_file::read(&bytes).unwrap();
            assert_eq!(read.config, config);
            assert_eq!(read.objective, model.objective);
            assert_eq!(read.provenance().collect::<Vec<_>>(), [("origin", "test"), ("not", "ışık")]);
            for (tensor, weights) in read.tensors.iter().zip(&model.weights) {
                assert_eq!(&tensor.to_f32().collect::<Vec<f32>>(), weights);
                assert_eq!(tensor.bytes.as_ptr() as usize % 2, 0);
                assert_eq!((tensor.bytes.as_ptr() as usize - bytes.as_ptr() as usize) % model_file::ALIGNMENT, 0);
            }
            assert_eq!(bytes, bytes_of(&model, dtype), "the same model gives the same bytes");
        }
    }
}

#[test]
fn special_values_keep_their_bits() {
    let mut model = support::model(&configs()[0], false);
    let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MIN_POSITIVE, 1e-45, f32::MAX];
    model.weights[0][..special.len()].copy_from_slice(&special);
    let bytes = bytes_of(&model, Dtype::F32);
    let read = model_file::read(&bytes).unwrap();
    let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read.tensors[0].to_f32().collect::<Vec<_>>()), bits(&model.weights[0]));
}

#[test]
fn files_and_folders_load_and_failures_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.ebt");
    let model = support::model(&configs()[1], false);
    model.save(&path, Dtype::F32).unwrap();
    for place in [path.as_path(), folder.path()] {
        let loaded = model::load(place).unwrap();
        assert_eq!(loaded.weights, model.weights);
        assert_eq!(loaded.tokenizer.unwrap().fingerprint(), model.tokenizer.as_ref().unwrap().fingerprint());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");

    let message = |path: &std::path::Path| format!("{:#}", model::load(path).unwrap_err());
    assert!(message(&folder.path().join("none.ebt")).contains("none.ebt does not exist"));
    let golden = message(&fixtures("golden/s1_dense.safetensors"));
    assert!(golden.contains("ebt import"), "{golden}");
    let empty = folder.path().join("empty.ebt");
    std::fs::write(&empty, b"").unwrap();
    assert!(message(&empty).contains("empty.ebt"), "{}", message(&empty));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&empty, &bytes[..bytes.len() / 2]).unwrap();
    assert!(message(&empty).contains("cut short"), "{}", message(&empty));
    std::fs::write(&empty, [bytes.as_slice(), b"\n"].concat()).unwrap();
    assert!(message(&empty).contains("1 bytes follow"), "{}", message(&empty));
}

#[test]
fn every_truncation_and_every_flipped_bit_is_refused() {
    let bytes = small();
    for length in 0..bytes.len() {
        assert!(model_file::read(&bytes[..length]).is_err(), "length {length}");
        let mut shorter = bytes[..length].to_vec();
        repair(&mut shorter);
        assert!(model_file::read(&shorter).is_err(), "repaired length {length}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(model_file::read(&flipped).is_err(), "byte {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn mutated_headers_with_a_right_checksum_never_panic(
        edits in prop::collection::vec((0usize..700, any::<u8>()), 1..4),
        cut in 0usize..40,
    ) {
        let mut bytes = small();
        for (at, value) in edits {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - cut);
        repair(&mut bytes);
        // whatever is still accepted must be whole
        if let Ok(file) = model_file::read(&bytes) {
            file.config.validate().unwrap();
            prop_assert_eq!(file.tensors.len(), file.layout.entries.len());
            for (tensor, entry) in file.tensors.iter().zip(&file.layout.entries) {
                prop_assert_eq!(tensor.to_f32().count(), entry.len());
            }
            file.provenance().for_each(drop);
        }
    }

    #[test]
    fn any_bytes_behind_a_good_frame_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 28..400), header in 0u32..400) {
        bytes[..8].copy_from_slice(&model_file::MAGIC);
        bytes[8..12].copy_from_slice(&model_file::VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&header.to_le_bytes());
        repair(&mut bytes);
        let _ = model_file::read(&bytes);
    }
}
