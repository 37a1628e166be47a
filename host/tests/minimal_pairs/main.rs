//! The minimal pairs of `fixtures/minimal-pairs`, made again from the words of the sample text and the grammar of suffixes.
//!
//! `EBT_WRITE_PAIRS=1 cargo test --release -p ebt-host --features full --test minimal_pairs` writes them.
#![allow(clippy::unwrap_used)]

#[rustfmt::skip]
mod lexicon;
mod phenomena;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use ebt_core::random::{Purpose, Stream};
use ebt_data::text::case::lower;
use ebt_host::tokenization::measure::affix::suffix_starts;
use phenomena::{PHENOMENA, Pair};

/// Pairs of a phenomenon.
const PAIRS: usize = 200;

fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

/// As many of all pairs as are kept, drawn in an order that depends on nothing else, and put in their first order again.
fn chosen(all: Vec<Pair>, phenomenon: usize) -> Vec<Pair> {
    let stream = Stream::new(2026, phenomenon as u32, Purpose::Test);
    let mut seen = HashSet::new();
    let fresh = all.into_iter().filter(|pair| seen.insert(pair.good.clone()));
    let mut drawn: Vec<(u32, usize, Pair)> =
        fresh.enumerate().map(|(i, pair)| (stream.block(i as u64)[0], i, pair)).collect();
    drawn.sort_by_key(|(draw, i, _)| (*draw, *i));
    drawn.truncate(PAIRS);
    drawn.sort_by_key(|(_, i, _)| *i);
    drawn.into_iter().map(|(_, _, pair)| pair).collect()
}

#[test]
fn the_pairs_are_those_that_the_grammar_makes() {
    for (number, (name, make)) in PHENOMENA.iter().enumerate() {
        let pairs = chosen(make(), number);
        assert_eq!(pairs.len(), PAIRS, "{name}");
        let mut text = String::new();
        for (i, pair) in pairs.iter().enumerate() {
            assert_ne!(pair.good, pair.bad, "{name}");
            let line = serde_json::json!({
                "id": i + 1, "phenomenon": name, "good": pair.good, "bad": pair.bad,
            });
            text.push_str(&format!("{line}\n"));
        }
        let path = fixtures(&format!("minimal-pairs/{name}.jsonl"));
        if std::env::var_os("EBT_WRITE_PAIRS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "{name}");
    }
}

#[test]
fn right_words_come_apart_behind_their_stems_and_words_out_of_harmony_do_not() {
    for (number, (name, make)) in PHENOMENA.iter().enumerate() {
        for pair in chosen(make(), number) {
            let Some((word, stem)) = &pair.word else { continue };
            assert!(suffix_starts(word).any(|at| at == *stem), "{name}: {word} behind {}", &word[..*stem]);
            if *name == "vowel-harmony-2" || *name == "vowel-harmony-4" {
                let wrong = |w: &&str| !pair.good.split([' ', '.', '?']).any(|g| g == *w);
                let bad = pair.bad.split([' ', '.', '?']).find(wrong).unwrap();
                assert!(!suffix_starts(bad).any(|at| at == *stem), "{name}: {bad}");
            }
        }
    }
}

#[test]
fn two_sentences_differ_in_one_place() {
    for (number, (name, make)) in PHENOMENA.iter().enumerate() {
        for Pair { good, bad, .. } in chosen(make(), number) {
            let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let (a, b) = (words(&good), words(&bad));
            assert_eq!(a.len(), b.len(), "{name}: {good} / {bad}");
            assert_eq!(a.iter().zip(&b).filter(|(a, b)| a != b).count(), 1, "{name}: {good} / {bad}");
        }
    }
}

#[test]
fn the_words_are_those_of_the_sample_text() {
    let mut known = HashSet::new();
    for entry in fs::read_dir(fixtures("turkish/train")).unwrap() {
        let text: String = lower(&fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
        known.extend(text.split(|c: char| !c.is_alphabetic()).map(str::to_owned));
    }
    let stems = lexicon::THINGS.iter().chain(lexicon::PLACES).chain(lexicon::PEOPLE).chain(lexicon::TOWNS);
    let others = lexicon::NAMES.iter().chain(lexicon::QUALITIES).chain(lexicon::EVENTS).chain(lexicon::NUMERALS);
    for word in stems.chain(others).copied().chain(lexicon::SOFTENED.iter().map(|(bare, _)| *bare)) {
        let word: String = lower(word).collect();
        assert!(known.contains(&word), "{word}");
    }
    for (_, verb, _) in lexicon::DEEDS {
        assert!(known.iter().any(|word| word.starts_with(verb)), "{verb}");
    }
}
