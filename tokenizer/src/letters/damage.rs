//! Kinds of damage: what a character of a damaged text may have been.

use serde::{Deserialize, Serialize};

use super::{LETTERS, Set, Symbol, lower_letter, symbol, upper};

/// What happened to a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Damage {
    /// Typed on a keyboard without `ç ğ ı ö ş ü`: each of `c g i o s u` may be either of two letters. Letters that are right already
    /// are taken as they are.
    #[default]
    Ascii,
    /// The same, and circumflexes were left out too: `a i u` may also be `â î û`.
    Circumflex,
    /// Letters were lost, and [`Damage::GAP`] stands for each.
    Missing,
    /// A neighbouring key of the Turkish Q keyboard was hit now and then: any letter may be one beside it.
    Keyboard,
    /// Read from paper by a machine: any letter may be one that looks like it.
    Ocr,
}

/// The letters of the Turkish Q keyboard, row by row, each row half a key to the right of the one above it.
const KEYS: [&[char]; 3] = [
    &['q', 'w', 'e', 'r', 't', 'y', 'u', 'ı', 'o', 'p', 'ğ', 'ü'],
    &['a', 's', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'ş', 'i'],
    &['z', 'x', 'c', 'v', 'b', 'n', 'm', 'ö', 'ç'],
];

/// Letters that machines take for each other.
const ALIKE: [&[char]; 9] = [
    &['ı', 'i', 'l', 'j', 'î'],
    &['o', 'ö'],
    &['u', 'ü', 'v', 'û'],
    &['c', 'ç', 'e'],
    &['s', 'ş'],
    &['g', 'ğ', 'q'],
    &['h', 'n', 'b'],
    &['f', 't'],
    &['a', 'â'],
];

/// The logit of what was typed or read against every other letter that it may have been: it is right twenty times as likely.
const AS_IT_STANDS: f32 = 3.0;

impl Damage {
    /// Every kind with its name, which is that in configuration files and on command lines, and what it is.
    pub const ALL: &[(&str, &str, Self)] = &[
        ("ascii", "typed without Turkish letters", Self::Ascii),
        ("circumflex", "the same, and without circumflexes", Self::Circumflex),
        ("missing", "letters are lost, and _ stands for each", Self::Missing),
        ("keyboard", "neighbouring keys were hit", Self::Keyboard),
        ("ocr", "letters were taken for others that look alike", Self::Ocr),
    ];

    /// Stands for a letter that is missing.
    pub const GAP: char = '_';

    /// The symbols that may belong where `c` stands: always that of `c` itself, but of a gap, which is any letter.
    pub fn set(self, c: char) -> Set {
        let own = symbol(c);
        let Some(letter) = own.letter() else {
            let gap = self == Self::Missing && c == Self::GAP;
            return if gap { Set::of_all(LETTERS) } else { Set::of(own) };
        };
        match self {
            // a capital that was typed without its dot is either letter, and so is a small one with it
            Self::Ascii | Self::Circumflex if !c.is_ascii() => Set::of(own),
            Self::Ascii => {
                let plain = Self::ascii_symbol(own);
                turkish(plain).map_or(Set::of(own), |turkish| Set::of(plain).with(turkish))
            }
            Self::Circumflex => {
                let set = Self::Ascii.set(c);
                circumflex(Self::ascii_symbol(own)).map_or(set, |other| set.with(other))
            }
            Self::Missing => Set::of(own),
            Self::Keyboard => neighbours(letter).fold(Set::of(own), |set, other| set.with(symbol(other))),
            Self::Ocr => {
                let alike = ALIKE.iter().find(|alike| alike.contains(&letter)).copied().unwrap_or_default();
                alike.iter().fold(Set::of(own), |set, &other| set.with(symbol(other)))
            }
        }
    }

    /// The logit of a letter as it stands, where it is likelier than every other that it may have been; none where all are as likely.
    pub fn prior(self) -> Option<f32> {
        matches!(self, Self::Keyboard | Self::Ocr).then_some(AS_IT_STANDS)
    }

    /// Whether words keep their letters but for marks, so that a table of words knows them.
    pub fn keeps_words(self) -> bool {
        matches!(self, Self::Ascii | Self::Circumflex)
    }

    /// What became of a letter that was damaged, `chance` in `[0, 1)` decides which: a gap, or another letter that it may be taken for.
    pub fn strikes(self, letter: char, chance: f64) -> char {
        match self {
            Self::Missing => Self::GAP,
            Self::Ascii | Self::Circumflex => Self::ascii(letter),
            Self::Keyboard | Self::Ocr => {
                let (set, own) = (self.set(letter), symbol(letter));
                let at = (chance * set.len().saturating_sub(1) as f64) as usize;
                let others = set.symbols().filter(|&other| other != own);
                others.filter_map(Symbol::letter).nth(at).unwrap_or(letter)
            }
        }
    }

    /// The character that remains of `c` where a keyboard has no Turkish letters: `ş` becomes `s`, `I` and `İ` become `I`; others are
    /// their own. What it was is in the set of what it became.
    pub fn ascii(c: char) -> char {
        let small = match lower_letter(c) {
            'ç' => 'c',
            'ğ' => 'g',
            'ı' | 'î' => 'i',
            'ö' => 'o',
            'ş' => 's',
            'ü' | 'û' => 'u',
            'â' => 'a',
            'i' if c == 'İ' => 'i',
            _ => return c,
        };
        if c == upper(c) { small.to_ascii_uppercase() } else { small }
    }

