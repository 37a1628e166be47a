//! The vowels of a suffix after a number in digits: they follow the last vowel of what the number is called.

use super::words::OF_NEARLY_ALL;
use super::{Damage, Set, Symbol, symbol};

/// The last vowels, as they sound in a suffix, of the digits, of tens, and of what stands behind two, three, six, nine and twelve zeros:
/// `sıfır bir iki üç dört beş altı yedi sekiz dokuz`, `on yirmi otuz kırk elli altmış yetmiş seksen doksan`, `yüz bin milyon milyar
/// trilyon`.
const DIGITS: [char; 10] = ['ı', 'i', 'i', 'ü', 'ü', 'i', 'ı', 'i', 'i', 'u'];
const TENS: [char; 10] = ['ı', 'u', 'i', 'u', 'ı', 'i', 'ı', 'i', 'i', 'ı'];
const POWERS: [(usize, char); 5] = [(12, 'u'), (9, 'ı'), (6, 'u'), (3, 'i'), (2, 'ü')];

/// The last vowel of a number whose symbols come in `before`, the nearest first. A point stands between groups of three.
fn last_vowel(before: impl Iterator<Item = Symbol>) -> Option<char> {
    let (mut zeros, mut group, mut last) = (0usize, 0usize, None);
    let mut any = false;
    for of in before {
        match of.digit() {
            Some(digit) => {
                (any, group) = (true, group.saturating_add(1));
                zeros = zeros.saturating_add(usize::from(last.is_none() && digit == 0));
                last = last.or(Some(digit).filter(|&digit| digit > 0));
            }
            None if of == Symbol::STOP && group == 3 => group = 0,
            None => break,
        }
    }
    let vowel = match (zeros, last) {
        (_, None) => any.then_some(&DIGITS[0]),
        (0, Some(digit)) => DIGITS.get(digit),
        (1, Some(digit)) => TENS.get(digit),
        _ => POWERS.iter().find(|&&(power, _)| zeros >= power).map(|(_, vowel)| vowel),
    };
    vowel.copied()
}

/// Whether a word is the suffix of an ordinal number, whatever follows it: `nci`, `uncu`, `incisi`.
fn is_ordinal(mut plain: impl Iterator<Item = Option<char>>) -> bool {
    let high = |letter| matches!(letter, Some('i' | 'u'));
    let first = plain.next().flatten();
    let nasal = if high(first) { plain.next().flatten() } else { first };
    nasal == Some('n') && plain.next().flatten() == Some('c') && high(plain.next().flatten())
}

/// What is likely of a suffix after a number: `each(i, symbol, logit)` for letters that are in doubt, from what stands before the word, the
/// nearest first, and its letters as typed with the sets of what may stand there. A suffix stands after an apostrophe, that of an
/// ordinal number also after a space; says whether the word is one.
pub fn prior(
    mut before: impl Iterator<Item = Symbol>,
    word: impl Iterator<Item = (Symbol, Set)> + Clone,
    mut each: impl FnMut(usize, Symbol, f32),
) -> bool {
    let letters = word.map(|(typed, set)| (Damage::ascii_symbol(typed).letter(), set));
    let suffix = match before.next() {
        Some(Symbol::APOSTROPHE) => true,
        Some(Symbol::SPACE) => is_ordinal(letters.clone().map(|(letter, _)| letter)),
        _ => false,
    };
    let Some(vowel) = Some(before).filter(|_| suffix).and_then(last_vowel) else { return false };
    let (mut back, mut earlier) = (matches!(vowel, 'ı' | 'u'), None);
    for (i, (plain, set)) in letters.enumerate() {
        let of = match plain {
            // `-ki` follows nothing: `6'daki`
            Some('i') if back && earlier != Some('k') => Some('ı'),
            Some('u') if !back => Some('ü'),
            Some(letter @ ('i' | 'u')) => Some(letter),
            Some('c') if earlier == Some('n') => Some('c'),
            _ => None,
        };
        if let Some(of) = of.map(symbol).filter(|&of| set.len() > 1 && set.holds(of)) {
            each(i, of, OF_NEARLY_ALL);
        }
        match of.or(plain) {
            Some('a' | 'ı') => back = true,
            Some('e' | 'i') => back = false,
            _ => {}
        }
        earlier = plain;
    }
    true
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    /// The last word of a text as the number before it wants it.
    fn said(text: &str) -> Option<String> {
        let start = text.rfind(['\'', ' '])?;
        let mut letters: Vec<char> = text[start + 1..].chars().collect();
        let word: Vec<(Symbol, Set)> = letters.iter().map(|&c| (symbol(c), Damage::Ascii.set(c))).collect();
        let before = text[..=start].chars().rev().map(symbol);
        let is_suffix = prior(before, word.iter().copied(), |i, of, _| letters[i] = of.letter().unwrap());
        is_suffix.then(|| letters.iter().collect())
    }

    #[test]
    fn suffixes_follow_what_a_number_is_called() {
        for (typed, right) in [
            ("3'uncu", "üncü"),
            ("9'uncu", "uncu"),
            ("6'nci", "ncı"),
            ("16 ncisina", "ncısına"),
            ("40 inci", "ıncı"),
            ("2025'in", "in"),
            ("30'undan", "undan"),
            ("60'inda", "ında"),
            ("100'u", "ü"),
            ("1.000'i", "i"),
            ("3.000.000'u", "u"),
            ("12.30'u", "u"),
            ("0'i", "ı"),
            ("6'daki", "daki"),
            ("4'unun", "ünün"),
            ("%20'si", "si"),
            ("1990'lari", "ları"),
        ] {
            assert_eq!(said(typed).as_deref(), Some(right), "{typed}");
        }
        for typed in ["5 gun", "Ankara'nin", "10 ince", "on uncu", "5. inci", "3 nokta"] {
            assert_eq!(said(typed), None, "{typed}");
        }
    }

    #[test]
    fn what_is_known_is_not_contradicted() {
        let word = ['ü', 'n', 'c', 'ü'].map(|c| (symbol(c), Damage::Ascii.set(c)));
        let mut told = Vec::new();
        assert!(prior("9'".chars().rev().map(symbol), word.into_iter(), |i, of, _| told.push((i, of))));
        assert_eq!(told, [(2, symbol('c'))]);
    }
}
