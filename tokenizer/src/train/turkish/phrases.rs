//! Sequences of whole words that occur often.

use std::collections::HashMap;

use super::super::options::TrainOptions;
use super::super::words::{Counts, Cutter};
use crate::compact::LONGEST_TOKEN;

/// Occurrences below which a sequence is not looked at, whatever the size of the text.
const RARE: u64 = 4;
/// Words of text for each occurrence that a sequence must have.
const WORDS_AN_OCCURRENCE: u64 = 500_000;
/// No word, no phrase.
const NONE: u32 = u32::MAX;

/// Phrases of at most `options.phrase_words` words with the number of tokens that each would save if every word were a
/// token.
///
/// A phrase of `n` words is counted only where the phrases of `n - 1` words at its start and at its end are frequent
/// (Agrawal & Srikant 1994), so that memory is bounded by what is frequent but for pairs.
pub(super) fn phrases(
    texts: &[String],
    cutter: &Cutter,
    counts: &Counts<'_>,
    options: &TrainOptions,
) -> HashMap<String, u64> {
    let total: u64 = counts.values().sum();
    let least = RARE.max(options.minimum_frequency).max(total / WORDS_AN_OCCURRENCE);
    let mut frequent: Vec<&str> =
        counts.iter().filter(|(word, n)| **n >= least && cutter.is_word(word)).map(|(word, _)| *word).collect();
    frequent.sort_unstable();
    let ids: HashMap<&str, u32> = frequent.iter().copied().zip(0..).collect();
    let mut words: Vec<u32> = Vec::new();
    for text in texts {
        words.push(NONE);
        for word in cutter.words(text) {
            // a word without a space before it does not go on with the one before
            if !word.starts_with(' ') {
                words.push(NONE);
            }
            words.push(ids.get(word).copied().unwrap_or(NONE));
        }
    }
    let mut found = HashMap::new();
    // the phrase of `n - 1` words that ends at each place
    let mut ends = words.clone();
    let mut texts_of: Vec<String> = frequent.iter().map(|word| (*word).to_owned()).collect();
    for n in 2..=options.phrase_words {
        let mut seen: HashMap<(u32, u32), u64> = HashMap::new();
        for i in 1..words.len() {
            let (before, word) = (ends[i - 1], words[i]);
            if before != NONE && word != NONE && ends[i] != NONE {
                *seen.entry((before, word)).or_default() += 1;
            }
        }
        let mut kept: Vec<((u32, u32), u64)> = seen.into_iter().filter(|(_, count)| *count >= least).collect();
        kept.sort_unstable();
        let text = |(before, word): (u32, u32)| format!("{}{}", texts_of[before as usize], frequent[word as usize]);
        let texts_next: Vec<String> = kept.iter().map(|(key, _)| text(*key)).collect();
        let ids_next: HashMap<(u32, u32), u32> = kept.iter().map(|(key, _)| *key).zip(0..).collect();
        for (text, (_, count)) in texts_next.iter().zip(&kept) {
            if text.len() <= LONGEST_TOKEN {
                found.insert(text.clone(), count * (n as u64 - 1));
            }
        }
        for i in (1..words.len()).rev() {
            let key = (ends[i - 1], words[i]);
            ends[i] = ids_next.get(&key).copied().unwrap_or(NONE);
        }
        ends[0] = NONE;
        texts_of = texts_next;
    }
    found
}
