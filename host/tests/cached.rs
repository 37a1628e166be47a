//! Generation and evaluation with a cache: through the library, and as typed.
#![allow(clippy::unwrap_used)]

mod support;

use std::ops::ControlFlow;
use std::path::Path;

use ebt::engine::arena::Arena;
use ebt::engine::descent::Sampler;
use ebt::packed::{Isa, Storage};
use ebt::{DescentOptions, Sampling, Settings, TokenGenerator};
use ebt_core::compute::{Backend, Compute};
use ebt_core::config::{Config, UpdateRule};
use ebt_core::layer::Model;
use ebt_core::objective::InitialState;
use ebt_core::random::{Purpose, Stream};
use ebt_core::training::{NO_TARGET, Sequences};
use ebt_cpu::Cpu;
use ebt_host::inference::{InferenceModel, SessionMemory, delimiters, extents, spells};
use ebt_model::Dtype;
use ebt_model::LoadedModel;
use ebt_train::rollout::{Predictor, usual_steps};
use serde_json::Value;
use support::program::{fails, succeeds};
use support::{configs, fixtures};

/// A model of small weights: with those of [`support::model`] the descent amplifies rounding.
fn model(config: &Config, short: bool) -> LoadedModel {
    let mut loaded = support::model(config, short);
    let alpha = loaded.layout.energy.map(|energy| energy.alpha);
    let weights = loaded.weights.iter_mut().enumerate().filter(|(id, _)| Some(*id) != alpha);
    // a power of two, so that half precisions still hold them
    weights.flat_map(|(_, values)| values).for_each(|x| *x *= 0.25);
    loaded
}

/// A generated token: its id, its probability, the energies of its descent.
type Generated = (u32, f64, Vec<f64>);

/// What follows the begin token and a prompt, every token predicted from the whole window in double precision.
fn uncached(loaded: &LoadedModel, sampling: &Sampling, seed: u64, count: usize) -> Vec<Generated> {
    let b = Cpu::<f64>::new(1);
    let weights = loaded.upload(&b).unwrap();
    let config = &loaded.config;
    let model = Model { config, layout: &loaded.layout, weights: &weights };
    let predictor = Predictor::new(&b, model, &loaded.objective, seed);
    let tokenizer = loaded.tokenizer().unwrap();
    let delimiters = delimiters(tokenizer).unwrap();
    let draws = Stream::new(seed, 0, Purpose::Sampling);
    let steps = usual_steps(config, &loaded.objective);
    let mut ids = vec![delimiters.begin];
    ids.extend(tokenizer.encode("köy").unwrap());
    let mut all = Vec::new();
    while all.len() < count {
        // states are numbered by absolute position, so that a cache sees the same ones
        let start = ids.len().saturating_sub(config.context);
        let tokens = ids[start..].to_vec();
        let (context, last) = (tokens.len(), tokens.len() - 1);
        let sequences =
            Sequences { batch: 1, context, targets: vec![NO_TARGET; context], tokens, ..Sequences::default() };
        let (mut logits, mut energies) = (vec![0.0; config.vocab], Vec::new());
        let visit = predictor.run(&sequences, start as u64, steps, |step| {
            if let Some(energy) = step.energy {
                let mut value = [f64::NAN];
                b.download_f64(&b.slice_rows(energy, last, 1), &mut value);
                energies.extend(value);
            }
            b.download(&b.slice_rows(step.logits, last, 1), &mut logits);
            Ok(b.status()?)
        });
        visit.unwrap();
        let mut memory = vec![0u32; config.vocab];
        let mut arena = Arena::over(bytemuck::cast_slice_mut(&mut memory)).unwrap();
        let mut sampler = Sampler::alloc(&mut arena, config.vocab).unwrap();
        let banned = |id: u32| !(spells(tokenizer, id) || delimiters.ends(id));
        let drawn = sampler.draw(&logits, sampling, draws.uniform(ids.len() as u64), banned).unwrap();
        if delimiters.ends(drawn.id) {
            break;
        }
        all.push((drawn.id, f64::from(drawn.probability), energies));
        ids.push(drawn.id);
    }
    all
}

