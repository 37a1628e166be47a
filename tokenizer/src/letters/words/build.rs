//! Learning a table of words from text.

use std::collections::{BTreeMap, HashMap};
use std::vec::Vec;

use super::hash::Hash;
use super::{HEADER, LETTERS_IN_DOUBT, MAGIC, SURE};
use crate::letters::damage::turkish;
use crate::letters::{Damage, Symbol};

/// The plain letters of a word.
type Typed = Box<[Symbol]>;

/// Of a word that is written in one way this often, nearly all are.
const NEARLY_ALL: f64 = 0.98;

/// How often each word is written in each way.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    of: HashMap<Typed, BTreeMap<u16, u64>>,
}

impl Counts {
    /// Counts a word: its letters as they belong, without circumflexes. Words without a letter in doubt or with too many are passed over.
    pub fn add(&mut self, word: &[Symbol]) {
        let plain: Typed = word.iter().map(|&letter| Damage::ascii_symbol(letter)).collect();
        let in_doubt = || plain.iter().zip(word).filter(|(plain, _)| turkish(**plain).is_some());
        if !(1..=LETTERS_IN_DOUBT).contains(&in_doubt().count()) {
            return;
        }
        let bit = |(i, (plain, letter)): (usize, (&Symbol, &Symbol))| u16::from(plain != letter) << i;
        let form = in_doubt().enumerate().map(bit).sum();
        *self.of.entry(plain).or_default().entry(form).or_default() += 1;
    }

    /// The words that occur at least `least` times, with their slots, those first that occur most.
    fn slots(&self, least: u64) -> Vec<(&Typed, u16)> {
        let mut words: Vec<_> = self
            .of
            .iter()
            .filter_map(|(word, forms)| {
                let all: u64 = forms.values().sum();
                // of equally frequent forms the plainest
                let (&form, &most) = forms.iter().rev().max_by_key(|(_, count)| **count)?;
                let sure = most as f64 >= NEARLY_ALL * all as f64;
                (all >= least).then_some((all, word, form | if sure { SURE } else { 0 }))
            })
            .collect();
        words.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        words.into_iter().map(|(_, word, slot)| (word, slot)).collect()
    }
}

/// The table of the words that occur at least `least` times, of the most frequent ones where that takes more than `most` bytes; no bytes
/// where there is no such word or no room.
pub fn build(counts: &Counts, least: u64, most: usize) -> Vec<u8> {
    let mut words = counts.slots(least);
    loop {
        let Some(hash) = Hash::of(words.len()).filter(|_| !words.is_empty()) else { return Vec::new() };
        let room = most.saturating_sub(HEADER) / 2;
        if hash.cells() > room {
            words.truncate((words.len() as f64 * (room as f64 / hash.cells() as f64)) as usize - usize::from(room > 0));
            continue;
        }
        let tries = (0..64).map(|seed| Hash { seed, ..hash });
        match tries.into_iter().find_map(|hash| filled(hash, &words).map(|cells| (hash, cells))) {
            Some((hash, cells)) => {
                let head = [hash.seed, hash.segment, hash.segments].into_iter().flat_map(u32::to_le_bytes);
                let cells = cells.into_iter().flat_map(u16::to_le_bytes);
                return MAGIC.into_iter().chain(head).chain(cells).collect();
            }
            // two words with the same cells in every try, as happens among very few
            None => words.truncate(words.len() - 1),
        }
    }
}

impl Hash {
    /// The smallest table that as many words fit into with a few tries.
    fn of(words: usize) -> Option<Self> {
        let segments = (words / 500).clamp(3, 64) as u32;
        let load = if words < 10_000 { 1.3 } else { 1.16 };
        // the segments at both ends hold fewer
        let cells = words as f64 * load * (1.0 + 0.2 / f64::from(segments)) + 32.0;
        let segment = u32::try_from((cells / f64::from(segments)).ceil() as u64).ok()?;
        Some(Self { seed: 0, segment, segments })
    }

    fn cells(self) -> usize {
        self.segment as usize * self.segments as usize
    }
}

