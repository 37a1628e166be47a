//! Checkpoints: hostile files, killed and failing writers, old ones pruned.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use ebt_core::config::{Config, MoeConfig};
use ebt_core::descent::replay_buffer::{ReplayBuffer, ReplayEntry};
use ebt_core::parameters::ParameterLayout;
use ebt_train::checkpoint::state::{PROGRESS_KEY, RUN_KEY};
use ebt_train::checkpoint::{Header, State, Store, Validation};
use ebt_train::run_config::RunConfig;
use proptest::prelude::*;
use safetensors::SafeTensors;
use serde_json::{Map, Value, json};

#[path = "../../tests/support/header.rs"]
mod header;

use header::{edited, parts, sealed, with_json, with_strings};

/// A run with everything that a state can hold.
fn run() -> RunConfig {
    let moe = MoeConfig { n_routed: 2, top_k: 1, hidden: 2, bias_rate: 0.1, ..MoeConfig::default() };
    let model = Config { vocab: 4, dim: 2, layers: 1, heads: 1, ffn: 2, moe: Some(moe), ..Config::default() };
    let mut run = RunConfig { model, ..RunConfig::default() };
    run.objective.replay = 3;
    run
}

fn state(step: u64) -> State {
    let run = run();
    let mut replay = ReplayBuffer::new(3);
    for starts in [vec![0, 1], vec![]] {
        replay.insert(
            (0, 0, 0),
            0,
            ReplayEntry { tokens: vec![1, 2], targets: vec![2, u32::MAX], starts, state: vec![0.5; 8] },
        );
    }
    let validation =
        Validation { step, bits_per_byte: 0.1 + 0.2, per_step: vec![2.6, 2.5], tokens: 100, ..Validation::default() };
    let mut header = Header { step, total_steps: 9, seed: u64::MAX >> 1, last: Some(validation), ..Header::default() };
    header.config = run.to_toml().unwrap();
    (header.tokenizer, header.train_data, header.loss_scale.inner.factor) = (7, u64::MAX, 2.0f64.powi(-24));
    let fill = |x: f32| ParameterLayout::new(&run.model).entries.iter().map(|e| vec![x; e.len()]).collect();
    // what has to keep its bits: no number, the smallest, and the sign of zero
    let (first, second) = (fill(f32::NAN), fill(f32::MIN_POSITIVE));
    State { header, replay, weights: fill(1.5), first, second, average: fill(-0.0), lora: None }
}

fn bytes(state: &State) -> Vec<u8> {
    let mut out = Vec::new();
    state.write(&mut out).unwrap();
    out
}

fn parse(bytes: &[u8]) -> anyhow::Result<State> {
    State::from_bytes(Path::new("state.ebs"), bytes.to_vec())
}

/// Why a file is refused.
fn refused(bytes: &[u8]) -> String {
    let message = format!("{:#}", parse(bytes).unwrap_err());
    assert!(message.contains("state.ebs"), "{message}");
    message
}

fn model(path: &Path) -> anyhow::Result<()> {
    Ok(fs::write(path, b"model")?)
}

#[test]
fn a_state_reads_back_bit_for_bit() {
    let mut state = state(4);
    let written = bytes(&state);
    let mut read = parse(&written).unwrap();
    assert_eq!(bytes(&read), written);
    let bits = |list: &[Vec<f32>]| list.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!((bits(&read.first), bits(&read.average)), (bits(&state.first), bits(&state.average)));
    (read.first, state.first) = (Vec::new(), Vec::new());
    assert_eq!(read, state);
}

#[test]
fn other_programs_see_tensors_by_published_names() {
    let written = bytes(&state(4));
    let theirs = SafeTensors::deserialize(&written).unwrap();
    for group in ["weights", "first_moments", "second_moments", "average"] {
        assert_eq!(theirs.tensor(&format!("{group}.embeddings.weight")).unwrap().shape(), [4, 2]);
    }
    assert_eq!(theirs.tensor("replay.0.starts").unwrap().shape(), [2]);
    assert_eq!(theirs.tensor("replay.1.state").unwrap().shape(), [2, 4]);
    assert!(theirs.tensor("replay.1.starts").is_err(), "everything is visible");
    let progress: Value = serde_json::from_str(strings(&written)[PROGRESS_KEY].as_str().unwrap()).unwrap();
    assert_eq!((&progress["step"], &progress["train_data"]), (&json!(4), &json!("ffffffffffffffff")));
}

