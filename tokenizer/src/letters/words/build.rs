//! Learning a table of words from text.

use std::collections::{BTreeMap, HashMap};
use std::vec::Vec;

use super::hash::Hash;
use super::{BEGINNING, CIRCUMFLEX, HEADER, LETTERS_IN_DOUBT, MAGIC, SHORTEST, SURE};
use crate::letters::damage::{circumflex, turkish};
use crate::letters::{Damage, Symbol};

/// The plain letters of a word.
type Typed = Box<[Symbol]>;

/// Of a word that is written in one way this often, nearly all are.
const NEARLY_ALL: f64 = 0.98;
/// A beginning that so large a share of its words is written with is written in one way.
const ONE_WAY: f64 = 0.97;
/// Fewest hidden words of a beginning: what one word alone begins with helps no other.
const FEWEST: u64 = 2;
/// Share of the entries that are beginnings, where there are as many.
const BEGINNINGS: (usize, usize) = (3, 8);
/// A word that has a circumflex in so large a share of its occurrences has it now and then: most text leaves it out.
const NOW_AND_THEN: f64 = 0.2;
/// In so large a share it has it mostly.
const MOSTLY_MARKED: f64 = 0.7;

/// How often a word is written in each way: bit `i` of a way says that letter `i` of those in doubt is not the plain one.
type Ways = BTreeMap<u16, u64>;

/// How often each word is written in each way.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    of: HashMap<Typed, Ways>,
    /// The same of circumflexes.
    circumflexes: HashMap<Typed, Ways>,
}

impl Counts {
    /// Counts a word: its letters as they belong. Words without a letter in doubt or with too many are passed over.
    pub fn add(&mut self, word: &[Symbol]) {
        let plain: Typed = word.iter().map(|&letter| Damage::ascii_symbol(letter)).collect();
        let count = |of: &mut HashMap<Typed, Ways>, word: &[Symbol], other: fn(Symbol) -> Option<Symbol>| {
            let in_doubt = || plain.iter().zip(word).filter_map(|(&plain, &letter)| Some((other(plain)?, letter)));
            if !(1..=LETTERS_IN_DOUBT).contains(&in_doubt().count()) {
                return;
            }
            let way = in_doubt().enumerate().map(|(i, (other, letter))| u16::from(other == letter) << i).sum();
            *of.entry(plain.clone()).or_default().entry(way).or_default() += 1;
        };
        let flat: Vec<Symbol> = word.iter().map(|&letter| Damage::flat_symbol(letter)).collect();
        count(&mut self.of, &flat, turkish);
        count(&mut self.circumflexes, word, circumflex);
    }

    /// The words that are written with a circumflex now and then, with their slots, those first that are most often.
    fn with_circumflex(&self) -> Vec<Entry<'_>> {
        let words = self.circumflexes.iter().filter_map(|(word, ways)| {
            let all: u64 = ways.values().sum();
            let marked = all - ways.get(&0).copied().unwrap_or_default();
            let (&way, _) = ways.iter().rev().filter(|(way, _)| **way != 0).max_by_key(|(_, count)| **count)?;
            let often = |share: f64| marked as f64 >= share * all as f64;
            let slot = way | if often(MOSTLY_MARKED) { SURE } else { 0 };
            (marked >= FEWEST && often(NOW_AND_THEN)).then_some((marked, &**word, slot))
        });
        let mut words: Vec<_> = words.collect();
        words.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        words.into_iter().map(|(_, word, slot)| (word, Some(CIRCUMFLEX), slot)).collect()
    }

    /// All words, those first that occur most.
    fn slots(&self) -> Vec<Word<'_>> {
        let mut words: Vec<_> = self
            .of
            .iter()
            .filter_map(|(word, forms)| {
                let all: u64 = forms.values().sum();
                // of equally frequent forms the plainest
                let (&form, &most) = forms.iter().rev().max_by_key(|(_, count)| **count)?;
                let sure = most as f64 >= NEARLY_ALL * all as f64;
                Some((all, &**word, form | if sure { SURE } else { 0 }))
            })
            .collect();
        words.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        words
    }
}

/// What a table holds: letters, what is hashed behind them, and their slot.
type Entry<'w> = (&'w [Symbol], Option<u8>, u16);

/// A word, how often it occurs, and its slot.
type Word<'w> = (u64, &'w [Symbol], u16);

/// The words that begin so: how many are hidden, and how many are written in each way.
#[derive(Default)]
struct Beginning {
    hidden: u64,
    ways: Ways,
}

