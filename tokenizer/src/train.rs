//! Training: learning a vocabulary from text.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokenizers::decoders::byte_level::ByteLevel as Decoder;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, PreTokenizer, SplitDelimiterBehavior, Trainer};

use crate::{Special, Tokenizer, TokenizerError, alphabet};

/// Where text is cut before merges are learned: no token crosses these borders.
///
/// In turn: an apostrophe with the letters after it (Turkish proper names take their suffixes
/// behind one: `Ankara'nın`), a word, a number, punctuation, line ends, other white space. Words,
/// numbers and punctuation take one space before them along.
const WORDS: &str = concat!(
    r"['’][\p{L}\p{M}]+",
    r"| ?[\p{L}\p{M}]+",
    r"| ?\p{N}+",
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*",
    r"|\s*[\r\n]+",
    r"|\s+(?!\S)",
    r"|\s+",
);

/// The smallest vocabulary: the bytes and the special tokens.
const LEAST_TOKENS: usize = 256 + Special::ALL.len();
/// The largest vocabulary.
const MOST_TOKENS: usize = 1 << 20;
/// The most bytes of text: the library counts pairs in 32-bit integers.
const MOST_BYTES: u64 = i32::MAX as u64;

/// What training reports as it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrainProgress {
    /// Texts are being read and cut into words.
    Reading {
        /// Texts read so far.
        texts: u64,
        /// Bytes read so far.
        bytes: u64,
    },
    /// All texts are read; merges are being learned from the words.
    Merging {
        /// How many different words there are.
        words: usize,
    },
}

/// Receives the progress of training, possibly from several threads.
pub type ProgressSink = Arc<dyn Fn(TrainProgress) + Send + Sync>;

/// How to train a tokenizer.
#[derive(Clone)]
pub struct TrainOptions {
    /// The number of tokens to end with, counting the 256 bytes and the 7 special tokens. Text
    /// with too few repetitions gives fewer.
    pub vocabulary_size: usize,
    /// How often a pair must occur to be merged.
    pub minimum_frequency: u64,
    /// Called for every text read and before merging.
    pub progress: Option<ProgressSink>,
}

impl Default for TrainOptions {
    /// 4,096 tokens, pairs that occur at least twice, no progress reports.
    fn default() -> Self {
        Self { vocabulary_size: 4096, minimum_frequency: 2, progress: None }
    }
}

impl fmt::Debug for TrainOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (formatter.debug_struct("TrainOptions"))
            .field("vocabulary_size", &self.vocabulary_size)
            .field("minimum_frequency", &self.minimum_frequency)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

impl Tokenizer {
    /// Learns a tokenizer from `texts`. The same texts in any order give the same tokenizer.
    ///
    /// Only the different words of the texts are kept in memory, not the texts themselves.
    ///
    /// # Errors
    ///
    /// A vocabulary size out of range, or text that is empty or too long to count.
    pub fn train(texts: impl Iterator<Item = String> + Send, options: TrainOptions) -> Result<Self, TokenizerError> {
        let asked = options.vocabulary_size;
        if !(LEAST_TOKENS..=MOST_TOKENS).contains(&asked) {
            let (least, most) = (LEAST_TOKENS, MOST_TOKENS);
            return Err(TokenizerError::VocabularySize { asked, least, most });
        }
        let failed = |problem: tokenizers::Error| TokenizerError::library("training a tokenizer", &problem);
        let words = word_splitter().map_err(failed)?;
        let mut trainer = BpeTrainer::builder()
            .show_progress(false)
            .vocab_size(asked)
            .min_frequency(options.minimum_frequency)
            .special_tokens(specials())
            .initial_alphabet(alphabet::symbols().collect())
            .build();

        let (texts_read, bytes_read) = (AtomicU64::new(0), AtomicU64::new(0));
        let counted = texts
            .inspect(|text| {
                let length = text.len() as u64;
                let texts = texts_read.fetch_add(1, Ordering::Relaxed) + 1;
                let bytes = bytes_read.fetch_add(length, Ordering::Relaxed) + length;
                if let Some(report) = &options.progress {
                    report(TrainProgress::Reading { texts, bytes });
                }
            })
            .take_while(|_| bytes_read.load(Ordering::Relaxed) <= MOST_BYTES);
        (trainer.feed(counted, |text| split(&words, text))).map_err(failed)?;
        match bytes_read.into_inner() {
            0 => return Err(TokenizerError::EmptyText),
            1..=MOST_BYTES => {}
            _ => return Err(TokenizerError::TextTooLong { most: MOST_BYTES }),
        }
        if let Some(report) = &options.progress {
            let words = trainer.get_word_count();
            report(TrainProgress::Merging { words });
        }
        let mut model = BPE::default();
        let specials = trainer.train(&mut model).map_err(failed)?;
        let mut library = tokenizers::Tokenizer::new(model);
        library.with_pre_tokenizer(Some(words));
        library.with_decoder(Some(Decoder::new(false, false, false)));
        library.add_special_tokens(specials).map_err(failed)?;
        Self::from_json(library.to_string(false).map_err(failed)?.as_bytes())
    }
}

/// The special tokens as the library knows them.
fn specials() -> Vec<AddedToken> {
    (Special::ALL.iter()).map(|special| AddedToken::from(special.text(), true)).collect()
}

/// Cuts text into words and writes their bytes in the byte alphabet.
fn word_splitter() -> tokenizers::Result<PreTokenizerWrapper> {
    let pattern = SplitPattern::Regex(WORDS.to_owned());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)?;
    let bytes = ByteLevel::new(false, false, false);
    Ok(Sequence::new(vec![split.into(), bytes.into()]).into())
}

/// The words of one text.
fn split(splitter: &PreTokenizerWrapper, text: &str) -> tokenizers::Result<Vec<String>> {
    let mut pieces = tokenizers::PreTokenizedString::from(text);
    splitter.pre_tokenize(&mut pieces)?;
    Ok(pieces
        .get_splits(tokenizers::OffsetReferential::Original, tokenizers::OffsetType::Byte)
        .into_iter()
        .map(|(word, _, _)| word.to_owned())
        .collect())
}
