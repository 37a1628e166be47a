//! What a folder holds, and whether it is whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ebt::packed::Model;
use ebt_tokenizer::Tokenizer;
use ebt_train::checkpoint::State;

/// Files by their path below a folder.
pub type Files = BTreeMap<String, Vec<u8>>;

/// All files below a folder.
pub fn all(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Whether a path is of work in progress, which nobody takes for a file of its kind: hidden, or what `data prepare` goes on
/// from.
pub fn is_work(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.') || part.starts_with("prepare."))
}

/// Every file under its own name is one that the command found or will have written at its end, to the byte; what it writes
/// again and again can be read and verified.
pub fn are_whole(folder: &Path, known: &[&Files], place: &str) {
    for (name, bytes) in all(folder).iter().filter(|(name, _)| !is_work(name)) {
        if known.iter().any(|files| files.get(name) == Some(bytes)) {
            continue;
        }
        let path = folder.join(name);
        let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        let whole = match end {
            "ebt" | "safetensors" => ebt_model::load(&path).map(drop),
            "ebs" => State::read(&path).map(drop),
            "ebp" => Model::read(bytes).map(drop).map_err(Into::into),
            "json" | "bin" => Tokenizer::from_bytes(bytes).map(drop).map_err(Into::into),
            // written line by line
            "jsonl" => Ok(()),
            _ => Err(anyhow::anyhow!("it is neither what was there nor what is to be there")),
        };
        whole.unwrap_or_else(|error| panic!("{place}: {name} is not whole: {error:#}"));
    }
}

/// The same files with the same bytes.
pub fn equal(found: &Files, expected: &Files, place: &str) {
    // a lock that a process left which is gone locks nothing
    let stays = |name: &&String| !name.ends_with(ebt_data::lock::LOCK_FILE);
    let names = |files: &Files| files.keys().filter(stays).cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected), "{place}");
    for (name, bytes) in found.iter().filter(|(name, _)| stays(name)) {
        assert!(bytes == &expected[name], "{place}: {name} has other bytes");
    }
}