fn with_cache(loaded: &LoadedModel, sampling: &Sampling, seed: u64, count: usize, kernel: Isa) -> Vec<Generated> {
    let loaded = InferenceModel::of("test", loaded.clone()).unwrap();
    let model = loaded.model().unwrap();
    let tokenizer = loaded.tokenizer(&model).unwrap();
    let settings = Settings { think: DescentOptions { seed, ..DescentOptions::default() }, sampling: *sampling };
    let extents = extents(&settings.think, model.descent.steps);
    let mut memory = SessionMemory::of(&model.config, &extents).unwrap();
    let session = memory.session(model, &extents, kernel).unwrap();
    let mut generator = TokenGenerator::new(session, delimiters(&tokenizer).unwrap());
    generator.accept(&tokenizer.encode("köy").unwrap()).unwrap();
    let mut all = Vec::new();
    while all.len() < count {
        let drawn = generator.next(&settings, |id| spells(&tokenizer, id), &mut |_| ControlFlow::Continue(())).unwrap();
        let Some(drawn) = drawn else { break };
        let energies = generator.certificate().unwrap().energies.iter().map(|&e| f64::from(e)).collect();
        all.push((drawn.id, f64::from(drawn.probability), energies));
    }
    all
}

/// The same text as from the model that training sees, whatever the layout.
#[test]
fn the_text_is_that_of_the_uncached_model() {
    for (number, config) in configs().into_iter().enumerate() {
        let loaded = model(&config, false);
        // with a window that ends inside the context, the uncached model may be left to slide, too
        let count = if config.window.is_some() { 30 } else { 10 };
        for (seed, temperature) in [(1, 0.0), (2, 1.5)] {
            let sampling = Sampling { temperature, ..Sampling::default() };
            let theirs = uncached(&loaded, &sampling, seed, count);
            let ours = with_cache(&loaded, &sampling, seed, count, Isa::detect());
            assert_eq!(ours, with_cache(&loaded, &sampling, seed, count, Isa::Portable), "kernels differ");
            let ids = |all: &[Generated]| all.iter().map(|t| t.0).collect::<Vec<_>>();
            assert_eq!(ids(&ours), ids(&theirs), "configuration {number}");
            let tokenizer = loaded.tokenizer().unwrap();
            assert!(tokenizer.decode(&ids(&ours)).is_ok() && ids(&ours).iter().all(|&id| spells(tokenizer, id)));
            for (a, b) in ours.iter().zip(&theirs) {
                assert!((a.1 - b.1).abs() < 1e-3, "{} {}", a.1, b.1);
                assert_eq!(a.2.len(), b.2.len());
                for (x, y) in a.2.iter().zip(&b.2) {
                    assert!((x - y).abs() < 1e-3 * (1.0 + y.abs()), "{x} {y}");
                }
            }
        }
    }
}

/// Saves a model and its packed forms; their paths, the model first.
fn saved(folder: &Path, loaded: &LoadedModel, storages: &[Storage]) -> Vec<String> {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let model = path("model.ebt");
    loaded.save(Path::new(&model), Dtype::F32).unwrap();
    let mut all = vec![model];
    for &storage in storages {
        let file = path(&format!("{}.ebp", storage.name()));
        std::fs::write(&file, ebt_host::packing::pack(loaded, storage).unwrap()).unwrap();
        all.push(file);
    }
    all
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&succeeds(arguments)).unwrap()
}

