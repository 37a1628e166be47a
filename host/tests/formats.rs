//! Files of every format and version, written once by the program of their time (`fixtures/make_formats.py`): they are read for
//! ever with the values that other programs found in them, or refused by name with what to do.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use ebt::packed::{Model, Storage};
use ebt_core::config::{Conditioning, Config, ModelKind, MoeConfig, UpdateRule};
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use ebt_data::Tokens;
use ebt_data::shard::manifest::{Prepared, Split};
use ebt_host::certificate::CertificateFile;
use ebt_model::weights::Names;
use ebt_model::write::Values;
use ebt_model::{Dtype, LoadedModel, load};
use ebt_tokenizer::Tokenizer;
use ebt_train::checkpoint::State;
use ebt_train::metrics::Metrics;
use serde_json::Value;
use support::fed::fed;
use support::header::with_strings;
use support::program::{fails, succeeds, text};

fn pinned(name: &str) -> PathBuf {
    support::fixtures("formats").join(name)
}

fn path(name: &str) -> String {
    pinned(name).to_str().unwrap().to_owned()
}

fn expected() -> Value {
    serde_json::from_slice(&fs::read(pinned("expected.json")).unwrap()).unwrap()
}

fn tokenizer() -> Tokenizer {
    Tokenizer::from_file(&pinned("data-1/tokenizer.json")).unwrap()
}

/// The configuration of the model and of the state, with every optional part.
fn config() -> Config {
    let moe = MoeConfig {
        n_routed: 2,
        n_shared: 1,
        top_k: 1,
        hidden: 2,
        first_dense: 1,
        bias_rate: 0.01,
        ..MoeConfig::default()
    };
    Config {
        vocab: 280,
        dim: 8,
        layers: 2,
        heads: 2,
        kv_heads: Some(1),
        head_dim: Some(6),
        ffn: 8,
        context: 6,
        window: Some(4),
        landscapes: 2,
        tied: true,
        update: UpdateRule::Mirror,
        alpha: 5.0,
        condition: Conditioning::Predictions,
        moe: Some(moe),
        ..Config::default()
    }
}

/// Parameters hold what another program found in the tensors, whose names begin with `prefix`.
fn compare(config: &Config, weights: &[Vec<f32>], expected: &Value, prefix: &str) {
    let layout = ParameterLayout::new(config);
    let tensors = Names::of(&layout).tensors(&layout, weights, prefix, Dtype::F32).unwrap();
    assert!(tensors.len() > 10);
    for tensor in tensors {
        let Values::Floats { values, transposed, .. } = tensor.values else { panic!("{}", tensor.name) };
        let theirs = &expected[&tensor.name];
        assert_eq!(serde_json::to_value(&tensor.shape).unwrap(), theirs["shape"], "{}", tensor.name);
        let sum: f64 = values.iter().map(|&x| f64::from(x)).sum();
        let (said, scale) = (theirs["sum"].as_f64().unwrap(), values.iter().map(|x| x.abs()).fold(1e-30, f32::max));
        assert!((sum - said).abs() <= 1e-10 * f64::from(scale), "{}: {sum} {said}", tensor.name);
        for (value, key) in [(values[0], "first"), (*values.last().unwrap(), "last")] {
            assert_eq!(f64::from(value), theirs[key].as_f64().unwrap(), "{} {transposed:?}", tensor.name);
        }
    }
}

fn provenance<'a>(model: &'a LoadedModel, key: &str) -> &'a str {
    &model.provenance.iter().find(|(k, _)| k == key).unwrap().1
}

#[test]
fn the_model_file_of_version_3_is_read() {
    let model = load(&pinned("model-3.ebt")).unwrap();
    assert_eq!(model.config, config());
    let objective =
        Objective { min_steps: 1, max_steps: 2, replay: 1, langevin: 0.1, alpha_jitter: 2.0, ..Objective::default() };
    assert_eq!(model.objective, objective);
    compare(&model.config, &model.weights, &expected()["model"], "");
    assert_eq!((provenance(&model, "training steps"), provenance(&model, "seed")), ("4 of 4", "7"));
    assert_eq!(model.fingerprint, Some(tokenizer().fingerprint()));
    assert_eq!(model.tokenizer().unwrap().to_json(), tokenizer().to_json());
    let baseline = load(&pinned("baseline-3.ebt")).unwrap();
    assert_eq!((baseline.config.kind, baseline.config.tied), (ModelKind::Transformer, false));
    assert!(baseline.weights.iter().flatten().all(|&x| Dtype::Bf16.round(x) == x));
    // written again, it is the same file
    let mut again = Vec::new();
    model.write(Dtype::F32, &mut again).unwrap();
    assert!(again == fs::read(pinned("model-3.ebt")).unwrap());
}

