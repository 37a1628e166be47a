//! Safetensors: round trips, and refusals that name what is wrong.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::path::Path;

use ebt_core::config::Config;
use ebt_model::import::{Foreign, Imported};
use ebt_model::infer::{Hints, infer};
use ebt_model::weights::{Names, double, is_case_name, layout_for, read_parameters};
use ebt_model::{Dtype, LoadedModel, TensorFile};
use proptest::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use support::{configs, fixtures};

fn export(model: &LoadedModel, dtype: Dtype) -> Vec<u8> {
    let mut bytes = Vec::new();
    model.write(dtype, &mut bytes).unwrap();
    bytes
}

fn open(bytes: &[u8]) -> anyhow::Result<TensorFile> {
    TensorFile::from_bytes(Path::new("weights.safetensors"), bytes.to_vec())
}

fn import(bytes: &[u8]) -> anyhow::Result<Imported> {
    let file = Foreign::of(open(bytes)?)?;
    let config = file.config()?.unwrap();
    file.read(config, &[])
}

#[test]
fn export_and_import_keep_every_bit() {
    for config in configs() {
        let mut model = support::model(&config, false);
        for (entry, weights) in model.layout.entries.iter().zip(&mut model.weights) {
            // a routing bias of the baseline without a use for it stays zero
            if entry.parts.is_empty() && config.moe.as_ref().is_some_and(|m| m.bias_rate == 0.0) {
                weights.fill(0.0);
            }
        }
        let read = import(&export(&model, Dtype::F32)).unwrap();
        assert_eq!((&read.model.config, read.dtype, read.aside), (&config, Dtype::F32, 0));
        assert_eq!(read.model.weights, model.weights);
        let short = support::model(&config, true);
        for dtype in [Dtype::F16, Dtype::Bf16] {
            let read = import(&export(&short, dtype)).unwrap();
            assert_eq!((read.model.weights, read.dtype), (short.weights.clone(), dtype));
        }
        assert_eq!(export(&model, Dtype::F32), export(&model, Dtype::F32));
    }
}

/// `edit` changes the tensors of an exported file: name, shape, F32 values.
fn edited(
    model: &LoadedModel,
    prefix: &str,
    edit: impl FnOnce(&mut HashMap<String, (Vec<usize>, Vec<u8>)>),
) -> Vec<u8> {
    let bytes = export(model, Dtype::F32);
    let parsed = SafeTensors::deserialize(&bytes).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut tensors: HashMap<String, (Vec<usize>, Vec<u8>)> = parsed
        .tensors()
        .into_iter()
        .map(|(name, view)| (format!("{prefix}{name}"), (view.shape().to_vec(), view.data().to_vec())))
        .collect();
    edit(&mut tensors);
    let views: HashMap<&String, TensorView<'_>> = tensors
        .iter()
        .map(|(name, (shape, data))| (name, TensorView::new(safetensors::Dtype::F32, shape.clone(), data).unwrap()))
        .collect();
    let mut strings = metadata.metadata().clone().unwrap();
    strings.remove("ebt_digest");
    safetensors::serialize(views, Some(strings)).unwrap()
}

#[test]
fn our_files_are_read_by_the_library_and_the_prefix_is_stripped() {
    let model = support::model(&configs()[0], false);
    let read = import(&edited(&model, "model.", |_| ())).unwrap();
    assert_eq!(read.model.weights, model.weights);
    let noisy = edited(&model, "", |t| {
        t.insert("langevin_dynamics_noise_std".into(), (vec![], vec![0; 4]));
        t.insert("grad.alpha".into(), (vec![], vec![0; 4]));
    });
    assert_eq!(import(&noisy).unwrap().aside, 1);
}

#[test]
fn vocabulary_is_transposed_and_projections_are_stacked() {
    let config = &configs()[0];
    let model = support::model(config, false);
    let file = open(&export(&model, Dtype::F32)).unwrap();
    let (v, d) = (config.vocab, config.dim);
    assert_eq!(file.shape("vocab_to_embed.weight"), Some([d, v].as_slice()));
    let theirs = file.values("vocab_to_embed.weight").unwrap();
    let ours = &model.weights[model.layout.vocabulary];
    assert!((0..v).all(|i| (0..d).all(|j| f64::from(ours[i * d + j]) == theirs[j * v + i])));
    let wk = file.values("transformer.layers.1.attention.wk.weight").unwrap();
    let qkv = &model.weights[model.layout.blocks[1].qkv];
    let first = config.heads * config.head_width() * d;
    assert!(wk.iter().zip(&qkv[first..]).all(|(a, b)| *a == f64::from(*b)));
}

