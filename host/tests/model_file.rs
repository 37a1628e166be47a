//! The model file: round trips, fields of other versions, and a reader that survives any bytes.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use ebt_core::config::Config;
use ebt_core::objective::Objective;
use ebt_model::import::Foreign;
use ebt_model::{Dtype, LoadedModel, ModelFile, TensorFile, fields, load};
use proptest::prelude::*;
use safetensors::SafeTensors;
use serde_json::{Map, Value, json};
use support::header::{edited, file, parts, sealed, strings, with_json, with_strings};
use support::{configs, fixtures};

fn bytes_of(model: &LoadedModel, dtype: Dtype) -> Vec<u8> {
    let mut bytes = Vec::new();
    model.write(dtype, &mut bytes).unwrap();
    bytes
}

/// A model without a tokenizer, so that most mutations hit what matters.
fn small() -> LoadedModel {
    let config = Config { vocab: 8, dim: 4, layers: 1, heads: 1, ffn: 4, context: 8, ..Config::default() };
    LoadedModel { tokenizer: None, fingerprint: None, ..support::model(&config, true) }
}

fn open(bytes: &[u8]) -> anyhow::Result<LoadedModel> {
    ModelFile::of(TensorFile::from_bytes(Path::new("m.ebt"), bytes.to_vec())?)?.load(|_| false)
}

fn import(bytes: &[u8]) -> anyhow::Result<LoadedModel> {
    let foreign = Foreign::of(TensorFile::from_bytes(Path::new("m.ebt"), bytes.to_vec())?)?;
    let config = foreign.config()?.ok_or_else(|| anyhow::anyhow!("no configuration"))?;
    Ok(foreign.read(config, &[])?.model)
}

/// Why a file is refused, which every way in does.
fn refused(bytes: &[u8]) -> String {
    let message = format!("{:#}", open(bytes).unwrap_err());
    assert!(message.contains("m.ebt"), "{message}");
    message
}

#[test]
fn every_layout_and_dtype_comes_back() {
    for config in configs() {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
            let model = support::model(&config, dtype != Dtype::F32);
            let bytes = bytes_of(&model, dtype);
            for read in [open(&bytes).unwrap(), import(&bytes).unwrap()] {
                assert_eq!((&read.config, &read.objective), (&config, &model.objective));
                assert_eq!((&read.weights, &read.provenance), (&model.weights, &model.provenance));
                assert_eq!(read.fingerprint, model.fingerprint);
                assert_eq!(read.tokenizer().unwrap().to_json(), model.tokenizer().unwrap().to_json());
            }
            assert_eq!(bytes, bytes_of(&model, dtype), "the same model gives the same bytes");
        }
    }
}

/// What any program for safetensors sees: tensors by published names, and what they mean as strings.
#[test]
fn other_programs_read_it_at_once() {
    let model = support::model(&configs()[1], false);
    let bytes = bytes_of(&model, Dtype::F32);
    let theirs = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(theirs.tensor("embeddings.weight").unwrap().shape(), [300, 16]);
    let alpha = theirs.tensor("alpha").unwrap();
    assert_eq!((alpha.shape(), alpha.dtype()), ([].as_slice(), safetensors::Dtype::F32));
    let (mut header, values) = parts(&bytes);
    assert_eq!(sealed(&header, values), sealed(&header.clone(), values));
    let strings = strings(&mut header);
    assert_eq!(
        (&strings["format"], &strings["ebt_format"], &strings["ebt_format_version"]),
        (&json!("pt"), &json!("model"), &json!("3"))
    );
    let config: Value = serde_json::from_str(strings["config"].as_str().unwrap()).unwrap();
    assert_eq!((&config["dim"], &config["moe"]["top_k"]), (&json!(16), &json!(2)));
    assert_eq!(strings["ebt_tokenizer"], model.tokenizer().unwrap().to_json());
    assert_eq!(strings["ebt_tokenizer_fingerprint"], format!("{:016x}", model.fingerprint.unwrap()));
}

