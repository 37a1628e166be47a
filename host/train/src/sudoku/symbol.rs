//! Symbols as people write them: `1` to `9`, then `A` to `P`.

use std::fmt;

use super::grid::MOST_SYMBOLS;

/// How symbol `v` is written; `?` from 25 on.
pub fn to_char(v: u8) -> char {
    match v {
        0..9 => char::from(b'1' + v),
        _ if usize::from(v) < MOST_SYMBOLS => char::from(b'A' + v - 9),
        _ => '?',
    }
}

/// The symbol that a character writes, letters in either case.
pub fn from_char(c: char) -> Option<u8> {
    let v = match c {
        '1'..='9' => c as u8 - b'1',
        _ if c.is_ascii_alphabetic() => c.to_ascii_uppercase() as u8 - b'A' + 9,
        _ => return None,
    };
    Some(v).filter(|&v| usize::from(v) < MOST_SYMBOLS)
}

/// The symbols of a set, ascending.
pub fn members(set: u32) -> impl Iterator<Item = u8> {
    (0..32).filter(move |v| set >> v & 1 == 1)
}

/// The one symbol of a set; `None` if it holds none or several.
pub fn only(set: u32) -> Option<u8> {
    (set.count_ones() == 1).then(|| set.trailing_zeros() as u8)
}

/// Symbols as they are written, one after the other.
pub(crate) fn list(symbols: impl IntoIterator<Item = u8> + Clone) -> impl fmt::Display {
    fmt::from_fn(move |f| symbols.clone().into_iter().try_for_each(|v| write!(f, "{}", to_char(v))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_and_characters_are_one_to_one() {
        let all: String = (0..25).map(to_char).collect();
        assert_eq!(all, "123456789ABCDEFGHIJKLMNOP");
        assert!((0..25).all(|v| from_char(to_char(v)) == Some(v)));
        assert!((0..25).all(|v| from_char(to_char(v).to_ascii_lowercase()) == Some(v)));
        for other in ['0', '.', '_', 'Q', 'z', '?', 'ı', '１'] {
            assert_eq!(from_char(other), None, "{other}");
        }
        assert_eq!(to_char(25), '?');
    }

    #[test]
    fn sets_are_read_by_bits() {
        assert_eq!(members(0b1001).collect::<Vec<_>>(), [0, 3]);
        assert_eq!((only(0), only(0b100), only(0b110)), (None, Some(2), None));
        assert_eq!(list([0, 9]).to_string(), "1A");
    }
}
