//! The byte alphabet of byte-level BPE.
//!
//! A tokenizer file is text, so each of the 256 bytes is written as one printable character:
//! printable Latin-1 characters stand for their own byte, and the other bytes are written, in
//! order, as the characters from U+0100 on.

/// Whether a byte is written as the character of the same number.
const fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// The bytes that are not written as themselves, in order, and how many there are.
const UNPRINTABLE: ([u8; 256], usize) = {
    let mut list = [0; 256];
    let mut count = 0;
    let mut byte = 0;
    while byte < 256 {
        if !is_printable(byte as u8) {
            list[count] = byte as u8;
            count += 1;
        }
        byte += 1;
    }
    (list, count)
};

/// The byte that `symbol` stands for.
pub(crate) fn byte_of(symbol: char) -> Option<u8> {
    let (list, count) = &UNPRINTABLE;
    match u8::try_from(symbol) {
        Ok(byte) => is_printable(byte).then_some(byte),
        Err(_) => {
            let index = (symbol as usize).checked_sub(256)?;
            list[..*count].get(index).copied()
        }
    }
}

/// The bytes that a token written in the alphabet stands for.
pub(crate) fn bytes_of(token: &str) -> Option<Vec<u8>> {
    token.chars().map(byte_of).collect()
}

/// The token that stands for `bytes`.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| symbol_of(byte)).collect()
}

/// The symbol that stands for `byte`.
fn symbol_of(byte: u8) -> char {
    let (list, count) = &UNPRINTABLE;
    match list[..*count].iter().position(|&other| other == byte).and_then(|i| u8::try_from(i).ok()) {
        Some(index) => char::from_u32(256 + u32::from(index)).unwrap_or(char::REPLACEMENT_CHARACTER),
        None => char::from(byte),
    }
}

/// The 256 symbols.
pub(crate) fn symbols() -> impl Iterator<Item = char> {
    ('\0'..='\u{1FF}').filter(|&symbol| byte_of(symbol).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    #[test]
    fn every_byte_has_exactly_one_symbol() {
        let bytes: HashSet<u8> = symbols().filter_map(byte_of).collect();
        assert_eq!((symbols().count(), bytes.len()), (256, 256));
        assert!((0..=255).all(|byte| bytes_of(&text_of(&[byte])) == Some(vec![byte])));
    }

    #[test]
    fn the_symbols_are_those_of_the_library() {
        let library = ByteLevel::alphabet();
        assert_eq!(library.len(), 256);
        assert!(symbols().all(|symbol| library.contains(&symbol)));
    }

    #[test]
    fn space_and_letters_are_written_as_usual() {
        assert_eq!(bytes_of("Ġşu"), None);
        assert_eq!(bytes_of("ĠÅŁu"), Some(" şu".as_bytes().to_vec()));
    }
}