fn strings(bytes: &[u8]) -> Map<String, Value> {
    header::strings(&mut parts(bytes).0).clone()
}

#[test]
fn what_is_no_number_does_not_make_a_state_unreadable() {
    let mut state = state(4);
    if let Some(last) = &mut state.header.last {
        (last.bits_per_byte, last.per_step) = (f64::NAN, vec![f64::INFINITY, 1.0]);
    }
    let last = parse(&bytes(&state)).unwrap().header.last.unwrap();
    assert!(last.bits_per_byte.is_nan() && last.per_step[0].is_nan() && last.per_step[1] == 1.0);
}

#[test]
fn every_truncation_and_every_flipped_bit_is_refused() {
    let bytes = bytes(&state(4));
    for n in 0..bytes.len() {
        assert!(parse(&bytes[..n]).is_err(), "cut at {n}");
        let mut damaged = bytes.clone();
        damaged[n] ^= 1 << (n % 8);
        assert!(parse(&damaged).is_err(), "bit of byte {n}");
    }
}

#[test]
fn other_versions_kinds_and_fields_are_refused_by_name() {
    let whole = bytes(&state(4));
    let with = |key: &str, value: &str| with_strings(&whole, |s| drop(s.insert(key.into(), json!(value))));
    let run = strings(&whole)[RUN_KEY].as_str().unwrap().to_owned();
    for (bytes, parts) in [
        (with("ebt_format_version", "4"), ["format version 4", "newer"]),
        (with("ebt_format", "model"), ["\"model\"", "training state is needed"]),
        (with("ebt_shards", "2"), ["`ebt_shards`", "newer"]),
        (with(RUN_KEY, &run.replace("[model]", "[model]\nlayer_scale = 1.0")), ["`model.layer_scale`", "newer"]),
        (with(RUN_KEY, &run.replace("steps = 1000", "steps = \"many\"")), ["line", "many"]),
        (with(RUN_KEY, "[model"), ["configuration", "line 1"]),
        (with(RUN_KEY, &run.replace("dim = 2", "dim = 0")), ["configuration", "`dim`"]),
        (with(RUN_KEY, &run.replace("dim = 2", "dim = 4")), ["embeddings.weight is [4, 2] instead of [4, 4]", ""]),
        (with(RUN_KEY, &run.replace("replay = 3", "replay = 1")), ["1 remembered", ""]),
        (with_json(&whole, PROGRESS_KEY, |p| p["momentum"] = json!(1)), ["`progress.momentum`", "newer"]),
        (with_json(&whole, PROGRESS_KEY, |p| p["last"]["median"] = json!(1)), ["`progress.last.median`", "newer"]),
        (with_json(&whole, PROGRESS_KEY, |p| p["step"] = json!(-1)), ["`progress.step`", "-1"]),
        (with_json(&whole, PROGRESS_KEY, |p| p["tokenizer"] = json!("xyz")), ["`progress.tokenizer`", "xyz"]),
        (with_strings(&whole, |s| drop(s.remove(PROGRESS_KEY))), ["ebt_progress", ""]),
        (with_strings(&whole, |s| drop(s.remove(RUN_KEY))), ["ebt_run", ""]),
        (with_strings(&whole, |s| drop(s.remove("ebt_format"))), ["no training state", ""]),
    ] {
        let message = refused(&bytes);
        assert!(parts.iter().all(|part| message.contains(part)), "{parts:?}: {message}");
    }
    // a counter that an older version did not have
    let older = with_json(&whole, PROGRESS_KEY, |p| drop(p.as_object_mut().unwrap().remove("best")));
    assert_eq!(parse(&older).unwrap().header, state(4).header);
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let whole = bytes(&state(4));
    let renamed = |from: &str, to: &str| {
        refused(&edited(&whole, |header| {
            let entry = header.remove(from).unwrap();
            header.insert(to.into(), entry);
        }))
    };
    let lost = renamed("first_moments.alpha", "first_moments.beta");
    assert!(lost.contains("lacks: first_moments.alpha") && lost.contains("first_moments.beta"), "{lost}");
    assert!(renamed("average.alpha", "alpha").contains("does not have: alpha"));
    assert!(renamed("replay.1.state", "replay.1.states").contains("replay.1.state"));
    assert!(renamed("replay.0.tokens", "replay.9.tokens").contains("remembered sequence 0"));
    let shape = refused(&edited(&whole, |header| header["replay.1.state"]["shape"] = json!([4, 2])));
    assert!(shape.contains("replay.1.state") && shape.contains("[2, 4]"), "{shape}");
    let words = refused(&edited(&whole, |header| header["replay.1.tokens"]["dtype"] = json!("F32")));
    assert!(words.contains("replay.1.tokens") && words.contains("U32"), "{words}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Wrong headers under a right digest: no panic, no giant allocation, and what is taken is whole.
    #[test]
    fn forged_headers_never_panic(edits in prop::collection::vec((8usize..9000, any::<u8>()), 1..4)) {
        let mut bytes = bytes(&state(4));
        for (at, value) in edits {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let _ = parse(&bytes);
        let length = bytes.first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b));
        let header = usize::try_from(length).ok().and_then(|n| bytes.get(8..n.checked_add(8)?));
        let header: Option<Map<String, Value>> = header.and_then(|header| serde_json::from_slice(header).ok());
        if let Some(header) = header.filter(|h| h.get("__metadata__").is_some_and(Value::is_object))
            && let Ok(read) = parse(&sealed(&header, &bytes[8 + length as usize..]))
        {
            prop_assert!(read.write(&mut Vec::new()).is_ok());
        }
    }
}

