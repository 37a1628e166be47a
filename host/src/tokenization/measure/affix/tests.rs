//! True words, false words, and properties of the whole grammar.

use std::collections::HashSet;

use proptest::prelude::*;

use super::index::SUFFIXES;
use super::letter::{is_voiceless, is_vowel, vowel};
use super::machine::LEAST_ROOT;
use super::slot::{ANY, END, FINAL, ROOT, Slots};
use super::suffix::Suffix;
use super::*;
use ebt_data::text::case::lower;

/// Places where a chain may start, as the roots they leave.
fn roots(word: &str) -> Vec<&str> {
    suffix_starts(word).map(|at| &word[..at]).collect()
}

#[test]
fn words_come_apart_where_a_grammar_cuts_them() {
    for (root, rest) in [
        ("ev", "lerimizden"),
        ("evler", "imizden"),
        ("kitap", "çılıktan"),
        ("kitapçı", "lıktan"),
        ("kitapçılık", "tan"),
        ("görüş", "ebileceklerimizden"),
        ("gör", "üşebileceklerimizden"),
        ("yap", "ılmaması"),
        ("yapıl", "maması"),
        ("gid", "iyorum"),
        ("oku", "duğumuz"),
        ("okuduğ", "umuz"),
        ("çalış", "anların"),
        ("çalışan", "ların"),
        ("ol", "duğunu"),
        ("yap", "acağını"),
        ("başl", "ıyor"),
        ("ar", "ıyordunuz"),
        ("bil", "miyorlardı"),
        ("gel", "emiyormuş"),
        ("sağ", "lıyordu"),
        ("ev", "deki"),
        ("evdeki", "lerin"),
        ("sabah", "ki"),
        ("dün", "kü"),
        ("arkadaş", "larıyla"),
        ("araba", "sındaki"),
        ("su", "suz"),
        ("göz", "lükçüler"),
        ("sür", "dürülebilirlik"),
        ("doku", "nulmazlığı"),
        ("anla", "şmazlıklar"),
        ("değil", "dir"),
        ("gel", "ince"),
        ("gel", "inceye"),
        ("git", "tikçe"),
        ("konuş", "madan"),
        ("gid", "erken"),
        ("bil", "mezmişçesine"),
        ("yap", "alım"),
        ("oku", "yayım"),
        ("gel", "seydik"),
        ("bir", "inci"),
        ("iki", "şer"),
        ("meslek", "taş"),
        ("toplum", "sal"),
        ("güzel", "leştirilmiş"),
        ("Türkiye", "deki"),
        ("İSTANBUL", "DAN"),
        ("Meclisi", "nde"),
        ("saat", "lerce"),
        ("rol", "ünü"),
        ("kâğıt", "lar"),
        ("Avrupa", "lılaştıramadıklarımızdanmışsınızcasına"),
        ("muvaffakiyet", "sizleştiricileştiriveremeyebileceklerimizden"),
    ] {
        let word = format!("{root}{rest}");
        assert!(roots(&word).contains(&root), "{root}|{rest}: {:?}", roots(&word));
        assert!(is_suffix_chain(&lower(rest).collect::<String>()), "{rest}");
    }
}

#[test]
fn a_wrong_vowel_or_consonant_is_refused() {
    for (root, rest) in [
        ("ev", "lar"),
        ("kitap", "lerde"),
        ("kitap", "da"),
        ("kitap", "cı"),
        ("göz", "luk"),
        ("göz", "lik"),
        ("okul", "daku"),
        ("saat", "lar"),
        ("araba", "ı"),
        ("araba", "ısı"),
        ("kitap", "sı"),
        ("ev", "yi"),
        ("ara", "yor"),
        ("gel", "ecegim"),
        ("gel", "ecekim"),
        ("gel", "eceğ"),
        ("oku", "yormaz"),
        ("ev", "denlik"),
        ("evi", "denki"),
        ("gel", "dimiz"),
        ("kitap", "kü"),
        ("st", "ler"),
        ("o", "nun"),
    ] {
        let word = format!("{root}{rest}");
        assert!(!roots(&word).contains(&root), "{root}|{rest}: {:?}", roots(&word));
    }
}

