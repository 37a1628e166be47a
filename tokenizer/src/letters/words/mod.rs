//! A table of words: how a word that was typed without Turkish letters is mostly written, in about eighteen bits a word; how rarer
//! words begin that it does not hold; and which words have a circumflex.
//!
//! The words themselves are not stored. The slot of an entry is the exclusive or of three cells that its hash names (a static function over a
//! hypergraph that peels: Botelho, Pagh, Ziviani 2007, with the coupled segments of Graf and Lemire's binary fuse filters, 2022). A word
//! that was never learned meets a random slot, which is refused unless its check bits and those beyond its letters agree: one word in
//! 64 of those with nine letters in doubt, one in 2,048 of those with four; of beginnings half as many.
//!
//! ```text
//! 0   magic       "EBW2"
//! 4   seed        u32
//! 8   segment     u32: cells of a segment; a word has one in each of three segments in a row
//! 12  segments    u32
//! 16  cells       u16 each: bits 0 to 8 say which letters in doubt are Turkish, bit 9 that nearly all are written so, 10 to 15 check
//! ```
//!
//! A word is hashed as the numbers of its plain letters. Behind those of a beginning stands 55, and its bit 9 is 0. Behind those of a word with
//! a circumflex stands 56; the letters in doubt are then `a i u`.
//!
//! All integers are little-endian.

#[cfg(feature = "std")]
mod build;
mod hash;

#[cfg(feature = "std")]
pub use build::{Counts, build};

use super::damage::{circumflex, turkish};
use super::{Damage, SYMBOLS, Set, Symbol};
use hash::{CHECKED, Hash};

/// Most letters in doubt of a word that the table can hold.
const LETTERS_IN_DOUBT: usize = 9;
const SURE: u16 = 1 << LETTERS_IN_DOUBT;
const _: () = assert!(CHECKED == !(2 * SURE - 1), "what is not checked is the form");
/// Behind the letters of a beginning, and of a word with circumflexes.
const BEGINNING: u8 = SYMBOLS as u8;
const CIRCUMFLEX: u8 = BEGINNING + 1;
/// Fewest letters of a beginning.
const SHORTEST: usize = 4;
const MAGIC: [u8; 4] = *b"EBW2";
const HEADER: usize = 16;

/// The logit of a letter as nearly all of a word are written: the table holds it fifty times as likely as the other.
pub(super) const OF_NEARLY_ALL: f32 = 4.0;
/// The logit of a letter as most of a word are written.
const OF_MOST: f32 = 1.5;
/// The logit of a letter as most words with its beginning are written.
const OF_BEGINNING: f32 = 2.5;

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
    /// Whether letter `i` of those in doubt, counted from 0, is not the plain one.
    fn is_marked(self, i: usize) -> bool {
        i < LETTERS_IN_DOUBT && self.slot >> i & 1 == 1
    }

    /// The logit that the table gives its letters, where others have 0.
    pub fn logit(self) -> f32 {
        if self.slot & SURE == 0 { OF_MOST } else { OF_NEARLY_ALL }
    }
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
        self.known(typed, None, turkish)
    }

    /// The form of a whole word with a marker behind its letters, of which `other` says which are in doubt.
    fn known(
        &self,
        typed: impl Iterator<Item = Symbol>,
        marker: Option<u8>,
        other: fn(Symbol) -> Option<Symbol>,
    ) -> Option<Form> {
        let (mut state, mut doubts) = (self.hash.start(), 0usize);
        for letter in typed {
            state = Hash::push(state, letter.index() as u8);
            doubts = doubts.saturating_add(usize::from(other(letter).is_some()));
        }
        self.at(marker.map_or(state, |marker| Hash::push(state, marker)), doubts)
    }

    /// How most words begin that begin as this one does, and how many of its letters that says: the longest such beginning that the table
    /// knows, at least four letters and not all of them.
    pub fn beginning(&self, typed: impl Iterator<Item = Symbol>) -> Option<(usize, Form)> {
        let (mut state, mut doubts, mut found) = (self.hash.start(), 0usize, None);
        let mut letters = (1usize..).zip(typed).peekable();
        while let Some((length, letter)) = letters.next() {
            state = Hash::push(state, letter.index() as u8);
            doubts = doubts.saturating_add(usize::from(turkish(letter).is_some()));
            if length >= SHORTEST && letters.peek().is_some() {
                let known = self.at(Hash::push(state, BEGINNING), doubts).filter(|form| form.slot & SURE == 0);
                found = known.map(|form| (length, form)).or(found);
            }
        }
        found
    }

    /// The form of what has a state, with so many letters in doubt; none where the table does not know it.
    fn at(&self, state: u64, doubts: usize) -> Option<Form> {
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
    pub fn prior(
        &self,
        word: impl Iterator<Item = (Symbol, Set)> + Clone,
        damage: Damage,
        each: impl FnMut(usize, Symbol, f32),
    ) {
        match self.form(plain(word.clone())) {
            Some(form) => self.tell(Some((usize::MAX, form, form.logit())), word, damage, each),
            None => self.prior_of_beginning(word, damage, each),
        }
    }

    /// [`Words::prior`] as if the table did not know the word itself.
    pub fn prior_of_beginning(
        &self,
        word: impl Iterator<Item = (Symbol, Set)> + Clone,
        damage: Damage,
        each: impl FnMut(usize, Symbol, f32),
    ) {
        let found = self.beginning(plain(word.clone()));
        self.tell(found.map(|(length, form)| (length, form, OF_BEGINNING)), word, damage, each);
    }

    /// The letters that a form gives the first ones of a word, and circumflexes where those were left out.
    fn tell(
        &self,
        of: Option<(usize, Form, f32)>,
        word: impl Iterator<Item = (Symbol, Set)> + Clone,
        damage: Damage,
        mut each: impl FnMut(usize, Symbol, f32),
    ) {
        let asked = damage == Damage::Circumflex;
        let marks = asked.then(|| self.known(plain(word.clone()), Some(CIRCUMFLEX), circumflex)).flatten();
        let letters = word.enumerate().scan((0usize, 0usize), |(doubts, vowels), (i, (typed, set))| {
            let plain = Damage::ascii_symbol(typed);
            let (other, marked) = (turkish(plain), circumflex(plain));
            let own = of.filter(|&(length, ..)| i < length);
            let own = own.map(|(_, form, logit)| (other.filter(|_| form.is_marked(*doubts)).unwrap_or(plain), logit));
            let mark = marks.filter(|form| form.is_marked(*vowels)).and_then(|form| Some((marked?, form.logit())));
            *doubts = doubts.saturating_add(usize::from(other.is_some()));
            *vowels = vowels.saturating_add(usize::from(marked.is_some()));
            Some((i, set, own, mark, other.is_some()))
        });
        let fits = |set: Set, said: Option<(Symbol, f32)>| said.filter(|&(of, _)| set.holds(of));
        let right = letters.clone().all(|(_, set, own, _, doubt)| !doubt || own.is_none() || fits(set, own).is_some());
        for (i, set, own, mark, _) in letters.filter(|(_, set, ..)| set.len() > 1) {
            if let Some((of, logit)) = fits(set, mark).or(fits(set, own).filter(|_| right)) {
                each(i, of, logit);
            }
        }
    }
}

/// The plain letters of a word.
fn plain(word: impl Iterator<Item = (Symbol, Set)>) -> impl Iterator<Item = Symbol> {
    word.map(|(typed, _)| Damage::ascii_symbol(typed))
}