/// How words of `hidden` begin, of which a table does not hold the whole: beginnings that are written in nearly one way in all words, known
/// and hidden. First come those of most hidden words.
fn beginnings<'w>(known: &[Word<'w>], hidden: &[Word<'w>]) -> Vec<Entry<'w>> {
    let mut of: HashMap<&[Symbol], Beginning> = HashMap::new();
    for (words, hidden) in [(known, 0), (hidden, 1)] {
        for &(_, word, slot) in words {
            let mut doubts = 0;
            for length in 1..word.len() {
                doubts += usize::from(turkish(word[length - 1]).is_some());
                if length >= SHORTEST && doubts > 0 {
                    let found = of.entry(&word[..length]).or_default();
                    found.hidden += hidden;
                    *found.ways.entry(slot & ((1 << doubts) - 1)).or_default() += 1;
                }
            }
        }
    }
    let form = |beginning: &[Symbol]| {
        let Beginning { hidden, ways } = of.get(beginning)?;
        let (&way, &most) = ways.iter().rev().max_by_key(|(_, count)| **count)?;
        let one_way = most as f64 >= ONE_WAY * ways.values().sum::<u64>() as f64;
        (*hidden >= FEWEST && one_way).then_some((*hidden, way))
    };
    // what a shorter beginning says already is left out
    let is_new = |beginning: &[Symbol]| {
        let shorter = (SHORTEST..beginning.len()).rev().find(|&length| form(&beginning[..length]).is_some());
        shorter.is_none_or(|length| beginning[length..].iter().any(|&letter| turkish(letter).is_some()))
    };
    let found = of.keys().filter_map(|&beginning| Some((form(beginning)?, beginning)));
    let mut found: Vec<_> = found.filter(|(_, beginning)| is_new(beginning)).collect();
    found.sort_unstable_by(|a, b| b.0.0.cmp(&a.0.0).then_with(|| a.1.cmp(b.1)));
    found.into_iter().map(|((_, form), beginning)| (beginning, Some(BEGINNING), form)).collect()
}

/// At most so many entries: words with a circumflex, the words that occur at least `least` times, and beginnings of the rest.
fn entries(counts: &Counts, least: u64, most: usize) -> Vec<Entry<'_>> {
    let words = counts.slots();
    let known = words.iter().take_while(|(count, ..)| *count >= least).count();
    let mut marked = counts.with_circumflex();
    marked.truncate(most / 2);
    let most = most - marked.len();
    let whole = known.min(most - most / BEGINNINGS.1 * BEGINNINGS.0);
    let mut beginnings = beginnings(&words[..whole], &words[whole..]);
    beginnings.truncate(most - whole);
    let whole = words.into_iter().take(known.min(most - beginnings.len()));
    marked.into_iter().chain(whole.map(|(_, word, slot)| (word, None, slot))).chain(beginnings).collect()
}

