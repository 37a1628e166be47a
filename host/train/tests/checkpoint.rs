//! Checkpoints: hostile files, killed and failing writers, old ones pruned.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use ebt_core::descent::replay_buffer::{ReplayBuffer, ReplayEntry};
use ebt_train::checkpoint::{Header, State, Store, Validation};

fn state(step: u64) -> State {
    let mut replay = ReplayBuffer::new(3);
    let memory =
        ReplayEntry { tokens: vec![1, 2], targets: vec![2, u32::MAX], starts: vec![0, 1], state: vec![0.5; 8] };
    replay.insert(0, 0, 0, memory);
    let validation = Validation { step, bits_per_byte: 2.5, per_step: vec![2.6, 2.5], tokens: 100 };
    State {
        header: Header { step, total_steps: 9, config: String::from("x"), last: Some(validation), ..Header::default() },
        replay_capacity: 3,
        replay,
        weights: vec![vec![1.0, -2.0], vec![]],
        first: vec![vec![0.1; 2], vec![]],
        second: vec![vec![f32::MIN_POSITIVE; 2], vec![]],
        average: vec![vec![-0.0; 2], vec![]],
    }
}

fn bytes(state: &State) -> Vec<u8> {
    let mut out = Vec::new();
    state.write(&mut out).unwrap();
    out
}

fn model(path: &Path) -> anyhow::Result<()> {
    Ok(fs::write(path, b"model")?)
}

#[test]
fn a_state_reads_back() {
    let state = state(4);
    let bytes = bytes(&state);
    assert_eq!(State::parse(&bytes).unwrap(), state);
}

#[test]
fn every_truncation_and_every_flipped_bit_is_refused() {
    let bytes = bytes(&state(4));
    for n in 0..bytes.len() {
        assert!(State::parse(&bytes[..n]).is_err(), "cut at {n}");
        let mut damaged = bytes.clone();
        damaged[n] ^= 1 << (n % 8);
        assert!(State::parse(&damaged).is_err(), "bit of byte {n}");
    }
}

/// Wrong lengths under a right checksum: no panic, no giant allocation.
#[test]
fn forged_lengths_are_refused() {
    let bytes = bytes(&state(4));
    for at in 8..bytes.len() - 4 {
        for value in [0xff, 0x7f, 0x01] {
            let mut forged = bytes.clone();
            forged[at] = value;
            let end = forged.len() - 4;
            let sum = crc32fast::hash(&forged[..end]).to_le_bytes();
            forged[end..].copy_from_slice(&sum);
            let _ = State::parse(&forged);
        }
    }
}

#[test]
fn foreign_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, contents, part) in
        [("text", &b"hello"[..], "EBTSTATE"), ("empty", &b""[..], "EBTSTATE"), ("short", &b"EBTSTATE"[..], "checksum")]
    {
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
    assert_eq!(store.latest().unwrap(), state(1));
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
    assert_eq!(store.latest().unwrap(), state(1));
}