#[test]
fn the_training_state_of_version_3_is_read_and_goes_on() {
    let state = State::read(&pinned("state-3.ebs")).unwrap();
    let header = &state.header;
    assert_eq!((header.step, header.total_steps, header.seed, header.updates), (2, 4, 7, 2));
    assert_eq!((header.tokens, header.average_updates, header.tokenizer), (24, 2, tokenizer().fingerprint()));
    let last = header.last.as_ref().unwrap();
    assert_eq!((last.step, last.per_step.len(), Some(last)), (2, 2, header.best.as_ref()));
    assert_eq!(last.per_step.last(), Some(&last.bits_per_byte));
    let run = header.run_config().unwrap();
    assert_eq!(run.model, config());
    let expected = &expected()["state"];
    let lists = [&state.weights, &state.first, &state.second, &state.average];
    for (prefix, list) in ["weights.", "first_moments.", "second_moments.", "average."].iter().zip(lists) {
        compare(&run.model, list, expected, prefix);
    }
    assert_eq!((state.replay.len(), state.replay.capacity()), (1, 1));
    let memory = state.replay.get(0).unwrap();
    assert_eq!(
        (memory.tokens.len(), memory.targets.len(), memory.starts.len(), memory.state.len()),
        (6, 6, 6, 6 * 280)
    );
    let theirs = &expected["replay.0.tokens"];
    assert_eq!(
        (f64::from(memory.tokens[0]), f64::from(memory.tokens[5])),
        (theirs["first"].as_f64().unwrap(), theirs["last"].as_f64().unwrap())
    );

    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoints/step-00000002");
    fs::create_dir_all(&checkpoint).unwrap();
    fs::copy(pinned("state-3.ebs"), checkpoint.join("state.ebs")).unwrap();
    fs::copy(pinned("metrics.jsonl"), folder.path().join("metrics.jsonl")).unwrap();
    let out = folder.path().to_str().unwrap();
    let data = path("data-1");
    let arguments = ["train", "--resume", out, "--data", &data, "--threads", "1", "--json", "--quiet"];
    let summary: Value = serde_json::from_str(&succeeds(&arguments)).unwrap();
    assert_eq!((&summary["ending"], &summary["step"]), (&Value::from("finished"), &Value::from(4)));
}

#[test]
fn packed_models_of_every_version_are_read_and_say_what_they_said() {
    let expected = expected();
    let (f32, int8) = (["f32-2.ebp", "f32-3.ebp"], ["int8-2.ebp", "int8-3.ebp"]);
    let all = f32.map(|name| (name, Storage::F32)).into_iter().chain(int8.map(|name| (name, Storage::Int8)));
    for (name, storage) in all {
        let bytes = fs::read(pinned(name)).unwrap();
        let model = Model::read(&bytes).unwrap();
        assert_eq!((&model.config, model.storage, model.descent.steps), (&config(), storage, 2));
        assert!(model.provenance().any(|pair| pair == ("seed", "7")));
        let inside = Tokenizer::from_compact(model.tokenizer().unwrap()).unwrap();
        assert_eq!(inside.fingerprint(), tokenizer().fingerprint());
    }
    let said = expected["said"].as_object().unwrap();
    assert_eq!(said.len(), 5);
    let say = |name: &str| {
        succeeds(&["generate", "--model", &path(name), "--prompt", "Ankara", "--tokens", "8", "--temperature", "0"])
    };
    for (name, text) in said {
        assert_eq!(&say(name), text, "{name}");
    }
    // packed in memory as it was packed then
    assert_eq!(say("model-3.ebt"), said["f32-2.ebp"].as_str().unwrap());
}

