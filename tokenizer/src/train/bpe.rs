//! Byte-pair encoding, learned by the HuggingFace library.

use tokenizers::models::bpe::{BPE, BpeTrainer};

use super::options::{TrainOptions, TrainProgress};
use super::vocabulary::{LEAST_TOKENS, specials, tokens};
use super::words::{Counts, Cutter};
use crate::build::{Parts, Rules};
use crate::compact::Segmentation;
use crate::guard::guarded;
use crate::{TokenizerError, alphabet};

const TRAINING: &str = "training a tokenizer";

/// Longer words, runs of dashes or encoded data, are not learned from: the library's time grows with the square of a
/// word's length.
const LONGEST_WORD: usize = 256;
/// Most different words that are learned from, so that memory is bounded.
const MOST_WORDS: usize = 1 << 19;

/// Learns merges from the words of `texts`.
pub(super) fn learn(texts: &[String], options: &TrainOptions) -> Result<Parts, TokenizerError> {
    options.report(TrainProgress::Learning { done: 0 });
    let counts = Cutter::new()?.count(texts);
    let (pieces, merges) = merges(&counts, options.vocabulary_size, options.minimum_frequency)?;
    options.report(TrainProgress::Learning { done: 1 });
    Ok(Parts {
        segmentation: Segmentation::Words,
        tokens: tokens(pieces),
        rules: Rules::Merges(merges),
        specials: specials(),
    })
}

/// Tokens beyond the bytes, and merges by id, for a vocabulary of `size` learned from words.
#[expect(clippy::type_complexity, reason = "two lists that are taken apart at once")]
pub(super) fn merges(
    counts: &Counts<'_>,
    size: usize,
    minimum_frequency: u64,
) -> Result<(Vec<Vec<u8>>, Vec<(u32, u32, u32)>), TokenizerError> {
    let failed = |problem: tokenizers::Error| TokenizerError::library(TRAINING, &problem);
    let first = LEAST_TOKENS as u32;
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(size - (first as usize - 256))
        .min_frequency(minimum_frequency)
        .initial_alphabet(alphabet::symbols().collect())
        .build();
    let mut model = BPE::default();
    let words =
        most_frequent(counts).into_iter().map(|(word, n)| (alphabet::text_of(word.as_bytes()).into(), n)).collect();
    guarded(TRAINING, || trainer.do_train(&words, &mut model))?.map_err(failed)?;

    // the library's ids are an implementation's; ours are specials, bytes, then tokens in the order they were learned
    let mut ids = std::collections::HashMap::new();
    for byte in 0..=u8::MAX {
        ids.insert(alphabet::text_of(&[byte]), first - 256 + u32::from(byte));
    }
    let json = serde_json::to_value(&model).map_err(TokenizerError::Json)?;
    let list = json.get("merges").and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
    let (mut pieces, mut merges) = (Vec::new(), Vec::new());
    for merge in list {
        let part = |i: usize| merge.get(i).and_then(serde_json::Value::as_str).unwrap_or_default();
        let product = format!("{}{}", part(0), part(1));
        let (Some(&left), Some(&right)) = (ids.get(part(0)), ids.get(part(1))) else { continue };
        let id = *ids.entry(product.clone()).or_insert_with(|| {
            pieces.push(alphabet::bytes_of(&product).unwrap_or_default());
            first + pieces.len() as u32 - 1
        });
        merges.push((left, right, id));
    }
    Ok((pieces, merges))
}

/// The words to learn from with their frequency: of too many the most frequent.
fn most_frequent<'t>(counts: &Counts<'t>) -> Vec<(&'t str, u64)> {
    let short = counts.iter().filter(|(word, _)| word.len() <= LONGEST_WORD);
    let mut words: Vec<(&str, u64)> = short.map(|(word, n)| (*word, *n)).collect();
    words.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    words.truncate(MOST_WORDS);
    words
}