/// The digest is what the documentation of `ebt_model::digest` says it is.
#[test]
fn any_program_can_check_the_digest() {
    let bytes = bytes_of(&small(), Dtype::F32);
    let (header, values) = parts(&bytes);
    let again = sealed(&header, values);
    let digest = |bytes: &[u8]| strings(&mut parts(bytes).0)["ebt_digest"].clone();
    let mut wrong = header.clone();
    strings(&mut wrong).insert("ebt_digest".into(), json!("0".repeat(64)));
    assert!(open(&again).is_ok());
    let message = refused(&file(&wrong, values));
    assert!(message.contains("digest") && message.contains("damaged"), "{message}");
    // the padding of the header is the only difference
    assert_eq!(digest(&sealed(&parts(&again).0, values)), digest(&again));
}

#[test]
fn a_file_that_another_program_rewrote_is_imported() {
    let model = small();
    let bytes = bytes_of(&model, Dtype::F32);
    let (mut header, values) = parts(&bytes);
    strings(&mut header).remove("ebt_digest");
    let message = refused(&file(&header, values));
    assert!(message.contains("no digest") && message.contains("ebt import"), "{message}");
    assert_eq!(import(&file(&header, values)).unwrap().weights, model.weights);
}

#[test]
fn files_and_folders_load_and_failures_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.ebt");
    let model = support::model(&configs()[1], false);
    model.save(&path, Dtype::F32).unwrap();
    // what makes a model is in the file, not in its name
    let renamed = folder.path().join("weights.safetensors");
    std::fs::copy(&path, &renamed).unwrap();
    for place in [path.as_path(), folder.path(), &renamed] {
        let loaded = load(place).unwrap();
        assert_eq!(loaded.weights, model.weights);
        assert_eq!(loaded.tokenizer.unwrap().fingerprint(), model.tokenizer.as_ref().unwrap().fingerprint());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file stays");

    let message = |path: &Path| format!("{:#}", load(path).unwrap_err());
    assert!(message(&folder.path().join("none.ebt")).contains("none.ebt does not exist"));
    let golden = message(&fixtures("golden/s1_dense.safetensors"));
    assert!(golden.contains("ebt import"), "{golden}");
    let damaged = folder.path().join("damaged.ebt");
    let bytes = std::fs::read(&path).unwrap();
    let longer = [bytes.as_slice(), b"\n"].concat();
    for (contents, part) in [(&b""[..], "too short"), (&bytes[..bytes.len() / 2], "cut short"), (&longer, "appended")] {
        std::fs::write(&damaged, contents).unwrap();
        let message = message(&damaged);
        assert!(message.contains("damaged.ebt") && message.contains(part), "{message}");
    }
}