/// The cells of a table that holds the words, where they peel: while a cell is that of one word alone, this word is put aside; last put
/// aside, first written, every word finds a cell that no other needs any more.
fn filled(hash: Hash, words: &[(&Typed, u16)]) -> Option<Vec<u16>> {
    let places: Vec<_> = words
        .iter()
        .map(|(word, _)| {
            hash.places(word.iter().fold(hash.start(), |state, letter| Hash::push(state, letter.index() as u8)))
        })
        .collect();
    // number of words of a cell, and the exclusive or of their numbers
    let mut users = vec![(0u32, 0usize); hash.cells()];
    for (i, (at, _)) in places.iter().enumerate() {
        at.iter().for_each(|&cell| {
            let (count, numbers) = &mut users[cell as usize];
            (*count, *numbers) = (*count + 1, *numbers ^ i);
        });
    }
    let mut alone: Vec<u32> = (0..hash.cells() as u32).filter(|&cell| users[cell as usize].0 == 1).collect();
    let mut order = Vec::with_capacity(words.len());
    while let Some(cell) = alone.pop() {
        let (1, i) = users[cell as usize] else { continue };
        order.push((i, cell));
        for &other in &places[i].0 {
            let (count, numbers) = &mut users[other as usize];
            (*count, *numbers) = (*count - 1, *numbers ^ i);
            if *count == 1 {
                alone.push(other);
            }
        }
    }
    if order.len() < words.len() {
        return None;
    }
    let mut cells = vec![0u16; hash.cells()];
    for (i, cell) in order.into_iter().rev() {
        let (at, check) = places[i];
        let others = at.iter().filter(|&&other| other != cell).fold(0, |sum, &other| sum ^ cells[other as usize]);
        cells[cell as usize] = words[i].1 ^ check ^ others;
    }
    Some(cells)
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use proptest::prelude::*;

    use super::super::{Form, Words};
    use super::*;
    use crate::letters::{Set, symbol};

    fn symbols(word: &str) -> Vec<Symbol> {
        word.chars().map(symbol).collect()
    }

    /// The word as the table has it.
    fn restored(words: &Words<'_>, word: &[Symbol]) -> Vec<Symbol> {
        let mut of: Vec<Symbol> = word.iter().map(|&s| Damage::ascii_symbol(s)).collect();
        let sets = of.clone().into_iter().map(|s| (s, s.letter().map_or(Set::of(s), |c| Damage::Ascii.set(c))));
        words.prior(sets, |i, symbol, _| of[i] = symbol);
        of
    }

    /// Different words of `count` numbers, each of letters in doubt and others.
    fn many(count: usize) -> Vec<Vec<Symbol>> {
        let letters = symbols("çıkrşetaüm");
        (0..count).map(|i| std::format!("{i:06}").bytes().map(|d| letters[usize::from(d - b'0')]).collect()).collect()
    }

    #[test]
    fn every_word_is_found_as_it_is_mostly_written() {
        for count in [1usize, 2, 3, 10, 100, 3000, 60_000] {
            let mut counts = Counts::default();
            let all = many(count);
            let in_doubt = |word: &&Vec<Symbol>| word.iter().any(|&s| turkish(Damage::ascii_symbol(s)).is_some());
            all.iter().for_each(|word| counts.add(word));
            let bytes = build(&counts, 1, usize::MAX);
            let known = all.iter().filter(in_doubt).count();
            if known == 0 {
                assert!(bytes.is_empty());
                continue;
            }
            assert!(count < 1000 || bytes.len() * 8 < known * 22, "{} for {known}", bytes.len());
            let words = Words::read(&bytes).unwrap();
            for word in all.iter().filter(in_doubt) {
                assert_eq!(&restored(&words, word), word);
            }
        }
    }

    #[test]
    fn ways_of_writing_are_weighed() {
        let mut counts = Counts::default();
        for (word, times) in [("için", 99), ("icin", 1), ("aşı", 2), ("ası", 1), ("ev", 9), ("kış", 1)] {
            (0..times).for_each(|_| counts.add(&symbols(word)));
        }
        let bytes = build(&counts, 2, usize::MAX);
        let words = Words::read(&bytes).unwrap();
        let form = |word: &str| words.form(symbols(word).into_iter());
        let logit = |word| form(word).map(Form::logit);
        assert_eq!((logit("icin"), logit("asi"), logit("ev")), (Some(4.0), Some(1.5), None));
        assert_eq!(restored(&words, &symbols("icin")), symbols("için"));
        // one letter that is known to be another contradicts the form
        let icin = symbols("icin").into_iter().map(|s| (s, Set::of(s)));
        let known = icin.enumerate().map(|(i, (s, set))| if i == 0 { (s, Damage::Ascii.set('i')) } else { (s, set) });
        words.prior(known, |_, _, _| panic!("icin is not için"));
    }

    #[test]
    fn a_table_keeps_to_its_bytes_and_to_the_most_frequent_words() {
        let mut counts = Counts::default();
        for (i, word) in many(5000).iter().enumerate() {
            (0..=i / 1000).for_each(|_| counts.add(word));
        }
        for most in [0, 15, 16, 17, 100, 1000, 4000] {
            let bytes = build(&counts, 1, most);
            assert!(bytes.len() <= most && (most < 1000 || bytes.len() > most * 3 / 4), "{} of {most}", bytes.len());
        }
        let bytes = build(&counts, 1, 2500);
        let words = Words::read(&bytes).unwrap();
        assert!(
            many(5000)[4000..]
                .iter()
                .filter(|word| words.form(word.iter().map(|&s| Damage::ascii_symbol(s))).is_some())
                .count()
                > 800
        );
    }

    #[test]
    fn few_words_that_were_never_learned_are_taken_for_known() {
        let mut counts = Counts::default();
        many(20_000).iter().for_each(|word| counts.add(word));
        let bytes = build(&counts, 1, usize::MAX);
        let words = Words::read(&bytes).unwrap();
        let letters = symbols("cgmosu");
        let strange =
            (0..6usize.pow(6)).map(|i| (0..9).map(|k| letters[i / 6usize.pow(k % 6) % 6]).collect::<Vec<_>>());
        let taken = strange.filter(|word| words.form(word.iter().copied()).is_some()).count();
        assert!(taken < 6usize.pow(6) / 64 * 2, "{taken}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes: Vec<u8>, good: bool, word: String) {
            if good {
                bytes.splice(0..0, *b"EBW1\x01\0\0\0\x02\0\0\0\x03\0\0\0");
                bytes.resize(28, 7);
            }
            let read = Words::read(&bytes);
            prop_assert!(!good || read.is_ok());
            if let Ok(words) = read {
                words.prior(symbols(&word).into_iter().map(|s| (s, Set::of(s))), |_, _, _| panic!("nothing is in doubt"));
            }
        }
    }
}