#[test]
fn chains_are_told_from_other_text() {
    for chain in ["nin", "ler", "imizden", "nda", "m", "k", "lım", "eceğ", "lığ", "yor", "ki", "siniz", "dır", "casına"]
    {
        assert!(is_suffix_chain(chain), "{chain}");
    }
    for text in
        ["", " ler", "ler ", "LER", "xyz", "lerda", "larımizdan", "lerimızden", "dan1", "ka", "bı", "evler", "a b"]
    {
        assert!(!is_suffix_chain(text), "{text}");
    }
}

#[test]
fn only_words_of_letters_come_apart() {
    for word in ["", "a", "ev", "ev-ler", "ev ler", "evler.", "2'ler", "evler\u{301}", "дома", "ğ\0ler"] {
        assert_eq!(roots(word), [""; 0], "{word:?}");
    }
    let long = "ev".repeat(16) + &"ler".repeat(11);
    assert!(long.chars().count() > MOST_LETTERS);
    assert!(roots(&long).is_empty());
    assert!(!is_suffix_chain(&"lı".repeat(33)));
    assert!(is_suffix_chain(&"lı".repeat(32)));
}

#[test]
fn case_follows_turkish() {
    let small = |text| lower(text).collect::<String>();
    assert_eq!(small("IĞDIR İZMİR ÇÖŞÜĞ I\u{307}Z ẞ"), "ığdır izmir çöşüğ iz ß");
}

/// A word that suffixes are put after, as one speaks.
#[derive(Clone, Debug)]
struct Built {
    text: String,
    /// Whether it ends in a k that softens before a vowel.
    softens: bool,
}

impl Built {
    fn root(text: String) -> Self {
        Self { text, softens: false }
    }

    /// The word with one more suffix; `None` where that cannot stand.
    fn with(&self, suffix: &Suffix) -> Option<Self> {
        let mut text = self.text.clone();
        if !suffix.after.admits(text.chars().last()?) {
            return None;
        }
        let mut symbols = suffix.form.chars();
        let mut first = true;
        while let Some(mut symbol) = symbols.next() {
            let before = text.chars().last()?;
            if symbol == '(' {
                symbol = symbols.next()?;
                symbols.next()?;
                if matches!(symbol, 'A' | 'I') == is_vowel(before) {
                    continue;
                }
            }
            let harmony = text.chars().rev().find_map(vowel)?;
            let hardened = |soft, hard| if is_voiceless(before) { hard } else { soft };
            let letter = match symbol {
                'A' => ['a', 'e'][usize::from(harmony.front)],
                'I' => [['ı', 'i'], ['u', 'ü']][usize::from(harmony.round)][usize::from(harmony.front)],
                'Ü' if harmony.front && harmony.round => 'ü',
                'Ü' => return None,
                'D' => hardened('d', 't'),
                'C' => hardened('c', 'ç'),
                'G' => hardened('g', 'k'),
                'K' => 'k',
                exact => exact,
            };
            if first && self.softens && is_vowel(letter) {
                text.pop();
                text.push('ğ');
            }
            first = false;
            text.push(letter);
        }
        Some(Self { text, softens: suffix.form.ends_with('K') })
    }
}

/// Roots with every vowel before every kind of ending.
fn every_root() -> impl Iterator<Item = Built> {
    ["", "z", "l", "r", "t", "ş"]
        .into_iter()
        .flat_map(|end| "aeıioöuü".chars().map(move |vowel| Built::root(format!("b{vowel}{end}"))))
}

