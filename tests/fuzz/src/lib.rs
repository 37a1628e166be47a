//! Readers and the bytes that people give them.
//!
//! A [`Reader`] takes any bytes as one of the files that the program reads and promises: no panic and no abort; an error that
//! names the file; memory within [`Reader::memory`] and a multiple of the bytes; and that what is accepted can be used, which
//! the body does once, in bounded time. Checksums are made right first, so that what stands behind them is reached.
//!
//! The bodies run in two places: `host/tests/readers.rs` gives them mutated seeds with every test run, and `fuzz_targets`
//! gives them to libFuzzer for as long as one likes:
//!
//! ```text
//! cargo install cargo-fuzz --locked
//! tests/fuzz/run.sh 600 model packed        # seconds, readers; all without names
//! ```

mod boards;
mod c_interface;
mod c_solver;
mod data;
mod models;
mod seal;
mod settings;
mod text;
mod tokenizers;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

/// A reader under test.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// Its name, that of its fuzz target and of the folder of its corpus.
    pub name: &'static str,
    /// Reads bytes and uses what is accepted; panics where a promise is broken.
    pub body: fn(&[u8]),
    /// Sound inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Bytes of memory that it may take whatever the input is, beside 64 for every byte of it.
    pub memory: usize,
}

const MIB: usize = 1 << 20;

/// All readers.
pub const READERS: &[Reader] = &[
    Reader { name: "model", body: models::model, seeds: models::model_seeds, memory: 32 * MIB },
    Reader { name: "state", body: models::state, seeds: models::state_seeds, memory: 16 * MIB },
    Reader { name: "packed", body: models::packed, seeds: models::packed_seeds, memory: 24 * MIB },
    Reader { name: "compact", body: tokenizers::compact, seeds: tokenizers::compact_seeds, memory: 8 * MIB },
    Reader { name: "tokenizer", body: tokenizers::json, seeds: tokenizers::json_seeds, memory: 8 * MIB },
    Reader { name: "ids", body: tokenizers::ids, seeds: tokenizers::ids_seeds, memory: 8 * MIB },
    Reader { name: "shard", body: data::shard, seeds: data::shard_seeds, memory: 4 * MIB },
    Reader { name: "manifest", body: data::manifest, seeds: data::manifest_seeds, memory: 4 * MIB },
    Reader { name: "journal", body: data::journal, seeds: data::journal_seeds, memory: 24 * MIB },
    // a window of Zstandard and a record of text, both of their greatest length
    Reader { name: "text", body: text::text, seeds: text::text_seeds, memory: 320 * MIB },
    Reader { name: "columnar", body: text::columnar, seeds: text::columnar_seeds, memory: 320 * MIB },
    Reader { name: "config", body: settings::config, seeds: settings::config_seeds, memory: 4 * MIB },
    Reader { name: "certificate", body: settings::certificate, seeds: settings::certificate_seeds, memory: 32 * MIB },
    Reader { name: "metrics", body: settings::metrics, seeds: settings::metrics_seeds, memory: 4 * MIB },
    Reader { name: "boards", body: boards::boards, seeds: boards::boards_seeds, memory: 4 * MIB },
    Reader { name: "c_interface", body: c_interface::calls, seeds: c_interface::seeds, memory: 24 * MIB },
    Reader { name: "c_solver", body: c_solver::calls, seeds: c_solver::seeds, memory: 24 * MIB },
];

/// Runs the body of the reader called `name`.
pub fn run(name: &str, bytes: &[u8]) {
    // panics of other houses that a reader catches are no failure, for which libFuzzer's own hook would end the process; and a
    // backtrace would count as memory of the reader
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
    let reader = READERS.iter().find(|reader| reader.name == name);
    (reader.unwrap_or_else(|| panic!("there is no reader {name}")).body)(bytes);
}

/// A folder of the repository's fixtures.
fn fixtures(name: &str) -> PathBuf {
    // from `tests/fuzz` and from `host` alike
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|path| path.join("fixtures/formats").is_dir());
    root.unwrap().join("fixtures").join(name)
}

/// A pinned file.
fn pinned(name: &str) -> Vec<u8> {
    fs::read(fixtures("formats").join(name)).unwrap()
}

/// Fails unless a refusal names the file.
fn refused(error: &anyhow::Error, name: &str) {
    let message = format!("{error:#}");
    assert!(message.contains(name), "this does not name {name}: {message}");
}

thread_local! {
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// A folder of this thread, for the files of one run of a body.
fn folder() -> PathBuf {
    FOLDER.with_borrow_mut(|folder| folder.get_or_insert_with(|| tempfile::tempdir().unwrap()).path().to_path_buf())
}

/// A file of this thread with these bytes.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    fs::write(&path, bytes).unwrap();
    path
}
