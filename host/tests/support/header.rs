//! Safetensors files taken apart and put together again, by the rules of the format and nothing else.

use serde_json::{Map, Value};

/// The header of a file, and its values.
pub fn parts(bytes: &[u8]) -> (Map<String, Value>, &[u8]) {
    let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
    let (header, values) = rest.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap());
    (serde_json::from_slice(header).unwrap(), values)
}

/// The strings of a header.
pub fn strings(header: &mut Map<String, Value>) -> &mut Map<String, Value> {
    header.get_mut("__metadata__").unwrap().as_object_mut().unwrap()
}

/// A file of this header and these values, without a digest.
pub fn file(header: &Map<String, Value>, values: &[u8]) -> Vec<u8> {
    let header = serde_json::to_vec(header).unwrap();
    [&(header.len() as u64).to_le_bytes(), header.as_slice(), values].concat()
}

/// The digest of a file in which 64 zeros stand for it.
fn digest(bytes: &[u8]) -> String {
    hmac_sha256::Hash::hash(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same file with the right digest.
pub fn sealed(header: &Map<String, Value>, values: &[u8]) -> Vec<u8> {
    let (mut header, zeros) = (header.clone(), "0".repeat(64));
    strings(&mut header).insert("ebt_digest".into(), Value::from(zeros.clone()));
    let blank = file(&header, values);
    let digest = digest(&blank);
    let key = format!("\"ebt_digest\":\"{zeros}\"");
    let at = blank.windows(key.len()).position(|window| window == key.as_bytes()).unwrap() + key.len() - 65;
    let mut whole = blank;
    whole[at..at + 64].copy_from_slice(digest.as_bytes());
    whole
}

/// A file with another header under a right digest.
pub fn edited(bytes: &[u8], edit: impl FnOnce(&mut Map<String, Value>)) -> Vec<u8> {
    let (mut header, values) = parts(bytes);
    edit(&mut header);
    sealed(&header, values)
}

/// A file with other strings under a right digest.
pub fn with_strings(bytes: &[u8], edit: impl FnOnce(&mut Map<String, Value>)) -> Vec<u8> {
    edited(bytes, |header| edit(strings(header)))
}

/// A file with one of its JSON strings changed, under a right digest.
pub fn with_json(bytes: &[u8], key: &str, edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    with_strings(bytes, |strings| {
        let mut value: Value = serde_json::from_str(strings[key].as_str().unwrap()).unwrap();
        edit(&mut value);
        strings.insert(key.into(), Value::from(value.to_string()));
    })
}