#[test]
fn other_versions_and_kinds_are_refused_by_name() {
    let bytes = bytes_of(&small(), Dtype::F32);
    let with = |key: &str, value: &str| with_strings(&bytes, |s| drop(s.insert(key.into(), json!(value))));
    for (bytes, parts) in [
        (with("ebt_format_version", "4"), ["format version 4", "reads version 3", "newer"]),
        (with("ebt_format_version", "2"), ["format version 2", "reads version 3", ""]),
        (with("ebt_format_version", "III"), ["format version III", "", ""]),
        (with("ebt_format", "state"), ["\"state\"", "model file is needed", ""]),
        (with("ebt_adapters", "[]"), ["`ebt_adapters`", "does not know", "newer"]),
        (with("config", "{"), ["`config`", "JSON", ""]),
        (with("config", "[]"), ["`model`", "named fields", ""]),
        (with("ebt_objective", "7"), ["`objective`", "", ""]),
        (with("ebt_provenance", "{}"), ["`ebt_provenance`", "", ""]),
        (with("ebt_tokenizer", "{}"), ["tokenizer", "", ""]),
        (with("ebt_tokenizer_fingerprint", "12"), ["`ebt_tokenizer_fingerprint`", "12", ""]),
        (with_strings(&bytes, |s| drop(s.remove("config"))), ["no configuration", "", ""]),
        (with_strings(&bytes, |s| drop(s.remove("ebt_format"))), ["ebt import", "", ""]),
    ] {
        let message = refused(&bytes);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
    // what others wrote into their own keys is theirs
    assert!(open(&with("author", "Ayşe")).is_ok());
}

#[test]
fn fields_of_other_versions_are_defaults_or_refused_by_name() {
    let bytes = bytes_of(&small(), Dtype::F32);
    let older = with_json(&bytes, "config", |c| drop(c.as_object_mut().unwrap().remove("eps")));
    let older = with_json(&older, "ebt_objective", |o| drop(o.as_object_mut().unwrap().remove("lyapunov_c")));
    let read = open(&older).unwrap();
    assert_eq!((read.config.eps, read.objective.lyapunov_c), (1e-5, 1e-4));
    assert_eq!(
        open(&with_strings(&bytes, |s| drop(s.remove("ebt_objective")))).unwrap().objective,
        Objective::default()
    );
    for (key, pointer, named) in [
        ("config", "", "`model.layer_scale`"),
        ("config", "/moe", "`model.moe.layer_scale`"),
        ("ebt_objective", "", "`objective.layer_scale`"),
    ] {
        let newer = with_json(&bytes, key, |value| {
            if pointer == "/moe" {
                value["moe"] = json!({"hidden": 3});
            }
            value.pointer_mut(pointer).unwrap()["layer_scale"] = json!(0.5);
        });
        let message = refused(&newer);
        assert!(message.contains(named) && message.contains("does not know") && message.contains("newer"), "{message}");
        assert_eq!(message, format!("{:#}", import(&newer).unwrap_err()));
    }
    for (value, parts) in [
        (json!({"update": "quantum"}), ["`model.update`", "quantum"]),
        (json!({"moe": {"top_k": -1}}), ["`model.moe.top_k`", "-1"]),
        (json!({"dim": 1e300}), ["`model.dim`", ""]),
        (json!({"dim": 0}), ["`dim`", "between 1"]),
        (json!({"alpha": null}), ["`model.alpha`", "null"]),
        (json!({"moe": [4, 1]}), ["`model.moe`", "named fields"]),
    ] {
        let message = refused(&with_strings(&bytes, |s| drop(s.insert("config".into(), json!(value.to_string())))));
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}

#[test]
fn numbers_that_are_none_are_refused_by_tensor() {
    let model = small();
    let alpha = model.layout.energy.unwrap().alpha;
    for (bad, said) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let mut broken = model.clone();
        broken.weights[alpha][0] = bad;
        let message = format!("{:#}", broken.write(Dtype::F32, &mut Vec::new()).unwrap_err());
        assert!(message.contains("alpha") && message.contains(said), "{message}");
        let bytes = bytes_of(&model, Dtype::F32);
        let (header, values) = parts(&bytes);
        let at = header["alpha"]["data_offsets"][0].as_u64().unwrap() as usize;
        let mut values = values.to_vec();
        values[at..at + 4].copy_from_slice(&bad.to_le_bytes());
        let message = refused(&sealed(&header, &values));
        assert!(message.contains("tensor alpha") && message.contains(said), "{message}");
        assert_eq!(message, format!("{:#}", import(&sealed(&header, &values)).unwrap_err()));
    }
    let mut large = model.clone();
    large.weights[0][3] = 70_000.0;
    assert!(large.write(Dtype::F32, &mut Vec::new()).is_ok());
    let message = large.write(Dtype::F16, &mut Vec::new()).unwrap_err().to_string();
    assert!(message.contains("embeddings.weight") && message.contains("7e4") && message.contains("f16"), "{message}");
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let bytes = bytes_of(&small(), Dtype::F32);
    let edit = |edit: &dyn Fn(&mut Map<String, Value>)| refused(&edited(&bytes, edit));
    let overlap = edit(&|h| h["embeddings.weight"]["data_offsets"] = json!([0, 128]));
    assert!(overlap.contains("overlap"), "{overlap}");
    let shape = edit(&|h| h["embeddings.weight"]["shape"] = json!([4, 8]));
    assert!(shape.contains("embeddings.weight is [4, 8] instead of [8, 4]"), "{shape}");
    let missing = edit(&|h| {
        let entry = h.remove("transformer.norm.weight").unwrap();
        h.insert("transformer.norms.weight".into(), entry);
    });
    assert!(
        missing.contains("lacks: transformer.norm.weight") && missing.contains("transformer.norms.weight"),
        "{missing}"
    );
    let integers = edit(&|h| h["embeddings.weight"]["dtype"] = json!("I32"));
    assert!(integers.contains("embeddings.weight") && integers.contains("I32"), "{integers}");
    // a small file must not describe a model that fills the memory
    let huge = r#"{"layers":4096,"moe":{"n_routed":1048576,"hidden":9,"top_k":1}}"#;
    let huge = edit(&|h| drop(strings(h).insert("config".into(), json!(huge))));
    assert!(huge.contains("more values than the file holds"), "{huge}");
}

#[test]
fn every_truncation_and_every_flipped_bit_is_refused() {
    let model = small();
    let bytes = bytes_of(&model, Dtype::F32);
    for length in 0..bytes.len() {
        assert!(open(&bytes[..length]).is_err(), "length {length}");
        assert!(import(&bytes[..length]).is_err(), "length {length}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(open(&flipped).is_err(), "byte {at}");
        // a digest whose name is lost is none, and then nothing else is damaged
        if let Ok(read) = import(&flipped) {
            assert_eq!((read.weights, read.config), (model.weights.clone(), model.config.clone()), "byte {at}");
        }
    }
}

/// Names of leaves and structures of a JSON structure, as pointers.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        let name = format!("{at}/{key}");
        pointers(inner, &name, all);
        all.push(name);
    }
}