#[test]
fn joint_models_are_read_go_on_and_solve_as_they_did() {
    let expected = expected();
    let board = expected["board"].as_str().unwrap();
    for (name, solved) in expected["solved"].as_object().unwrap() {
        let arguments = ["solve", "--model", &path(name), "--think", "3", "--json"];
        let output = fed(&arguments, board.as_bytes());
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        for key in ["answer", "energy", "free"] {
            assert_eq!(found[key], solved[key], "{name}: {key}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoints/step-00000002");
    fs::create_dir_all(&checkpoint).unwrap();
    fs::copy(pinned("boards-state-3.ebs"), checkpoint.join("state.ebs")).unwrap();
    let arguments = ["train", "--resume", folder.path().to_str().unwrap(), "--threads", "1", "--json", "--quiet"];
    let summary: Value = serde_json::from_str(&succeeds(&arguments)).unwrap();
    assert_eq!((&summary["ending"], &summary["step"]), (&Value::from("finished"), &Value::from(4)));
}

#[test]
fn tokenizers_are_read_and_write_text_as_they_did() {
    let expected = expected();
    let text = expected["text"].as_str().unwrap();
    let ids: Vec<u32> = serde_json::from_value(expected["ids"].clone()).unwrap();
    let compact = Tokenizer::from_file(&pinned("tokenizer-1.bin")).unwrap();
    for tokenizer in [tokenizer(), compact.clone()] {
        assert_eq!(tokenizer.encode(text).unwrap(), ids);
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }
    assert_eq!((compact.to_json(), compact.vocabulary_size()), (tokenizer().to_json(), 280));
    // files name tokenizers by this: it must never change
    assert_eq!(format!("{:016x}", tokenizer().fingerprint()), expected["fingerprint"]);
}

#[test]
fn prepared_data_of_version_1_are_read() {
    let prepared = Prepared::open(&pinned("data-1")).unwrap();
    assert_eq!(prepared.manifest.sources[0].licence.as_deref(), Some("CC-BY-SA-3.0"));
    let expected = expected();
    let documents: Vec<&str> = expected["documents"].as_array().unwrap().iter().map(|d| d.as_str().unwrap()).collect();
    let mut found = Vec::new();
    for split in [Split::Train, Split::Validation] {
        let tokens = Tokens::mapped(std::slice::from_ref(&prepared), split).unwrap();
        let mut ids = Vec::new();
        tokens.gather(0..tokens.len(), &mut ids).unwrap();
        let begin = ids[0];
        for document in ids.split(|&id| id == begin).filter(|document| !document.is_empty()) {
            found.push(prepared.tokenizer.decode(document).unwrap());
        }
    }
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    assert_eq!(sorted(found), sorted(documents.iter().map(|d| d.trim_end().to_owned()).collect()));
    assert!(succeeds(&["data", "inspect", &path("data-1"), "--verify"]).contains("CC-BY-SA-3.0"));
}

#[test]
fn certificates_of_version_1_and_metrics_are_read() {
    let file = CertificateFile::read(&pinned("certificate-1.json")).unwrap();
    let said = expected()["said"]["f32-2.ebp"].as_str().unwrap().to_owned();
    assert_eq!(format!("{}{}\n", file.prompt, file.text), said);
    assert_eq!((file.tokens.len(), file.rule), (8, UpdateRule::Mirror));
    assert!(file.tokens.iter().all(|t| t.certificate.energies.len() == 2 && t.probability > 0.0));
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("c.svg");
    succeeds(&["plot", "--certificate", &path("certificate-1.json"), "--out", picture.to_str().unwrap()]);
    let metrics = folder.path().join("metrics.jsonl");
    fs::copy(pinned("metrics.jsonl"), &metrics).unwrap();
    let whole = fs::read_to_string(&metrics).unwrap();
    assert_eq!(whole.lines().count(), 4 + 2);
    let (_, standing) = Metrics::open(&metrics, 4).unwrap();
    assert!(standing.seconds > 0.0);
    assert_eq!(fs::read_to_string(&metrics).unwrap(), whole);
    Metrics::open(&metrics, 2).unwrap();
    assert_eq!(fs::read_to_string(&metrics).unwrap().lines().count(), 2 + 1);
}

#[test]
fn files_before_version_3_are_refused_by_name_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let old = path("model-2.ebt");
    for arguments in [
        vec!["generate", "--prompt", "a", "--model", &old],
        vec!["eval", "--model", &old, "Cargo.toml"],
        vec!["inspect", &old],
        vec!["export", &old, "--out", "/nowhere/x"],
        vec!["import", &old, "--out", "/nowhere/x"],
        vec!["plot", "--prompt", "a", "--out", "/nowhere/x.svg", "--model", &old],
    ] {
        let message = fails(&arguments, 1);
        for part in ["model-2.ebt", "format version 2", "host export", "ebt import"] {
            assert!(message.contains(part), "{arguments:?}: {message}");
        }
    }
    // the way out: what that program exported
    let (model, json) = (at("model.ebt"), path("data-1/tokenizer.json"));
    succeeds(&["import", &path("exported-2.safetensors"), "--out", &model]);
    let read = load(Path::new(&model)).unwrap();
    assert_eq!((read.config.dim, read.objective.alpha_jitter, read.fingerprint), (4, 2.0, None));
    assert_eq!(provenance(&read, "training steps"), "4 of 4");
    compare(&read.config, &read.weights, &expected()["exported"], "");
    succeeds(&["import", &model, "--tokenizer", &json, "--out", &model]);
    assert_eq!(load(Path::new(&model)).unwrap().fingerprint, Some(tokenizer().fingerprint()));

    let checkpoint = folder.path().join("run/checkpoints/step-00000004");
    fs::create_dir_all(&checkpoint).unwrap();
    fs::copy(pinned("state-2.ebs"), checkpoint.join("state.ebs")).unwrap();
    let message = fails(&["train", "--resume", &at("run")], 1);
    for part in ["state.ebs", "training state of format version 2", "begin a new one"] {
        assert!(message.contains(part), "{message}");
    }
}

/// Every format says its version where every later program will look for it.
#[test]
fn files_of_a_later_version_are_refused_by_version() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let later = |name: &str, edit: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let place = at(name);
        fs::write(&place, edit(fs::read(pinned(name)).unwrap())).unwrap();
        place
    };
    let byte = |at: usize| {
        move |mut bytes: Vec<u8>| {
            bytes[at] = 77;
            bytes
        }
    };
    let string = |bytes: Vec<u8>| with_strings(&bytes, |s| drop(s.insert("ebt_format_version".into(), "77".into())));
    let digits =
        |from: &'static str, to: &'static str| move |bytes: Vec<u8>| text(&bytes).replacen(from, to, 1).into_bytes();
    let refused = |arguments: &[&str], name: &str| {
        let message = fails(arguments, 1);
        assert!(message.contains(name) && message.contains("77"), "{message}");
    };
    refused(&["inspect", &later("model-3.ebt", &string)], "model-3.ebt");
    refused(&["inspect", &later("f32-2.ebp", &byte(8))], "f32-2.ebp");
    refused(&["tokenizer", "encode", "--tokenizer", &later("tokenizer-1.bin", &byte(7))], "tokenizer-1.bin");
    let certificate = later("certificate-1.json", &digits("\"version\": 1", "\"version\": 77"));
    refused(&["plot", "--out", &at("x.svg"), "--certificate", &certificate], "certificate-1.json");
    fs::create_dir_all(at("run/checkpoints/step-00000002")).unwrap();
    fs::rename(later("state-3.ebs", &string), at("run/checkpoints/step-00000002/state.ebs")).unwrap();
    refused(&["train", "--resume", &at("run")], "state.ebs");
    fs::create_dir_all(at("data-1")).unwrap();
    for entry in fs::read_dir(pinned("data-1")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join("data-1").join(entry.file_name())).unwrap();
    }
    later("data-1/train-00000.tokens", &byte(8));
    refused(&["data", "inspect", &at("data-1")], "train-00000.tokens");
    later("data-1/manifest.json", &digits("\"format\": 1", "\"format\": 77"));
    refused(&["data", "inspect", &at("data-1")], "manifest.json");
}