#[test]
fn wrong_checkpoints_are_refused_by_name() {
    let model = support::model(&configs()[1], false);
    let message = |bytes: &[u8]| format!("{:#}", import(bytes).unwrap_err());

    let missing = message(&edited(&model, "", |t| {
        t.remove("alpha");
        t.remove("transformer.norm.weight");
    }));
    assert!(missing.contains("lacks: alpha, transformer.norm.weight"), "{missing}");
    let extra = message(&edited(&model, "", |t| {
        t.insert("lm_head.weight".into(), (vec![1], vec![0; 4]));
        t.insert("bias".into(), (vec![1], vec![0; 4]));
    }));
    assert!(extra.contains("does not have: bias, lm_head.weight"), "{extra}");
    let shape = message(&edited(&model, "", |t| {
        t.insert("transformer.norm.weight".into(), (vec![2, 8], vec![0; 64]));
    }));
    assert!(shape.contains("transformer.norm.weight is [2, 8] instead of [16]"), "{shape}");
    let twice = message(&edited(&model, "", |t| {
        t.insert("model.alpha".into(), (vec![], vec![0; 4]));
    }));
    assert!(twice.contains("both"), "{twice}");
}

#[test]
fn shapes_tell_the_configuration_but_not_the_heads() {
    for config in configs().into_iter().filter(|c| c.moe.as_ref().is_none_or(|m| m.bias_rate == 0.0)) {
        let model = support::model(&config, false);
        let file = open(&export(&model, Dtype::F32)).unwrap();
        let hints = Hints {
            heads: Some(config.heads),
            top_k: config.moe.as_ref().map(|m| m.top_k),
            context: Some(config.context),
            window: config.window,
            update: None,
        };
        let mut found = infer(&file, &hints).unwrap();
        // the step size is a parameter by now
        found.alpha = config.alpha;
        // nor does a file say by its shapes what predictions begin with
        found.last_token = config.last_token;
        assert_eq!(found, config);
        let message = infer(&file, &Hints::default()).unwrap_err().to_string();
        assert!(message.contains("--heads"), "{message}");
        assert!(infer(&file, &Hints { heads: Some(5), ..hints }).is_err());
    }
}

#[test]
fn golden_weights_are_read() {
    for entry in std::fs::read_dir(fixtures("golden")).unwrap() {
        let file = TensorFile::open(&entry.unwrap().path()).unwrap();
        let config: Config = file.json("config").unwrap().unwrap();
        let layout = layout_for(&file, &config).unwrap();
        let weights = read_parameters(&file, &layout, "", is_case_name, double).unwrap();
        let alpha = weights[layout.energy.unwrap().alpha][0];
        assert_eq!(alpha, config.alpha);
        assert!(Names::of(&layout).required().count() > 10);
    }
}

#[test]
fn other_files_are_refused() {
    let message = |bytes: &[u8]| open(bytes).unwrap_err().to_string();
    for bytes in [&b""[..], b"abc", b"hello world, this is text\n", &[0xff; 64], &[8, 0, 0, 0, 0, 0, 0, 0, b'{']] {
        assert!(message(bytes).contains("weights.safetensors is not a usable safetensors file"), "{}", message(bytes));
    }
    let whole = export(&support::model(&configs()[0], false), Dtype::F32);
    assert!(message(&whole[..whole.len() - 1]).contains("cut short"));
    assert!(TensorFile::open(Path::new("/nowhere/x")).unwrap_err().to_string().contains("/nowhere/x"));
    // a small file must not describe a model that fills the memory
    let header =
        r#"{"__metadata__":{"config":"{\"layers\":4096,\"moe\":{\"n_routed\":1048576,\"hidden\":9,\"top_k\":1}}"}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    assert!(import(&bytes).unwrap_err().to_string().contains("more values than the file holds"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_never_panic(edits in prop::collection::vec((0usize..6000, any::<u8>()), 1..6), cut in 0usize..50) {
        let mut bytes = export(&support::model(&configs()[0], true), Dtype::F16);
        for (at, value) in edits {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - cut);
        let _ = import_any(&bytes);
        if let Ok(file) = open(&bytes) {
            let _ = infer(&file, &Hints { heads: Some(2), top_k: Some(1), ..Hints::default() });
        }
    }
}

/// Imports without a digest to find the damage.
fn import_any(bytes: &[u8]) -> anyhow::Result<()> {
    let file = open(bytes)?;
    let config: Config = file.json("config")?.unwrap_or_default();
    let layout = layout_for(&file, &config)?;
    read_parameters(&file, &layout, "", |_| true, |x| Ok(x as f32)).map(drop)
}