#[test]
fn packed_models_of_every_storage_generate() {
    let folder = tempfile::tempdir().unwrap();
    let files = saved(folder.path(), &model(&configs()[0], true), &Storage::ALL);
    let text = |model: &str, more: &[&str]| {
        succeeds(&[&["generate", "--model", model, "--prompt", "köy", "--tokens", "12", "--seed", "3"], more].concat())
    };
    // the weights are short: half precisions hold them exactly
    let expected = text(&files[0], &[]);
    assert!(expected.starts_with("köy"));
    for model in &files[1..4] {
        assert_eq!(text(model, &[]), expected, "{model}");
    }
    for model in &files {
        assert_eq!(text(model, &["--kernel", "portable"]), text(model, &["--kernel", "auto"]));
        let report = json(&["generate", "--model", model, "--prompt", "", "--tokens", "2", "--json"]);
        assert!(report["backend"].as_str().unwrap().starts_with("cpu ") && report["model"] == model.as_str());
    }
    // the model that the program brings along
    assert!(succeeds(&["generate", "--prompt", "Bir", "--tokens", "3"]).starts_with("Bir"));
}

#[test]
fn certificates_say_how_every_token_was_arrived_at() {
    let folder = tempfile::tempdir().unwrap();
    let model = saved(folder.path(), &support::model(&configs()[0], false), &[])[0].clone();
    let run = |more: &[&str]| -> Value {
        let common = ["generate", "--model", &model, "--prompt", "köy", "--tokens", "5", "--certificate", "-"];
        json(&[&common[..], more].concat())
    };
    let file = run(&["--think", "4", "--candidates", "3"]);
    assert_eq!((&file["version"], &file["prompt"]), (&Value::from(1), &Value::from("köy")));
    assert_eq!((&file["rule"], &file["think"]["candidates"]), (&Value::from("probability"), &Value::from(3)));
    let tokens = file["tokens"].as_array().unwrap();
    assert!(!tokens.is_empty());
    for (i, token) in tokens.iter().enumerate() {
        assert!(token["id"].as_u64().unwrap() < 300 && token["piece"].is_string());
        let probability = token["probability"].as_f64().unwrap();
        assert!(probability > 0.0 && probability <= 1.0);
        let c = &token["certificate"];
        let length = |field: &str| c[field].as_array().unwrap_or_else(|| panic!("{field}: {c}")).len();
        for field in ["landscapes", "energies", "energies_after", "step_sizes", "dissipations", "decreased"] {
            assert_eq!(length(field), 4, "{field}");
        }
        assert_eq!((length("candidate_energies"), length("alpha_lambda")), (3, 0));
        assert_eq!((&c["steps"], &c["stop"]), (&Value::from(4), &Value::from("steps")));
        assert!(c["all_decreased"].is_boolean() && c["candidate"].as_u64().unwrap() < 3);
        assert!(c["sufficient"].is_number() && c["largest_alpha_lambda"].is_null() && c["acceptance"].is_null());
        if i > 0 {
            let position = |token: &Value| token["certificate"]["position"].as_u64().unwrap();
            assert_eq!(position(token), position(&tokens[i - 1]) + 1);
        }
        // the candidate that was kept is the one of least energy
        let energies: Vec<f64> =
            c["candidate_energies"].as_array().unwrap().iter().map(|e| e.as_f64().unwrap()).collect();
        let kept = energies[c["candidate"].as_u64().unwrap() as usize];
        assert!(energies.iter().all(|e| kept <= *e));
    }

    for token in run(&["--rule", "mirror", "--step-size", "armijo", "--think", "6"])["tokens"].as_array().unwrap() {
        assert_eq!(token["certificate"]["all_decreased"], true, "{token}");
    }
    for token in run(&["--curvature", "4", "--step-size", "curvature:0.5"])["tokens"].as_array().unwrap() {
        assert_eq!(token["certificate"]["alpha_lambda"].as_array().unwrap().len(), 3, "{token}");
    }
    for token in run(&["--noise", "mala:0.5:2", "--think", "8"])["tokens"].as_array().unwrap() {
        let share = token["certificate"]["acceptance"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&share), "{token}");
    }
    let early = run(&["--think", "40", "--tolerance", "1e30", "--min-steps", "7"]);
    for token in early["tokens"].as_array().unwrap() {
        let c = &token["certificate"];
        assert_eq!((&c["steps"], &c["stop"]), (&Value::from(7), &Value::from("energy")));
    }

    // into a file, beside the text
    let path = folder.path().join("c.json");
    let path = path.to_str().unwrap();
    let common = ["generate", "--model", &model, "--prompt", "köy", "--tokens", "5", "--certificate", path];
    let text = succeeds(&common);
    let written: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(text, format!("köy{}\n", written["text"].as_str().unwrap()));
    let noise = ["--noise", "langevin:0.1", "--choose", "drop", "--candidates", "2", "--dissipation", "1e-9"];
    assert!(succeeds(&[&common[..], &noise].concat()).starts_with("köy"));
}

