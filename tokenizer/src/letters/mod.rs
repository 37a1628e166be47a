//! Letters as symbols: text for models that know every position of it as one of few symbols, and what a damaged letter may have
//! been.
//!
//! A symbol is a letter without its case, a digit, or a class of other characters. Digits are told apart because suffixes follow what
//! a number is called: `3'üncü`, `9'uncu`. Text is restored by choosing a symbol for every letter
//! that is in doubt ([`Damage::set`]) and writing it in the case of the letter that stood there ([`written`]); everything else stays as
//! it is, to the byte.
//!
//! ```
//! use ebt_tokenizer::letters::{Damage, symbol, written};
//!
//! let set = Damage::Ascii.set('I');
//! assert!(set.holds(symbol('ı')) && set.holds(symbol('i')) && set.len() == 2);
//! assert_eq!(written(symbol('i'), 'I'), 'İ');
//! ```

mod damage;
pub mod numbers;
pub mod words;

pub use damage::Damage;

/// The letters, in the order of their symbols from 1 on: the Turkish alphabet with `q w x`, then letters with a circumflex.
pub const LETTERS: [char; 35] = [
    'a', 'b', 'c', 'ç', 'd', 'e', 'f', 'g', 'ğ', 'h', 'ı', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'ö', 'p', 'q', 'r', 's',
    'ş', 't', 'u', 'ü', 'v', 'w', 'x', 'y', 'z', 'â', 'î', 'û',
];

/// Number of symbols.
pub const SYMBOLS: usize = 55;

/// What stands at a position: 0 beyond the ends of a text, then [`LETTERS`], then classes of other characters, then the digits 1 to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(u8);

impl Symbol {
    /// Beyond the ends of a text; a line break.
    pub const EDGE: Self = Self(0);
    /// The digit 0, and every number that is not written with the digits of ASCII.
    const ZERO: Self = Self(36);
    const SPACE: Self = Self(37);
    const APOSTROPHE: Self = Self(38);
    const HYPHEN: Self = Self(39);
    const STOP: Self = Self(40);
    const COMMA: Self = Self(41);
    const QUOTE: Self = Self(42);
    const SIGN: Self = Self(43);
    const OTHER_LETTER: Self = Self(44);
    const OTHER: Self = Self(45);

    /// Its number, below [`SYMBOLS`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The symbol of a number, where there is one.
    pub fn of_index(index: usize) -> Option<Self> {
        u8::try_from(index).ok().filter(|_| index < SYMBOLS).map(Self)
    }

    /// What a digit counts; 0 for numbers that are not written with the digits of ASCII.
    pub fn digit(self) -> Option<usize> {
        if self == Self::ZERO {
            Some(0)
        } else {
            self.index().checked_sub(Self::OTHER.index()).filter(|&digit| digit > 0)
        }
    }

    /// The letter in lower case, where it is one of [`LETTERS`].
    pub fn letter(self) -> Option<char> {
        LETTERS.get(self.index().checked_sub(1)?).copied()
    }
}

/// The Turkish lower case of a letter where that is one letter, else the letter itself.
pub fn lower_letter(c: char) -> char {
    match c {
        'I' => 'ı',
        'İ' => 'i',
        _ => single(c.to_lowercase(), c),
    }
}

/// The Turkish upper case, likewise.
fn upper(c: char) -> char {
    match c {
        'i' => 'İ',
        'ı' => 'I',
        _ => single(c.to_uppercase(), c),
    }
}

fn single(mut changed: impl Iterator<Item = char>, otherwise: char) -> char {
    match (changed.next(), changed.next()) {
        (Some(one), None) => one,
        _ => otherwise,
    }
}

/// The symbol of a character.
pub fn symbol(c: char) -> Symbol {
    let small = lower_letter(c);
    if let Some(at) = LETTERS.iter().position(|&letter| letter == small) {
        return Symbol(1 + at as u8);
    }
    match c {
        '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Symbol::EDGE,
        '\'' | '’' | '‘' | 'ʼ' | '`' | '´' => Symbol::APOSTROPHE,
        '-' | '‐' | '‑' | '–' | '—' => Symbol::HYPHEN,
        '.' | '!' | '?' | '…' => Symbol::STOP,
        ',' | ';' | ':' => Symbol::COMMA,
        '"' | '“' | '”' | '„' | '«' | '»' | '(' | ')' | '[' | ']' | '{' | '}' => Symbol::QUOTE,
        '1'..='9' => Symbol(Symbol::OTHER.0 + (c as u8 - b'0')),
        _ if c.is_numeric() => Symbol::ZERO,
        _ if c.is_whitespace() => Symbol::SPACE,
        _ if c.is_ascii() => Symbol::SIGN,
        _ if c.is_alphabetic() => Symbol::OTHER_LETTER,
        _ => Symbol::OTHER,
    }
}