fn remove(value: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    if let Some(Value::Object(parent)) = value.pointer_mut(parent) {
        parent.remove(key);
    }
}

proptest! {
    /// Any part of the fields may be missing: what is left is read, the rest is the default.
    #[test]
    fn missing_fields_are_defaults(kept in prop::collection::vec(any::<bool>(), 64), which in 0usize..5) {
        let whole = serde_json::to_value(&configs()[which]).unwrap();
        let mut all = Vec::new();
        pointers(&whole, "", &mut all);
        let (mut partial, mut expected) = (whole.clone(), whole.clone());
        let default = serde_json::to_value(fields::complete_config()).unwrap();
        let plain = serde_json::to_value(Config::default()).unwrap();
        for (pointer, _) in all.iter().zip(kept).filter(|(_, kept)| !kept) {
            remove(&mut partial, pointer);
            let value = if pointer.starts_with("/moe/") { default.pointer(pointer) } else { plain.pointer(pointer) };
            if let Some(slot) = expected.pointer_mut(pointer) {
                *slot = value.unwrap().clone();
            }
        }
        let read: Config = fields::read(&partial, fields::MODEL, &fields::of_config()).unwrap();
        prop_assert_eq!(serde_json::to_value(read).unwrap(), expected);
    }

    /// A field that is not known is named, wherever it stands and whatever it holds.
    #[test]
    fn unknown_fields_are_named(name in "[a-z_]{1,12}", inside in any::<bool>(), objective in any::<bool>(), value in 0usize..4) {
        let value = [json!(null), json!(1.5), json!({"deeper": {"still": 1}}), json!([1, "x"])][value].clone();
        let (section, known) =
            if objective { (fields::OBJECTIVE, fields::of_objective()) } else { (fields::MODEL, fields::of_config()) };
        let full = match (objective, inside) {
            (false, true) => format!("model.moe.{name}"),
            _ => format!("{section}.{name}"),
        };
        prop_assume!(!known.contains(&full));
        let mut settings = if objective { json!({"sigma0": 0.5}) } else { json!({"dim": 8, "moe": {"top_k": 1}}) };
        let place = if full.starts_with("model.moe.") { &mut settings["moe"] } else { &mut settings };
        place[&name] = value;
        let error = if objective {
            fields::read::<Objective>(&settings, section, &known).unwrap_err()
        } else {
            fields::read::<Config>(&settings, section, &known).unwrap_err()
        };
        prop_assert_eq!(error, fields::FieldError::Unknown(full));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn forged_headers_never_panic(edits in prop::collection::vec((0usize..4000, any::<u8>()), 1..4), cut in 0usize..40) {
        let mut bytes = bytes_of(&small(), Dtype::F32);
        for (at, value) in edits {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - cut);
        let _ = open(&bytes);
        // the same under a right digest, as far as it is a file at all; what is still accepted must be whole
        let length = bytes.first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b));
        let header = usize::try_from(length).ok().and_then(|n| bytes.get(8..n.checked_add(8)?));
        let header: Option<Map<String, Value>> = header.and_then(|header| serde_json::from_slice(header).ok());
        if let Some(header) = header.filter(|h| h.get("__metadata__").is_some_and(Value::is_object))
            && let Ok(read) = open(&sealed(&header, &bytes[8 + length as usize..]))
        {
            read.config.validate().unwrap();
            prop_assert!(read.weights.iter().flatten().all(|x| x.is_finite()));
            prop_assert!(read.layout.entries.iter().zip(&read.weights).all(|(e, w)| e.len() == w.len()));
        }
    }
}