#[test]
fn flags_that_cannot_be_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let files = saved(folder.path(), &support::model(&configs()[0], false), &[Storage::Int8]);
    let command = |more: &[&'static str]| {
        [&["generate", "--model", &files[1], "--prompt", "a", "--tokens", "1"][..], more].concat()
    };
    for (flags, words) in [
        (&["--step-size", "fast"][..], "must be model, a number, armijo or curvature:C"),
        (&["--noise", "langevin"], "must be none, langevin:S"),
        (&["--noise", "mala:x"], "T must be a number above 0"),
        (&["--step-size", "-1"], "the number must be a number above 0"),
        (&["--step-size", "curvature:0"], "C must be a number above 0"),
        (&["--noise", "mala:0"], "T must be a number above 0"),
        (&["--tolerance", "-1"], "--tolerance"),
        (&["--dissipation", "nan"], "from 0 on"),
        (&["--candidates", "5000"], "from 1 to 1024"),
        (&["--think", "5000"], "from 1 to 4096"),
        (&["--min-steps", "5000"], "from 0 to 4096"),
        (&["--curvature", "99"], "from 0 to 32"),
        (&["--temperature", "-1"], "from 0 on"),
        (&["--top-p", "1.5"], "above 0 to 1"),
        (&["--min-p", "-0.1"], "from 0 to 1"),
        (&["--rule", "steepest"], "--rule"),
        (&["--candidates", "0"], "--candidates"),
        (&["--kernel", "sse"], "--kernel"),
    ] {
        let message = fails(&command(flags), 2);
        assert!(message.contains(words), "{flags:?}: {message}");
    }
    for (flags, words) in [
        (&["--noise", "temperature:1", "--step-size", "armijo"][..], "--step-size: a temperature needs"),
        (&["--noise", "mala:1", "--tolerance", "1"], "--tolerance: must be 0"),
        (&["--certificate", "-", "--json"], "--certificate -"),
        (&["--certificate", "/nowhere/c.json"], "/nowhere/c.json"),
    ] {
        let message = fails(&command(flags), 1);
        assert!(message.contains(words), "{flags:?}: {message}");
    }

    let bare = folder.path().join("bare.ebt");
    let packed = folder.path().join("bare.ebp");
    let (bare, packed) = (bare.to_str().unwrap(), packed.to_str().unwrap());
    let golden = fixtures("golden/s1_tied.safetensors");
    succeeds(&["import", golden.to_str().unwrap(), "--out", bare]);
    succeeds(&["export", bare, "--packed", "f16", "--out", packed]);
    for model in [bare, packed] {
        let message = fails(&["generate", "--model", model, "--prompt", "a"], 1);
        assert!(message.contains(model) && message.contains("no tokenizer"), "{message}");
    }
    let mut damaged = std::fs::read(&files[1]).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&files[1], damaged).unwrap();
    let message = fails(&command(&[]), 1);
    assert!(message.contains("int8.ebp") && message.contains("checksum"), "{message}");
}