#[test]
fn foreign_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, contents, part) in [
        ("text", &b"hello"[..], "too short"),
        ("empty", &b""[..], "too short"),
        ("old", &b"EBTSTATE\x02\0\0\0\0\0\0\0"[..], "training state of format version 2"),
        ("packed", &b"\x89EBP\r\n\x1a\n"[..], "packed model"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, contents).unwrap();
        let message = format!("{:#}", State::read(&path).unwrap_err());
        assert!(message.contains(name) && message.contains(part), "{message}");
    }
    assert!(State::read(folder.path()).is_err());
    assert!(format!("{:#}", State::read(Path::new("/nowhere/state")).unwrap_err()).contains("/nowhere/state"));
}

#[test]
fn the_newest_are_kept_and_killed_writers_leave_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 2);
    assert!(store.latest().unwrap_err().to_string().contains("no checkpoint"));
    for step in 1..=3 {
        let torn = folder.path().join("checkpoints/.unfinished-00000009");
        fs::create_dir_all(&torn).unwrap();
        fs::write(torn.join("state.ebs"), b"half").unwrap();
        store.write(&state(step), model).unwrap();
        assert!(!torn.exists());
        assert_eq!(store.latest().unwrap().header.step, step);
    }
    let steps: Vec<u64> = store.list().unwrap().into_iter().map(|(step, _)| step).collect();
    assert_eq!(steps, [2, 3]);
}

#[test]
fn a_write_that_fails_names_the_place_and_leaves_the_old_one_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 1);
    store.write(&state(1), model).unwrap();
    let full = |_: &Path| -> anyhow::Result<()> {
        use std::io::Write as _;
        let error = match fs::OpenOptions::new().write(true).open("/dev/full") {
            Ok(mut device) => device.write_all(&[0; 4096]).unwrap_err(),
            Err(error) => error,
        };
        Err(anyhow::Error::new(error).context("cannot write model.ebt"))
    };
    let message = format!("{:#}", store.write(&state(2), full).unwrap_err());
    assert!(message.contains("model.ebt") && message.contains("intact"), "{message}");
    assert_eq!(bytes(&store.latest().unwrap()), bytes(&state(1)));
    assert_eq!(fs::read_dir(folder.path().join("checkpoints")).unwrap().count(), 1);
    // a file where the folder of checkpoints should be
    let blocked = tempfile::tempdir().unwrap();
    fs::write(blocked.path().join("checkpoints"), b"").unwrap();
    let message = format!("{:#}", Store::new(blocked.path(), 1).write(&state(1), model).unwrap_err());
    assert!(message.contains(&blocked.path().join("checkpoints").display().to_string()), "{message}");
}

#[test]
fn a_damaged_newest_checkpoint_says_how_to_use_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 2);
    store.write(&state(1), model).unwrap();
    let newest = store.write(&state(2), model).unwrap();
    fs::write(newest.join("state.ebs"), &bytes(&state(2))[..40]).unwrap();
    let message = format!("{:#}", store.latest().unwrap_err());
    assert!(message.contains("remove") && message.contains("resume from step 1"), "{message}");
    fs::remove_dir_all(newest).unwrap();
    assert_eq!(bytes(&store.latest().unwrap()), bytes(&state(1)));
}
