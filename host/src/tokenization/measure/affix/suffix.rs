//! One suffix.

use super::letter::is_high_vowel;
use super::letter::is_vowel;
use super::slot::Slots;

/// A suffix of the grammar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Suffix {
    /// What the suffix expresses.
    pub name: &'static str,
    /// How the suffix is written, in archiphonemes.
    ///
    /// `A` is a or e, `I` is ı, i, u or ü, both by harmony; `Ü` is an ü that only follows ö or ü; `D`, `C`, `G` are d,
    /// c, g, or t, ç, k after a voiceless consonant; `K` is k, or ğ before a vowel. A consonant in brackets stands
    /// after a vowel only, a vowel in brackets after a consonant only. Every other letter is itself, in or out of
    /// harmony.
    pub form: &'static str,
    /// What must stand right before it.
    pub(super) after: After,
    /// The slots it may follow.
    pub(super) from: Slots,
    /// The slots it leads to.
    pub(super) to: Slots,
}

/// The letter that must stand before a suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// There is no condition: the suffix may follow every letter.
    Anything,
    /// Any letter that is no vowel, l and r included.
    Consonant,
    /// A consonant other than l.
    NotL,
    /// A vowel, l or r.
    VowelOrLiquid,
    /// ı, i, u or ü.
    HighVowel,
}

impl After {
    /// Whether `letter` may stand there.
    pub fn admits(self, letter: char) -> bool {
        match self {
            Self::Anything => true,
            Self::Consonant => !is_vowel(letter),
            Self::NotL => !is_vowel(letter) && letter != 'l',
            Self::VowelOrLiquid => is_vowel(letter) || matches!(letter, 'l' | 'r'),
            Self::HighVowel => is_high_vowel(letter),
        }
    }
}

/// A suffix that may follow any letter.
pub(super) const fn suffix(name: &'static str, form: &'static str, from: Slots, to: Slots) -> Suffix {
    Suffix { name, form, after: After::Anything, from, to }
}

impl Suffix {
    /// The same suffix, only after some letters.
    pub(super) const fn only(self, after: After) -> Self {
        Self { after, ..self }
    }
}
