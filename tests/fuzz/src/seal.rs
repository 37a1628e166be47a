//! Checksums made right.

use hmac_sha256::Hash;

/// The digest of a model file or training state, if there is a place for it.
pub fn digest(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = bytes.to_vec();
    let key = b"\"ebt_digest\":\"";
    let Some(at) = bytes.windows(key.len()).position(|window| window == key) else { return sealed };
    let Some(place) = sealed.get_mut(at + key.len()..at + key.len() + 64) else { return sealed };
    place.fill(b'0');
    let digest: String = Hash::hash(&sealed).iter().map(|byte| format!("{byte:02x}")).collect();
    sealed[at + key.len()..at + key.len() + 64].copy_from_slice(digest.as_bytes());
    sealed
}

/// The CRC-32 in the last four bytes, as packed models and compact tokenizers have it.
pub fn last_crc(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = bytes.to_vec();
    if let Some((checked, crc)) = sealed.split_last_chunk_mut::<4>() {
        *crc = crc32fast::hash(checked).to_le_bytes();
    }
    sealed
}
