//! The suffix grammar of Turkish: which strings of letters are chains of suffixes, and where one may start in a word.
//!
//! `nominal` and `verbal` hold the suffixes in the order of a grammar book; `slot` names the places between
//! them; `machine` walks text through both under vowel harmony and consonant assimilation (`letter`). There is
//! no lexicon of roots: a word is analysed by its form alone, so a position that is a suffix start *may* be one. Loan
//! words that take front suffixes after a back vowel (`loan`) are the only words known by name.
//!
//! Everything here is a pure function of its arguments and takes time bounded by a constant whatever the input.

mod attach;
mod index;
mod letter;
mod loan;
mod machine;
mod nominal;
mod slot;
mod suffix;
mod verbal;

pub use attach::{Fault, attach};
use machine::{Letters, MOST_LETTERS};

/// Whether all of `text` is one or more suffixes in a valid order, after some root.
///
/// The text is lower-case Turkish letters; anything else is no chain, and neither is the empty text. The root is not
/// known: the first vowel, a buffer letter at the beginning and the first `d`/`t`, `c`/`ç` are free, and the chain may
/// begin at any place of the grammar (`lım` of `yapalım` is a chain). All that follows must agree with what stands
/// before it. A chain may be open at its end: `eceğ` of `gideceğim` is one.
pub(super) fn is_suffix_chain(text: &str) -> bool {
    Letters::lower_case(text).is_some_and(|letters| letters.is_chain())
}

/// The places in `word` where a chain of suffixes that reaches its end may start: byte positions in ascending order,
/// the longest chain first.
///
/// What stands before such a position, the root, has two letters or more and a vowel. Harmony and
/// assimilation are checked against it. Case does not matter. A word with anything but letters in it or with more
/// than 64 of them has no such place.
pub fn suffix_starts(word: &str) -> impl Iterator<Item = usize> {
    let starts = Letters::any_case(word).map_or(0, |letters| letters.chain_starts());
    (word.char_indices().enumerate())
        .take(MOST_LETTERS)
        .filter(move |(letter, _)| starts >> letter & 1 == 1)
        .map(|(_, (byte, _))| byte)
}

#[cfg(test)]
mod tests;
