//! Files of this project that are no safetensors, known by how they begin.

use ebt_data::program;

/// How a packed model begins.
pub const PACKED: [u8; 8] = [0x89, b'E', b'B', b'P', b'\r', b'\n', 0x1a, b'\n'];
/// How model files of the versions before 3 begin.
const OLD_MODEL: [u8; 8] = [0x89, b'E', b'B', b'T', b'\r', b'\n', 0x1a, b'\n'];
/// How training states of the versions before 3 begin.
const OLD_STATE: &[u8] = b"EBTSTATE";

/// What a file is that begins so, and what to do with it, to be read after "FILE is"; none for what may be safetensors.
pub fn other(bytes: &[u8]) -> Option<String> {
    let version = bytes.get(8..12).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    if bytes.starts_with(&OLD_MODEL) {
        return Some(format!(
            "a model file of format version {version}, which this program does not read: with the program that wrote it, run \
             `host export MODEL --out model.safetensors --tokenizer tokenizer.json`, then here \
             `{} import model.safetensors --tokenizer tokenizer.json --out model.ebt`",
            program::name()
        ));
    }
    if bytes.starts_with(OLD_STATE) {
        return Some(format!(
            "a training state of format version {version}, which this program does not read: end the run with the program that \
             began it, or begin a new one"
        ));
    }
    let others: [(&[u8], &str); 3] = [
        (&PACKED, "a packed model, for inference alone: give the model file that it was exported from"),
        (b"EBTSHARD", "a shard of prepared data"),
        (b"EBTTOK\0", "a compact tokenizer"),
    ];
    others.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| (*what).to_owned())
}
