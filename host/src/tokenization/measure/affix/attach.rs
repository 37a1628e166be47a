//! Writing suffixes: the forms of the grammar, after a stem, with the letters that harmony and assimilation ask for.

use ebt_tokenizer::letters::lower_letter;

use super::letter::{Vowel, is_voiceless, is_vowel, vowel};
use super::loan;

/// A departure from harmony, in the first vowel of a suffix that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Front where back is asked for, and back where front is.
    Front,
    /// Round where unrounded is asked for, and unrounded where round is; it does not show in `A`.
    Round,
}

/// `stem` with a suffix, or several, in the notation of the grammar: `A`, `I` and `Ü` go by harmony, `D`, `C`, `G` by the consonant
/// before them, `K` is ğ before a vowel, and a letter in brackets stands only between two vowels or two consonants. What
/// is no letter in the stem, such as an apostrophe, is passed over. The last consonant of the stem stays as it is given.
pub fn attach(stem: &str, suffix: &str, fault: Option<Fault>) -> String {
    let letters: Vec<char> = stem.chars().filter(|c| c.is_alphabetic()).map(lower_letter).collect();
    let mut harmony =
        letters.iter().rev().find_map(|&letter| vowel(letter)).unwrap_or(Vowel { front: false, round: false });
    harmony.front |= loan::takes_front_suffixes(&letters);
    let (mut word, mut last, mut fault, mut bracket) = (stem.to_owned(), letters.last().copied(), fault, false);
    let mut symbols = suffix.chars().peekable();
    while let Some(symbol) = symbols.next() {
        if matches!(symbol, '(' | ')') {
            bracket = symbol == '(';
            continue;
        }
        let is_open = matches!(symbol, 'A' | 'I' | 'Ü');
        if bracket && last.is_some_and(|last| is_vowel(last) == is_open) {
            continue;
        }
        let hard = last.is_some_and(is_voiceless);
        let letter = match symbol {
            'A' | 'I' | 'Ü' => {
                let asked = match fault.take() {
                    Some(Fault::Front) => Vowel { front: !harmony.front, ..harmony },
                    Some(Fault::Round) => Vowel { round: !harmony.round, ..harmony },
                    None => harmony,
                };
                if symbol == 'A' { asked.open() } else { asked.high() }
            }
            'D' => {
                if hard {
                    't'
                } else {
                    'd'
                }
            }
            'C' => {
                if hard {
                    'ç'
                } else {
                    'c'
                }
            }
            'G' => {
                if hard {
                    'k'
                } else {
                    'g'
                }
            }
            'K' => {
                if matches!(symbols.peek(), Some('A' | 'I')) {
                    'ğ'
                } else {
                    'k'
                }
            }
            exact => exact,
        };
        word.push(letter);
        last = Some(letter);
        harmony = vowel(letter).unwrap_or(harmony);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_written_as_a_grammar_has_them() {
        for (stem, suffix, word) in [
            ("ev", "lArImIzDAn", "evlerimizden"),
            ("kitap", "lAr", "kitaplar"),
            ("kitab", "(y)I", "kitabı"),
            ("araba", "(y)I", "arabayı"),
            ("araba", "(s)I", "arabası"),
            ("defter", "(s)I", "defteri"),
            ("kapı", "(n)In", "kapının"),
            ("göz", "(I)m", "gözüm"),
            ("oda", "(I)m", "odam"),
            ("gid", "(y)AcAKIm", "gideceğim"),
            ("oku", "(y)AcAKsInIz", "okuyacaksınız"),
            ("yaz", "mADIk", "yazmadık"),
            ("koş", "DI", "koştu"),
            ("saat", "lAr", "saatler"),
            ("Paris'", "DA", "Paris'te"),
            ("İzmir'", "(y)A", "İzmir'e"),
            ("Irak'", "DAn", "Irak'tan"),
            ("tren", "CI", "trenci"),
        ] {
            assert_eq!(attach(stem, suffix, None), word);
        }
    }

    #[test]
    fn a_fault_is_in_the_first_vowel_and_the_rest_follows_it() {
        assert_eq!(attach("ev", "lArDA", Some(Fault::Front)), "evlarda");
        assert_eq!(attach("okul", "(y)I", Some(Fault::Round)), "okulı");
        assert_eq!(attach("okul", "(y)I", Some(Fault::Front)), "okulü");
        assert_eq!(attach("araba", "(I)m", Some(Fault::Front)), "arabam");
    }
}
