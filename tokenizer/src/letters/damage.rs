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
}

impl Damage {
    /// Every kind with its name, which is that in configuration files and on command lines, and what it is.
    pub const ALL: &[(&str, &str, Self)] = &[
        ("ascii", "typed without Turkish letters", Self::Ascii),
        ("circumflex", "the same, and without circumflexes", Self::Circumflex),
        ("missing", "letters are lost, and _ stands for each", Self::Missing),
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
            Self::Ascii => plain(letter).iter().fold(Set::of(own), |set, &other| set.with(symbol(other))),
            Self::Circumflex => {
                let roof: &[char] = match letter {
                    'a' => &['â'],
                    'i' | 'ı' => &['î'],
                    'u' => &['û'],
                    _ => &[],
                };
                roof.iter().fold(Self::Ascii.set(c), |set, &other| set.with(symbol(other)))
            }
            Self::Missing => Set::of(own),
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
}

/// The letters that a plain one may stand for.
fn plain(letter: char) -> &'static [char] {
    match letter {
        'c' => &['ç'],
        'g' => &['ğ'],
        'i' | 'ı' => &['i', 'ı'],
        'o' => &['ö'],
        's' => &['ş'],
        'u' => &['ü'],
        _ => &[],
    }
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
    fn right_letters_are_left_alone() {
        for c in "çğıöşüÇĞİÖŞÜ".chars() {
            assert_eq!(Damage::Ascii.set(c), Set::of(symbol(c)), "{c}");
        }
        for c in "cgiosuCGIOSU".chars() {
            assert_eq!(Damage::Ascii.set(c).len(), 2, "{c}");
        }
    }
}