#[test]
fn evaluation_with_a_cache_is_that_without() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("metin.txt");
    let long = "Ankara'nın ilçeleri ve köyleri; İstanbul'un başkent oluşu. ".repeat(4);
    std::fs::write(&text, format!("{long}\n\nÜç köy.\n\nBir iki üç.\n")).unwrap();
    let text = text.to_str().unwrap();
    for config in configs() {
        let mut loaded = model(&config, true);
        // initial states of noise are numbered otherwise
        loaded.objective.initial = InitialState::Zeros;
        let files = saved(folder.path(), &loaded, &[Storage::F32, Storage::Bf16]);
        let run = |model: &str, more: &[&str]| {
            let mut found = json(&[&["eval", "--model", model, "--json", "--think", "4", text], more].concat());
            found.as_object_mut().unwrap().remove("seconds");
            found
        };
        let expected = run(&files[0], &["--backend", "cpu"]);
        for model in &files[1..] {
            let found = run(model, &[]);
            assert_eq!(
                (&found["total"]["tokens"], &found["steps"]),
                (&expected["total"]["tokens"], &expected["steps"])
            );
            let steps = |of: &Value| of["total"]["by_steps"].as_array().unwrap().clone();
            assert_eq!(steps(&found).len(), steps(&expected).len());
            for (a, b) in steps(&found).iter().zip(steps(&expected)) {
                let (a, b) = (a["bits_per_byte"].as_f64().unwrap(), b["bits_per_byte"].as_f64().unwrap());
                assert!((a - b).abs() < 2e-4 * b, "{a} with a cache, {b} without");
            }
            assert_eq!(found["total"], run(model, &["--kernel", "portable", "--threads", "3"])["total"]);
            let bits = |of: &Value| of["bits_per_byte"].as_f64().unwrap();
            let other = run(model, &["--threads", "1", "--batch", "1"]);
            assert!((bits(&found) - bits(&other)).abs() < 1e-5 * bits(&found), "batches do not matter");
        }
        // a smaller cache is heeded for files of both kinds
        let [smaller, packed] = [&files[0], &files[1]].map(|model| run(model, &["--cache", "int8"])["total"].clone());
        assert_eq!(smaller, packed);
        assert_ne!(smaller, run(&files[1], &[])["total"]);
    }
}

#[test]
fn evaluation_takes_candidates() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("metin.txt");
    std::fs::write(&text, "Ankara'nın ilçeleri.\n\nÜç köy.\n").unwrap();
    let text = text.to_str().unwrap();
    let files = saved(folder.path(), &support::model(&configs()[0], false), &[Storage::Int8]);
    for model in &files {
        let run = |more: &[&str]| json(&[&["eval", "--model", model, "--json", text], more].concat());
        for choose in ["energy", "drop"] {
            let report = run(&["--candidates", "3", "--choose", choose]);
            assert!(report["backend"].as_str().unwrap().starts_with("cpu "));
            let steps = report["total"]["by_steps"].as_array().unwrap();
            assert_eq!(steps.len(), 3);
            assert!(steps.iter().all(|s| s["bits_per_byte"].as_f64().unwrap() > 0.0));
        }
        assert!(succeeds(&["eval", "--model", model, text]).contains("bits per byte"));
        assert!(fails(&["eval", "--model", model, "--candidates", "9999", text], 2).contains("from 1 to 1024"));
    }
    let message = fails(&["eval", "--model", &files[1], "--precision", "bf16", text], 1);
    assert!(message.contains("--precision bf16"), "{message}");
}

