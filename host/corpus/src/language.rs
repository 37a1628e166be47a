//! Which language a document is in.
//!
//! A document is in another language when whatlang (trigrams and alphabets of 70 languages) says so with a confidence
//! above 0.9. It looks at the whole of a short document, and at four parts of [`PART`] bytes, evenly spread, of a long
//! one. It folds case by itself, and knows Turkish in capitals for Turkish. Whatever is too short to judge (fewer than
//! [`LETTERS`] letters) or undecided counts as the language asked for.

use anyhow::{Result, bail};
use whatlang::Lang;

/// Fewest letters by which a language is judged.
pub const LETTERS: usize = 40;
/// Bytes of each part of a long document that are looked at.
pub const PART: usize = 1024;
const PARTS: usize = 4;

/// A language that can be recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Language(Lang);

impl Language {
    /// The language of a code of two letters (ISO 639-1) or three (ISO 639-3).
    ///
    /// # Errors
    ///
    /// A language that cannot be recognised; the message lists those that can.
    pub fn of_code(code: &str) -> Result<Self> {
        let code = code.to_ascii_lowercase();
        let three = CODES.iter().find(|(two, _)| *two == code).map_or(code.as_str(), |(_, three)| three);
        match Lang::from_code(three) {
            Some(language) => Ok(Self(language)),
            None => {
                let known: Vec<&str> = CODES.iter().map(|(two, _)| *two).collect();
                bail!("the language {code:?} cannot be recognised; these can: {}", known.join(" "))
            }
        }
    }

    /// The code of three letters (ISO 639-3).
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Whether a text is not certainly in another language.
    pub fn admits(self, text: &str) -> bool {
        let sample = sample(text);
        if sample.chars().filter(|c| c.is_alphabetic()).take(LETTERS).count() < LETTERS {
            return true;
        }
        whatlang::detect(&sample).is_none_or(|info| info.lang() == self.0 || !info.is_reliable())
    }
}

/// The parts of a text that are looked at.
fn sample(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= PARTS * PART {
        return text.into();
    }
    let stride = (text.len() - PART) / (PARTS - 1);
    let part = |i: usize| {
        let from = text.floor_char_boundary(i * stride);
        &text[from..text.floor_char_boundary(from + PART)]
    };
    (0..PARTS).map(part).collect::<Vec<_>>().join(" ").into()
}

/// Codes of two and of three letters.
#[rustfmt::skip]
const CODES: [(&str, &str); 70] = [
    ("eo", "epo"), ("en", "eng"), ("ru", "rus"), ("zh", "cmn"), ("es", "spa"), ("pt", "por"), ("it", "ita"),
    ("bn", "ben"), ("fr", "fra"), ("de", "deu"), ("uk", "ukr"), ("ka", "kat"), ("ar", "ara"), ("hi", "hin"),
    ("ja", "jpn"), ("he", "heb"), ("yi", "yid"), ("pl", "pol"), ("am", "amh"), ("jv", "jav"), ("ko", "kor"),
    ("nb", "nob"), ("da", "dan"), ("sv", "swe"), ("fi", "fin"), ("tr", "tur"), ("nl", "nld"), ("hu", "hun"),
    ("cs", "ces"), ("el", "ell"), ("bg", "bul"), ("be", "bel"), ("mr", "mar"), ("kn", "kan"), ("ro", "ron"),
    ("sl", "slv"), ("hr", "hrv"), ("sr", "srp"), ("mk", "mkd"), ("lt", "lit"), ("lv", "lav"), ("et", "est"),
    ("ta", "tam"), ("vi", "vie"), ("ur", "urd"), ("th", "tha"), ("gu", "guj"), ("uz", "uzb"), ("pa", "pan"),
    ("az", "aze"), ("id", "ind"), ("te", "tel"), ("fa", "pes"), ("ml", "mal"), ("or", "ori"), ("my", "mya"),
    ("ne", "nep"), ("si", "sin"), ("km", "khm"), ("tk", "tuk"), ("ak", "aka"), ("zu", "zul"), ("sn", "sna"),
    ("af", "afr"), ("la", "lat"), ("sk", "slk"), ("ca", "cat"), ("tl", "tgl"), ("hy", "hye"), ("cy", "cym"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const TURKISH: &str =
        "Türkiye'nin başkenti Ankara, en kalabalık şehri ise İstanbul'dur. Bu şehirde çok insan yaşar.";
    const ENGLISH: &str = "The capital of the country is a quiet town in the hills, and nobody who lives there minds.";

    #[test]
    fn every_code_is_known_and_codes_of_both_lengths_mean_the_same() {
        assert_eq!(CODES.len(), Lang::all().len());
        for (two, three) in CODES {
            assert_eq!(Language::of_code(two).unwrap(), Language::of_code(three).unwrap());
            assert_eq!(Language::of_code(two).unwrap().code(), three);
        }
        assert!(Language::of_code("xx").unwrap_err().to_string().contains(" tr "));
    }

    #[test]
    fn only_what_is_certainly_another_language_is_refused() {
        let turkish = Language::of_code("tr").unwrap();
        assert!(turkish.admits(TURKISH));
        assert!(!turkish.admits(ENGLISH));
        for short in ["", "Hello there, my friend", "12345 67890 12345 67890 12345 67890 12345 67890"] {
            assert!(turkish.admits(short), "{short}");
        }
        assert!(Language::of_code("eng").unwrap().admits(ENGLISH));
    }

    #[test]
    fn capitals_are_judged_like_small_letters() {
        let capitals = "TÜRKİYE'NİN BAŞKENTİ ANKARA, EN KALABALIK ŞEHRİ İSE İSTANBUL'DUR. BU ŞEHİRDE ÇOK İNSAN YAŞAR.";
        let (turkish, english) = (Language::of_code("tr").unwrap(), Language::of_code("en").unwrap());
        assert!(turkish.admits(capitals) && !english.admits(capitals));
        assert!(english.admits(&ENGLISH.to_uppercase()) && !turkish.admits(&ENGLISH.to_uppercase()));
    }

    #[test]
    fn long_documents_are_judged_by_parts_all_over_them() {
        let turkish = Language::of_code("tr").unwrap();
        assert!(turkish.admits(&format!("{}{}", ENGLISH.repeat(17), TURKISH.repeat(200))));
        assert!(!turkish.admits(&ENGLISH.repeat(200)));
        assert!(sample(&"ş".repeat(10_000)).len() <= PARTS * PART + PARTS);
    }
}