    /// The same of a symbol, whose case is left open: a dotless `ı` is typed `i`.
    pub fn ascii_symbol(of: Symbol) -> Symbol {
        of.letter().map_or(of, |letter| symbol(Self::ascii(letter)))
    }

    /// A symbol without its circumflex.
    pub fn flat_symbol(of: Symbol) -> Symbol {
        let plain = Self::ascii_symbol(of);
        if circumflex(plain) == Some(of) { plain } else { of }
    }
}

/// The letters of the keys beside that of a letter.
fn neighbours(letter: char) -> impl Iterator<Item = char> {
    let place = |row: &[char]| row.iter().position(|&key| key == letter);
    let found = KEYS.iter().enumerate().find_map(|(r, row)| Some((r, place(row)?)));
    // one of a row stands between the same and the next of the row above, and between the one before and the same of that below
    let beside = move |(r, c): (usize, usize)| {
        let right = c.saturating_add(1);
        let above = r.checked_sub(1).map(|above| [Some((above, c)), Some((above, right))]).unwrap_or_default();
        let (left, below) = (c.checked_sub(1), r.saturating_add(1));
        [left.map(|c| (r, c)), Some((r, right)), above[0], above[1], left.map(|c| (below, c)), Some((below, c))]
    };
    let keys = found.map(beside).unwrap_or_default().into_iter().flatten();
    keys.filter_map(|(r, c)| KEYS.get(r)?.get(c).copied())
}

/// The Turkish letter beside a plain one, where there is one: `ş` of `s`, `ı` of `i`.
pub(super) fn turkish(plain: Symbol) -> Option<Symbol> {
    let letter = match plain.letter()? {
        'c' => 'ç',
        'g' => 'ğ',
        'i' => 'ı',
        'o' => 'ö',
        's' => 'ş',
        'u' => 'ü',
        _ => return None,
    };
    Some(symbol(letter))
}

/// A plain vowel with a circumflex, where it may have one.
pub(super) fn circumflex(plain: Symbol) -> Option<Symbol> {
    let letter = match plain.letter()? {
        'a' => 'â',
        'i' => 'î',
        'u' => 'û',
        _ => return None,
    };
    Some(symbol(letter))
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;

    #[test]
    fn what_was_typed_without_its_letter_may_be_that_letter() {
        for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
            let typed = Damage::ascii(c);
            assert_eq!(Damage::ascii(typed), typed, "{c:?}");
            let was = symbol(c);
            assert!(Damage::Circumflex.set(typed).holds(was), "{c:?}");
            assert_eq!(written(was, typed), c, "{c:?}");
            if !"âîûÂÎÛ".contains(c) {
                assert!(Damage::Ascii.set(typed).holds(was), "{c:?}");
            }
        }
        let typed = "ÇĞIİÖŞÜ çğıiöşü â Â".chars().map(Damage::ascii).collect::<std::string::String>();
        assert_eq!(typed, "CGIIOSU cgiiosu a A");
    }

    #[test]
    fn a_character_may_always_be_itself_and_only_letters_may_be_others() {
        for &(name, _, damage) in Damage::ALL {
            for c in (0..=0xffff).filter_map(char::from_u32) {
                let (set, own) = (damage.set(c), symbol(c));
                if damage == Damage::Missing && c == Damage::GAP {
                    assert!(set.len() == LETTERS.len() && set.symbols().all(|s| s.letter().is_some()));
                    continue;
                }
                assert!(set.holds(own), "{name} {c:?}");
                assert!(own.letter().is_some() || set == Set::of(own), "{name} {c:?}");
                assert!(set.len() == 1 || set.symbols().all(|s: Symbol| s.letter().is_some()), "{name} {c:?}");
            }
        }
    }

    #[test]
    fn letters_are_taken_for_each_other() {
        let text =
            |damage: Damage, c| damage.set(c).symbols().filter_map(Symbol::letter).collect::<std::string::String>();
        assert_eq!(text(Damage::Keyboard, 'g'), "bfghtvy");
        assert_eq!((text(Damage::Keyboard, 'Ü'), text(Damage::Keyboard, 'q')), ("ğiü".into(), "aqw".into()));
        assert_eq!(text(Damage::Ocr, 'I'), "ıijlî");
        for damage in [Damage::Keyboard, Damage::Ocr] {
            for a in LETTERS {
                for b in damage.set(a).symbols().filter_map(Symbol::letter) {
                    assert!(damage.set(b).holds(symbol(a)), "{a} {b}");
                }
                for chance in [0.0, 0.3, 0.999_999] {
                    let struck = damage.strikes(a, chance);
                    assert!(damage.set(a).holds(symbol(struck)) && (struck != a || damage.set(a).len() == 1), "{a}");
                }
            }
            assert_eq!(damage.set('3'), Set::of(symbol('3')));
        }
    }

    #[test]
    fn right_letters_are_left_alone() {
        for c in "çğıöşüÇĞİÖŞÜ".chars() {
            assert_eq!(Damage::Ascii.set(c), Set::of(symbol(c)), "{c}");
        }
        for c in "cgiosuCGIOSU".chars() {
            assert_eq!(Damage::Ascii.set(c).len(), 2, "{c}");
        }
    }
}
