//! Walking letters through the grammar.
//!
//! Whether a suffix fits at a place depends on the letters before that place and not on how they are analysed. So the
//! slots from which the rest of a word is a valid chain are computed once for every place, from the end backwards:
//! `open(end) = last`, `open(i) = union of from(s) over the suffixes s that fit from i to some j with to(s) in open(j)`.

use ebt_tokenizer::letters::lower_letter;

use super::index::beginning_with;
use super::letter::{Vowel, can_be, is_high_vowel, is_letter, is_voiceless, is_vowel, vowel};
use super::loan;
use super::slot::{ANY, FINAL, PRONOMINAL, ROOT, Slots};
use super::suffix::Suffix;

/// The most letters of a word that is analysed; a longer one has no suffixes.
pub(super) const MOST_LETTERS: usize = 64;

/// The fewest letters of a root.
pub(super) const LEAST_ROOT: usize = 2;

/// The lower-case letters of a word.
pub(super) struct Letters {
    letters: [char; MOST_LETTERS],
    count: usize,
}

impl Letters {
    /// The letters of a lower-case word; `None` if it holds anything else, too many of them, or none.
    pub fn lower_case(word: &str) -> Option<Self> {
        Self::collect(word.chars())
    }

    /// The letters of a word in any case; `None` as above.
    pub fn any_case(word: &str) -> Option<Self> {
        Self::collect(word.chars().map(lower_letter))
    }

    fn collect(word: impl Iterator<Item = char>) -> Option<Self> {
        let mut found = Self { letters: ['\0'; MOST_LETTERS], count: 0 };
        for letter in word {
            *found.letters.get_mut(found.count).filter(|_| is_letter(letter))? = letter;
            found.count += 1;
        }
        (found.count > 0).then_some(found)
    }

    /// Whether all letters are a chain after an unknown root.
    pub fn is_chain(&self) -> bool {
        let walk = Walk { letters: &self.letters[..self.count], open_end: true, fronted: 0 };
        walk.all(ANY)[0] != 0
    }

    /// The letters at which a chain up to the end may start, one bit each.
    pub fn chain_starts(&self) -> u64 {
        let letters = &self.letters[..self.count];
        let walk = Walk { letters, open_end: false, fronted: 0 };
        let open = walk.all(FINAL);
        let Some(first_vowel) = letters.iter().position(|&letter| is_vowel(letter)) else { return 0 };
        (LEAST_ROOT.max(first_vowel + 1)..letters.len()).fold(0, |starts, at| {
            let root = &letters[..at];
            let fronted = loan::takes_front_suffixes(root);
            let slots = if fronted { Walk { fronted: at, ..walk }.at(at, &open) } else { open[at] };
            // many names are compounds that end in a possessive: Meclisi'nde
            let compound = if is_high_vowel(root[at - 1]) { PRONOMINAL } else { 0 };
            starts | u64::from(slots & (ROOT | compound) != 0) << at
        })
    }
}

/// The slots of every place of a word and of its end.
type Open = [Slots; MOST_LETTERS + 1];

/// One way to read letters.
#[derive(Clone, Copy)]
struct Walk<'a> {
    letters: &'a [char],
    /// Whether something may follow the last letter.
    open_end: bool,
    /// Vowels before this place count as front vowels.
    fronted: usize,
}

impl Walk<'_> {
    /// The slots from which the letters from each place on are a valid chain that ends in `last`.
    fn all(self, last: Slots) -> Open {
        let mut open = [0; MOST_LETTERS + 1];
        open[self.letters.len()] = last;
        for at in (0..self.letters.len()).rev() {
            open[at] = self.at(at, &open);
        }
        open
    }

    /// The slots of one place, given those of all later ones.
    fn at(self, at: usize, open: &Open) -> Slots {
        let leads_on = |suffix: &Suffix| self.end_of(suffix, at).is_some_and(|end| open[end] & suffix.to != 0);
        let next = beginning_with(self.letters[at]).filter(|suffix| leads_on(suffix));
        next.fold(0, |slots, suffix| slots | suffix.from)
    }

    /// Where a suffix that starts at `start` ends, if it fits there.
    fn end_of(self, suffix: &Suffix, start: usize) -> Option<usize> {
        if self.before(start).is_some_and(|letter| !suffix.after.admits(letter)) {
            return None;
        }
        let (mut at, mut bracket) = (start, false);
        for symbol in suffix.form.chars() {
            match symbol {
                '(' => bracket = true,
                ')' => bracket = false,
                symbol if bracket && !self.is_written(symbol, at) => {}
                symbol => {
                    if !self.fits(symbol, at) {
                        return None;
                    }
                    at += 1;
                }
            }
        }
        Some(at)
    }

    /// Whether the bracketed letter of a suffix is there: it parts two vowels or two consonants. After an unknown
    /// root, whether the text has it.
    fn is_written(self, symbol: char, at: usize) -> bool {
        let is_vowel_symbol = matches!(symbol, 'A' | 'I');
        match self.before(at) {
            Some(letter) => is_vowel(letter) != is_vowel_symbol,
            None => self.fits(symbol, at),
        }
    }

    /// Whether an archiphoneme is written with the letter at `at`. What is asked of a letter that is not known, that
    /// of the root, is granted.
    fn fits(self, symbol: char, at: usize) -> bool {
        let Some(&letter) = self.letters.get(at).filter(|&&letter| can_be(symbol, letter)) else { return false };
        let agrees = |wanted: fn(Vowel) -> char| self.vowel_before(at).is_none_or(|before| letter == wanted(before));
        match symbol {
            'A' => agrees(Vowel::open),
            'I' | 'Ü' => agrees(Vowel::high),
            'D' | 'C' | 'G' => self.before(at).is_none_or(|before| is_voiceless(letter) == is_voiceless(before)),
            'K' => match self.letters.get(at + 1) {
                Some(&next) => (letter == 'ğ') == is_vowel(next),
                None => letter == 'k' || self.open_end,
            },
            _ => true,
        }
    }

    /// The letter before a place.
    fn before(self, at: usize) -> Option<char> {
        at.checked_sub(1).map(|before| self.letters[before])
    }

    /// The last vowel before a place.
    fn vowel_before(self, at: usize) -> Option<Vowel> {
        let place = self.letters[..at].iter().rposition(|&letter| is_vowel(letter))?;
        let found = vowel(self.letters[place])?;
        Some(if place < self.fronted { Vowel { front: true, ..found } } else { found })
    }
}
