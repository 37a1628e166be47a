//! Lower case with the two i of Turkish: `ı` is the small `I`, `İ` the capital `i`. Wherever the case of a text
//! is folded, it is done here; that of a single letter is [`ebt_tokenizer::letters::lower_letter`].

use core::iter;

/// Lower case. `I` becomes `ı`, `İ` and `I` with a combining dot above become `i`, all else goes by Unicode.
pub fn lower(text: &str) -> impl Iterator<Item = char> {
    let mut letters = text.chars().peekable();
    let pairs = iter::from_fn(move || {
        let letter = letters.next()?;
        Some((letter, letter == 'I' && letters.next_if_eq(&COMBINING_DOT).is_some()))
    });
    pairs.flat_map(|(letter, dotted)| {
        let (turkish, other) = match letter {
            'I' if !dotted => (Some('ı'), None),
            'I' | 'İ' => (Some('i'), None),
            letter => (None, Some(letter.to_lowercase())),
        };
        turkish.into_iter().chain(other.into_iter().flatten())
    })
}

/// The dot that makes an `I` dotted where text is decomposed.
const COMBINING_DOT: char = '\u{307}';

/// Lower case in which `ı` is `i`: what capitals of Turkish and of other languages have in common with their small
/// letters. Two texts that differ in case alone, by the rules of either, are the same.
pub fn folded(text: &str) -> impl Iterator<Item = char> {
    lower(text).map(|letter| if letter == 'ı' { 'i' } else { letter })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_i_keep_their_pairs() {
        let small = |text| lower(text).collect::<String>();
        assert_eq!(small("IĞDIR İZMİR I\u{307}zmir Şişli"), "ığdır izmir izmir şişli");
        let same = |text| folded(text).collect::<String>();
        for (capitals, letters) in [("IŞIK İKİ", "ışık iki"), ("IN I", "in i"), ("ΑΒΓ", "αβγ")] {
            assert_eq!(same(capitals), same(letters));
        }
    }
}