#[test]
fn every_allomorph_is_a_chain() {
    let mut seen = HashSet::new();
    for suffix in SUFFIXES.iter() {
        let before = seen.len();
        for root in every_root() {
            let Some(word) = root.with(suffix) else { continue };
            let allomorph = &word.text[root.text.len()..];
            assert!(is_suffix_chain(allomorph), "{allomorph} of {suffix:?}");
            if suffix.from & ROOT != 0 && suffix.to & FINAL != 0 {
                let starts: Vec<usize> = suffix_starts(&word.text).collect();
                assert!(starts.contains(&root.text.len()), "{word:?} with {suffix:?}: {starts:?}");
            }
            if let Some(hard) = allomorph.strip_suffix('k').filter(|_| word.softens) {
                assert!(is_suffix_chain(&format!("{hard}ğ")), "{hard}ğ of {suffix:?}");
            }
            seen.insert((suffix.name, String::from(allomorph)));
        }
        assert!(seen.len() > before, "{suffix:?} stands nowhere");
    }
}

#[test]
fn names_tell_suffixes_apart_and_every_slot_is_reached() {
    let mut names: Vec<&str> = SUFFIXES.iter().map(|suffix| suffix.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    let mut reached = ROOT;
    for _ in 0..count {
        let next = SUFFIXES.iter().filter(|suffix| suffix.from & reached != 0);
        reached = next.fold(reached, |slots, suffix| slots | suffix.to);
    }
    assert_eq!(reached, ANY);
    let used = SUFFIXES.iter().fold(0, |slots, suffix| slots | suffix.from);
    assert_eq!(used, ANY & !END);
}

/// The capital of a letter of [`path`].
fn capital(letter: char) -> char {
    match letter {
        'i' => 'İ',
        'ı' => 'I',
        letter => letter.to_uppercase().next().unwrap(),
    }
}

/// A root, and the word at the end of a path through the grammar from it.
fn path() -> impl Strategy<Value = (String, String)> {
    let roots: Vec<Built> = every_root().collect();
    let choices = prop::collection::vec(any::<prop::sample::Index>(), 1..7);
    (proptest::sample::select(roots), choices).prop_filter_map("the path ends where no word does", |(root, choices)| {
        let (mut word, mut slots): (Built, Slots) = (root.clone(), ROOT);
        for choice in choices {
            let next: Vec<(Built, Slots)> = SUFFIXES
                .iter()
                .filter(|suffix| suffix.from & slots != 0)
                .filter_map(|suffix| Some((word.with(suffix)?, suffix.to)))
                .collect();
            if next.is_empty() {
                break;
            }
            (word, slots) = next[choice.index(next.len())].clone();
        }
        (slots & FINAL != 0).then_some((root.text, word.text))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_path_through_the_grammar_is_found((root, word) in path()) {
        let starts: Vec<usize> = suffix_starts(&word).collect();
        prop_assert!(starts.contains(&root.len()), "{}|{}: {:?}", root, &word[root.len()..], starts);
        prop_assert!(is_suffix_chain(&word[root.len()..]));
        let capital: String = word.chars().map(capital).collect();
        let letter = |word: &str, at: usize| word[..at].chars().count();
        let small = starts.iter().map(|&at| letter(&word, at));
        prop_assert!(small.eq(suffix_starts(&capital).map(|at| letter(&capital, at))));
    }

    #[test]
    fn what_is_found_is_sound(word in "[a-zçğıöşüâîû]{0,24}") {
        let mut last = 0;
        for at in suffix_starts(&word) {
            prop_assert!(at > last && at < word.len());
            last = at;
            let (root, chain) = word.split_at(at);
            prop_assert!(root.chars().count() >= LEAST_ROOT && root.chars().any(is_vowel));
            prop_assert!(is_suffix_chain(chain), "{}|{}", root, chain);
        }
    }

    #[test]
    fn no_text_is_too_strange(text in any::<String>(), letters in "[a-zA-ZçğıöşüÇĞİÖŞÜ'\u{307}]{0,70}") {
        for text in [text, letters] {
            is_suffix_chain(&text);
            prop_assert!(suffix_starts(&text).all(|at| text.is_char_boundary(at)));
        }
    }
}
