//! A table of words: how a word that was typed without Turkish letters is mostly written, in about eighteen bits a word.
//!
//! The words themselves are not stored. A word's slot is the exclusive or of three cells that its hash names (a static function over a
//! hypergraph that peels: Botelho, Pagh, Ziviani 2007, with the coupled segments of Graf and Lemire's binary fuse filters, 2022). A word
//! that was never learned meets a random slot, which is refused unless its check bits and those beyond its letters agree: one word in
//! 64 of those with nine letters in doubt, one in 2,048 of those with four.
//!
//! ```text
//! 0   magic       "EBW1"
//! 4   seed        u32
//! 8   segment     u32: cells of a segment; a word has one in each of three segments in a row
//! 12  segments    u32
//! 16  cells       u16 each: bits 0 to 8 say which letters in doubt are Turkish, bit 9 that nearly all are written so, 10 to 15 check
//! ```
//!
//! All integers are little-endian.

#[cfg(feature = "std")]
mod build;
mod hash;

#[cfg(feature = "std")]
pub use build::{Counts, build};

use super::damage::turkish;
use super::{Damage, Set, Symbol};
use hash::{CHECKED, Hash};

/// Most letters in doubt of a word that the table can hold.
const LETTERS_IN_DOUBT: usize = 9;
const SURE: u16 = 1 << LETTERS_IN_DOUBT;
const _: () = assert!(CHECKED == !(2 * SURE - 1), "what is not checked is the form");
const MAGIC: [u8; 4] = *b"EBW1";
const HEADER: usize = 16;

/// The logit of a letter as nearly all of a word are written: the table holds it fifty times as likely as the other.
pub(super) const OF_NEARLY_ALL: f32 = 4.0;
/// The logit of a letter as most of a word are written.
const OF_MOST: f32 = 1.5;

/// Bytes that are no table of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no table of words: {0}")]
pub struct WordsError(&'static str);

/// A table of words, over its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Words<'w> {
    hash: Hash,
    cells: &'w [u8],
}

/// How a word is mostly written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    slot: u16,
}

impl Form {
    /// Whether letter `i` of those in doubt, counted from 0, is the Turkish one.
    pub fn is_turkish(self, i: usize) -> bool {
        i < LETTERS_IN_DOUBT && self.slot >> i & 1 == 1
    }

    /// The logit that the table gives its letters, where others have 0.
    pub fn logit(self) -> f32 {
        if self.slot & SURE == 0 { OF_MOST } else { OF_NEARLY_ALL }
    }
}

/// The letter of a form: the plain one or the Turkish one.
fn letter(plain: Symbol, is_turkish: bool) -> Symbol {
    turkish(plain).filter(|_| is_turkish).unwrap_or(plain)
}

impl<'w> Words<'w> {
    /// The table in these bytes, which borrows them.
    ///
    /// # Errors
    ///
    /// Bytes that are none, or another number of them than their head says.
    pub fn read(bytes: &'w [u8]) -> Result<Self, WordsError> {
        let (head, cells) = bytes.split_first_chunk::<HEADER>().ok_or(WordsError("it is cut short"))?;
        let &[m0, m1, m2, m3, s0, s1, s2, s3, l0, l1, l2, l3, n0, n1, n2, n3] = head;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(WordsError("it does not begin as one"));
        }
        let number = |bytes| u32::from_le_bytes(bytes);
        let hash = Hash {
            seed: number([s0, s1, s2, s3]),
            segment: number([l0, l1, l2, l3]),
            segments: number([n0, n1, n2, n3]),
        };
        let expected = u64::from(hash.segment).checked_mul(u64::from(hash.segments)).and_then(|n| n.checked_mul(2));
        if hash.segment == 0 || hash.segments < 3 || expected != Some(cells.len() as u64) {
            return Err(WordsError("its size is not the one that it says"));
        }
        Ok(Self { hash, cells })
    }

    /// How the word with these plain letters, as typed, is mostly written; none where the table does not know it.
    pub fn form(&self, typed: impl Iterator<Item = Symbol>) -> Option<Form> {
        let (mut state, mut doubts) = (self.hash.start(), 0usize);
        for letter in typed {
            state = Hash::push(state, letter.index() as u8);
            doubts = doubts.saturating_add(usize::from(turkish(letter).is_some()));
        }
        if doubts == 0 || doubts > LETTERS_IN_DOUBT {
            return None;
        }
        let (places, check) = self.hash.places(state);
        let mut slot = check;
        for place in places {
            let at = usize::try_from(place).ok()?.checked_mul(2)?;
            slot ^= u16::from_le_bytes(*self.cells.get(at..)?.first_chunk()?);
        }
        let beyond = (SURE - 1) & !((1 << doubts) - 1);
        (slot & (CHECKED | beyond) == 0).then_some(Form { slot })
    }

    /// What the table holds likely of a word: `each(i, symbol, logit)` for every letter that is in doubt, from the plain letters as
    /// typed and the sets of what may stand there. A form that contradicts what is known of the word says nothing.
    pub fn prior(&self, word: impl Iterator<Item = (Symbol, Set)> + Clone, mut each: impl FnMut(usize, Symbol, f32)) {
        let plain = |(typed, _): (Symbol, Set)| Damage::ascii_symbol(typed);
        let Some(form) = self.form(word.clone().map(plain)) else { return };
        let letters = word.enumerate().scan(0usize, |doubts, (i, (typed, set))| {
            let plain = Damage::ascii_symbol(typed);
            let of = letter(plain, form.is_turkish(*doubts));
            *doubts = doubts.saturating_add(usize::from(turkish(plain).is_some()));
            Some((i, of, set))
        });
        if letters.clone().all(|(_, of, set)| turkish(Damage::ascii_symbol(of)).is_none() || set.holds(of)) {
            letters.filter(|(_, _, set)| set.len() > 1).for_each(|(i, of, _)| each(i, of, form.logit()));
        }
    }
}