/// The letter of a symbol in the case of `like`; `like` itself where the symbol is no letter or already that of `like`.
pub fn written(symbol: Symbol, like: char) -> char {
    match symbol.letter() {
        Some(letter) if self::symbol(like) != symbol => {
            if lower_letter(like) != like {
                upper(letter)
            } else {
                letter
            }
        }
        _ => like,
    }
}

/// A set of symbols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set(u64);

impl Set {
    /// The set of one symbol.
    pub fn of(symbol: Symbol) -> Self {
        Self(1 << symbol.index())
    }

    /// The set of the symbols of these characters.
    pub fn of_all(characters: impl IntoIterator<Item = char>) -> Self {
        characters.into_iter().fold(Self::default(), |set, c| set.with(symbol(c)))
    }

    /// The set with another symbol.
    #[must_use]
    pub fn with(self, symbol: Symbol) -> Self {
        Self(self.0 | 1 << symbol.index())
    }

    /// Whether it holds a symbol.
    pub fn holds(self, symbol: Symbol) -> bool {
        self.0 >> symbol.index() & 1 == 1
    }

    /// Number of its symbols.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether it holds none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its symbols, in order.
    pub fn symbols(self) -> impl Iterator<Item = Symbol> {
        (0..SYMBOLS).filter_map(Symbol::of_index).filter(move |&symbol| self.holds(symbol))
    }

    /// The set of a joint model's words.
    pub fn of_words([low, high]: [u32; SYMBOLS.div_ceil(32)]) -> Self {
        Self(u64::from(low) | u64::from(high) << 32)
    }

    /// The set as a joint model takes it: bit `v % 32` of word `v / 32` allows token `v`.
    pub fn words(self) -> [u32; SYMBOLS.div_ceil(32)] {
        [self.0 as u32, (self.0 >> 32) as u32]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_their_symbols_in_either_case() {
        for (i, &letter) in LETTERS.iter().enumerate() {
            assert_eq!((symbol(letter).index(), symbol(upper(letter)).index()), (i + 1, i + 1), "{letter}");
            assert_eq!(symbol(letter).letter(), Some(letter));
            assert_eq!(written(symbol(letter), 'X'), upper(letter));
        }
        assert_eq!((symbol('I'), symbol('İ')), (symbol('ı'), symbol('i')));
    }

    #[test]
    fn digits_are_told_apart() {
        let indices: std::vec::Vec<usize> = ('0'..='9').map(|digit| symbol(digit).index()).collect();
        assert_eq!(indices, [36, 46, 47, 48, 49, 50, 51, 52, 53, SYMBOLS - 1]);
        assert!(
            ('0'..='9').enumerate().all(|(i, digit)| symbol(digit).digit() == Some(i)) && symbol('a').digit().is_none()
        );
        assert_eq!((symbol('½'), symbol('٣')), (Symbol::ZERO, Symbol::ZERO));
    }

    #[test]
    fn every_character_has_a_symbol_and_keeps_itself() {
        for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
            let of = symbol(c);
            assert!(of.index() < SYMBOLS);
            assert_eq!(written(of, c), c, "{c:?}");
            assert_eq!(Symbol::of_index(of.index()), Some(of));
        }
        assert_eq!(Symbol::of_index(SYMBOLS), None);
    }

    #[test]
    fn a_set_says_its_symbols() {
        let set = Set::of_all(['ş', 'S', 'û', '…']);
        let symbols: std::vec::Vec<Symbol> = set.symbols().collect();
        assert_eq!(symbols, [symbol('s'), symbol('ş'), symbol('û'), Symbol::STOP]);
        let words = set.words();
        assert_eq!(Set::of_words(words), set);
        for s in (0..SYMBOLS).filter_map(Symbol::of_index) {
            assert_eq!(words[s.index() / 32] >> (s.index() % 32) & 1 == 1, symbols.contains(&s));
        }
        assert!(Set::default().is_empty() && set.len() == 4 && Set::of(Symbol::EDGE).holds(Symbol::EDGE));
    }
}