#[test]
fn evaluation_takes_step_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("metin.txt");
    std::fs::write(&text, "Ankara'nın ilçeleri.\n\nÜç köy.\n").unwrap();
    let text = text.to_str().unwrap();
    // the mirror rule: a step of no size stays where it is
    let config = Config { update: UpdateRule::Mirror, ..configs()[0].clone() };
    let files = saved(folder.path(), &support::model(&config, false), &[Storage::F32]);
    for model in &files {
        let bits = |more: &[&str]| -> Vec<f64> {
            let report = json(&[&["eval", "--model", model, "--json", "--think", "5", text], more].concat());
            assert!(more.is_empty() || report["backend"].as_str().unwrap().starts_with("cpu "));
            let steps = report["total"]["by_steps"].as_array().unwrap();
            steps.iter().map(|step| step["bits_per_byte"].as_f64().unwrap()).collect()
        };
        let (trained, tiny) = (bits(&[]), bits(&["--step-size", "1e-9"]));
        assert_eq!((trained.len(), tiny.len()), (5, 5));
        assert!(tiny.iter().all(|b| (b - tiny[0]).abs() < 1e-4), "tiny steps lead nowhere: {tiny:?}");
        assert!((trained[4] - tiny[4]).abs() > 1e-3, "{trained:?} {tiny:?}");
        for size in ["armijo", "curvature:0.5"] {
            let found = bits(&["--step-size", size]);
            assert!(found.len() == 5 && found.iter().all(|b| b.is_finite() && *b > 0.0), "{size}: {found:?}");
        }
        // a token that stopped keeps its state: with any change allowed, from the first step on the last landscape
        for flag in ["--tolerance", "--dissipation"] {
            let (never, soon) = (bits(&[flag, "1e-30"]), bits(&[flag, "1e30"]));
            let near = |a: f64, b: f64| (a - b).abs() < 2e-4 * b;
            assert!(near(bits(&[flag, "1e-20"])[4], never[4]), "{flag}: {never:?}");
            let first = config.landscapes - 1;
            assert!(soon.iter().zip(&never).take(config.landscapes).all(|(a, b)| near(*a, *b)), "{flag}: {soon:?}");
            assert!(soon[first..].iter().all(|b| *b == soon[first]), "{flag}: {soon:?}");
            assert!(fails(&["eval", "--model", model, flag, "-1", text], 2).contains(flag));
        }
        assert!(fails(&["eval", "--model", model, "--step-size", "-1", text], 2).contains("--step-size"));
        assert!(fails(&["eval", "--model", model, "--step-size", "much", text], 2).contains("armijo"));
    }
}

#[test]
fn the_bench_prints_one_line() {
    let tiny = [
        "bench", "generate", "--vocab", "64", "--dim", "16", "--layers", "2", "--heads", "2", "--ffn", "32",
        "--window", "8", "--steps", "2", "--tokens", "2", "--block", "4",
    ];
    for dtype in ["f32", "f16", "bf16", "int8", "int4"] {
        let out = succeeds(&[&tiny[..], &["--dtype", dtype]].concat());
        assert_eq!(out.lines().count(), 1);
        let line: Value = serde_json::from_str(&out).unwrap();
        for field in ["tokens_per_second", "floor_milliseconds", "share_of_floor", "prompt_tokens_per_second"] {
            assert!(line[field].as_f64().unwrap() >= 0.0, "{field}: {out}");
        }
        let ms = &line["milliseconds_per_token"];
        assert!(ms["after_16"].is_number() && ms["after_4000"].is_number() && line["prompt_share_of_gemm"].is_number());
        assert_eq!((&line["dtype"], &line["threads"]), (&Value::from(dtype), &Value::from(1)));
        let sum = line["model_bytes"].as_u64().unwrap() + line["session_bytes"].as_u64().unwrap();
        assert_eq!(line["peak_bytes"], sum);
        if dtype == "f32" {
            // blocks of 48x16, 16x16, 64x16 and 16x32; vocabulary 64x16; two steps on two of three landscapes
            let block = 4 * 16 * (48 + 16 + 64 + 32);
            let observed = 4 * 16 + block + 4 * 16 * 32;
            assert_eq!(line["weight_bytes_per_token"], 2 * observed + 2 * 2 * (2 * block + 4 * 64 * 16));
        }
    }
    assert!(fails(&["bench", "generate", "--steps", "0"], 2).contains("--steps"));
    assert!(fails(&["bench", "generate", "--heads", "0"], 2).contains("heads"));
    fails(&["bench", "generate", "--dtype", "int3"], 2);
}
