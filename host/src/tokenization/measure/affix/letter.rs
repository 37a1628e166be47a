//! Letters and what harmony and assimilation ask of them.

/// What the vowel of a suffix takes over from the vowel before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vowel {
    /// Said at the front of the mouth: e, i, ö, ü.
    pub front: bool,
    /// Said with round lips: o, ö, u, ü.
    pub round: bool,
}

/// The quality of a lower-case vowel; `None` for a consonant. Vowels with a circumflex count as those without.
pub(super) const fn vowel(letter: char) -> Option<Vowel> {
    let (front, round) = match letter {
        'a' | 'â' | 'ı' => (false, false),
        'e' | 'i' | 'î' => (true, false),
        'o' | 'u' | 'û' => (false, true),
        'ö' | 'ü' => (true, true),
        _ => return None,
    };
    Some(Vowel { front, round })
}

/// Whether a letter is a vowel.
pub(super) const fn is_vowel(letter: char) -> bool {
    vowel(letter).is_some()
}

/// Whether a letter is a vowel said with a nearly closed mouth: the vowels that -(I)yor may follow and that the third
/// person possessive ends in.
pub(super) const fn is_high_vowel(letter: char) -> bool {
    matches!(letter, 'ı' | 'i' | 'u' | 'ü')
}

/// Whether a consonant is voiceless, so that d, c and g after it become t, ç and k (the letters of "fıstıkçı şahap").
pub(super) const fn is_voiceless(letter: char) -> bool {
    matches!(letter, 'ç' | 'f' | 'h' | 'k' | 'p' | 's' | 'ş' | 't')
}

/// Whether a character is a lower-case letter of Turkish: the alphabet, the vowels with a circumflex, and the letters
/// q, w and x of foreign names.
pub(super) const fn is_letter(letter: char) -> bool {
    matches!(letter, 'a'..='z' | 'ç' | 'ğ' | 'ı' | 'ö' | 'ş' | 'ü' | 'â' | 'î' | 'û')
}

/// Whether an archiphoneme can be a letter at all, whatever stands around it.
pub(super) const fn can_be(symbol: char, letter: char) -> bool {
    match symbol {
        'A' => matches!(letter, 'a' | 'e'),
        'I' => is_high_vowel(letter),
        'Ü' => letter == 'ü',
        'D' => matches!(letter, 'd' | 't'),
        'C' => matches!(letter, 'c' | 'ç'),
        'G' => matches!(letter, 'g' | 'k'),
        'K' => matches!(letter, 'k' | 'ğ'),
        exact => letter == exact,
    }
}

impl Vowel {
    /// The vowel `a` or `e` that follows this one.
    pub const fn open(self) -> char {
        if self.front { 'e' } else { 'a' }
    }

    /// The vowel `ı`, `i`, `u` or `ü` that follows this one.
    pub const fn high(self) -> char {
        match (self.front, self.round) {
            (false, false) => 'ı',
            (true, false) => 'i',
            (false, true) => 'u',
            (true, true) => 'ü',
        }
    }
}