/// The table of the words that occur at least `least` times, of the most frequent ones where that takes more than `most` bytes, and of
/// beginnings of the others; no bytes where there is no such word or no room.
pub fn build(counts: &Counts, least: u64, most: usize) -> Vec<u8> {
    let room = most.saturating_sub(HEADER) / 2;
    let fits = |count: &usize| Hash::of(*count).is_some_and(|hash| hash.cells() <= room);
    // the cells of a table are more than its entries, and grow with them but for a few
    let mut count = (counts.of.len() + counts.circumflexes.len()).saturating_mul(2).min(room);
    while count > 0 && !fits(&count) {
        count -= count.div_ceil(200);
    }
    let mut entries = entries(counts, least, count);
    while let Some(hash) = Hash::of(entries.len()).filter(|_| !entries.is_empty()) {
        let tries = (0..64).map(|seed| Hash { seed, ..hash });
        if let Some((hash, cells)) = tries.into_iter().find_map(|hash| Some((hash, filled(hash, &entries)?))) {
            let head = [hash.seed, hash.segment, hash.segments].into_iter().flat_map(u32::to_le_bytes);
            return MAGIC.into_iter().chain(head).chain(cells.into_iter().flat_map(u16::to_le_bytes)).collect();
        }
        // two entries with the same cells in every try, as happens among very few
        entries.pop();
    }
    Vec::new()
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

/// The cells of a table that holds the entries, where they peel: while a cell is that of one entry alone, this one is put aside; last put
/// aside, first written, every entry finds a cell that no other needs any more.
fn filled(hash: Hash, entries: &[Entry<'_>]) -> Option<Vec<u16>> {
    let places: Vec<_> = entries
        .iter()
        .map(|&(letters, marker, _)| {
            let hashed = letters.iter().map(|letter| letter.index() as u8).chain(marker);
            hash.places(hashed.fold(hash.start(), Hash::push))
        })
        .collect();
    // number of entries of a cell, and the exclusive or of their numbers
    let mut users = vec![(0u32, 0usize); hash.cells()];
    for (i, (at, _)) in places.iter().enumerate() {
        at.iter().for_each(|&cell| {
            let (count, numbers) = &mut users[cell as usize];
            (*count, *numbers) = (*count + 1, *numbers ^ i);
        });
    }
    let mut alone: Vec<u32> = (0..hash.cells() as u32).filter(|&cell| users[cell as usize].0 == 1).collect();
    let mut order = Vec::with_capacity(entries.len());
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
    if order.len() < entries.len() {
        return None;
    }
    let mut cells = vec![0u16; hash.cells()];
    for (i, cell) in order.into_iter().rev() {
        let (at, check) = places[i];
        let others = at.iter().filter(|&&other| other != cell).fold(0, |sum, &other| sum ^ cells[other as usize]);
        cells[cell as usize] = entries[i].2 ^ check ^ others;
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
        words.prior(sets, Damage::Ascii, |i, symbol, _| of[i] = symbol);
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
        words.prior(known, Damage::Ascii, |_, _, _| panic!("icin is not için"));
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
        // three of eight entries are beginnings
        let bytes = build(&counts, 1, 4000);
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
    fn words_that_it_does_not_hold_begin_as_others_do() {
        let mut counts = Counts::default();
        for word in ["gözlük", "gözlem", "gözlerim", "köşeden", "köşeye", "kosedağ", "kosehan", "kösele"] {
            counts.add(&symbols(word));
        }
        // what occurs once is not held itself
        let bytes = build(&counts, 2, usize::MAX);
        let words = Words::read(&bytes).unwrap();
        assert_eq!(words.form(symbols("gozluk").into_iter()), None);
        for (typed, said) in [("gozlukcu", "gözlukcu"), ("gozlu", "gözlu"), ("gozl", "gozl"), ("kosesi", "kosesi")] {
            assert_eq!(restored(&words, &symbols(typed)), symbols(said), "{typed}");
        }
        assert_eq!(words.beginning(symbols("gozluk").into_iter()).map(|(length, _)| length), Some(4));
        // a word that the table holds says more than its beginning
        (0..2).for_each(|_| counts.add(&symbols("gözlüğü")));
        let bytes = build(&counts, 2, usize::MAX);
        assert_eq!(restored(&Words::read(&bytes).unwrap(), &symbols("gozlugu")), symbols("gözlüğü"));
    }

    #[test]
    fn circumflexes_are_known_where_they_are_asked_for() {
        let mut counts = Counts::default();
        for (word, times) in [("hâlâ", 3), ("hala", 4), ("kâğıt", 5), ("dâhi", 1), ("araba", 9)] {
            (0..times).for_each(|_| counts.add(&symbols(word)));
        }
        let bytes = build(&counts, 1, usize::MAX);
        let words = Words::read(&bytes).unwrap();
        let told = |damage: Damage, typed: &str| {
            let mut of = symbols(typed);
            let sets = typed.chars().map(|c| (symbol(c), damage.set(c)));
            words.prior(sets, damage, |i, symbol, _| of[i] = symbol);
            of
        };
        for (typed, said) in
            [("hala", "hâlâ"), ("kagit", "kâğıt"), ("dahi", "dahi"), ("araba", "araba"), ("hâla", "hâlâ")]
        {
            assert_eq!(told(Damage::Circumflex, typed), symbols(said), "{typed}");
        }
        assert_eq!(told(Damage::Ascii, "kagit"), symbols("kağıt"));
        assert_eq!(told(Damage::Ascii, "hala"), symbols("hala"));
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
                bytes.splice(0..0, *b"EBW2\x01\0\0\0\x02\0\0\0\x03\0\0\0");
                bytes.resize(28, 7);
            }
            let read = Words::read(&bytes);
            prop_assert!(!good || read.is_ok());
            if let Ok(words) = read {
                let known = symbols(&word).into_iter().map(|s| (s, Set::of(s)));
                words.prior(known, Damage::Circumflex, |_, _, _| panic!("nothing is in doubt"));
            }
        }
    }
}
