//! What every vocabulary begins with.

use crate::Special;

/// The smallest vocabulary: the bytes and the special tokens.
pub(super) const LEAST_TOKENS: usize = 256 + Special::ALL.len();

/// Special tokens, then the bytes, then `pieces`: the vocabulary that all kinds begin with.
pub(super) fn tokens(pieces: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let specials = Special::ALL.iter().map(|_| Vec::new());
    specials.chain((0..=u8::MAX).map(|byte| vec![byte])).chain(pieces).collect()
}

/// Ids of the special tokens in [`tokens`].
pub(super) fn specials() -> [Option<u32>; Special::ALL.len()] {
    std::array::from_fn(|i| u32::try_from(i).ok())
}
