//! The `tokenizer.json` of what a tokenizer consists of.

use tokenizers::decoders::byte_level::ByteLevel as Decoder;
use tokenizers::models::bpe::BPE;
use tokenizers::models::unigram::Unigram;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, ModelWrapper, SplitDelimiterBehavior};

use super::{Parts, Rules};
use crate::compact::{LINES, Segmentation, WORDS};
use crate::format::model::{COST_UNIT, SPECIAL_SCORE};
use crate::{Special, TokenizerError, alphabet};

impl Parts {
    /// The contents of a `tokenizer.json` file.
    ///
    /// # Errors
    ///
    /// A failure inside the tokenizer library.
    pub(crate) fn to_json(&self) -> Result<String, TokenizerError> {
        let failed = |problem: tokenizers::Error| TokenizerError::library("writing the tokenizer JSON", &problem);
        let mut library = tokenizers::Tokenizer::new(self.model().map_err(failed)?);
        library.with_pre_tokenizer(Some(splitter(self.segmentation).map_err(failed)?));
        library.with_decoder(Some(Decoder::new(false, false, false)));
        library.add_special_tokens(special_tokens(|special| self.special(special).is_some())).map_err(failed)?;
        library.to_string(false).map_err(failed)
    }

    fn special(&self, special: Special) -> Option<u32> {
        self.specials[special.index()]
    }

    fn model(&self) -> tokenizers::Result<ModelWrapper> {
        let special = |id: u32| Special::ALL.into_iter().find(|&special| self.special(special) == Some(id));
        let text = |bytes: &[u8], id: u32| match special(id) {
            Some(special) => special.text().to_owned(),
            None => alphabet::text_of(bytes),
        };
        let texts: Vec<String> = self.tokens.iter().zip(0..).map(|(bytes, id)| text(bytes, id)).collect();
        match &self.rules {
            Rules::Costs(costs) => {
                let score = |id: u32, cost: u16| match special(id) {
                    Some(_) => SPECIAL_SCORE,
                    None => -f64::from(cost) / COST_UNIT,
                };
                let ids = (0u32..).zip(costs);
                let vocabulary =
                    texts.into_iter().zip(ids).map(|(text, (id, &cost))| (text, score(id, cost))).collect();
                let unknown = self.special(Special::Unknown).map(|id| id as usize);
                Ok(ModelWrapper::Unigram(Unigram::from(vocabulary, unknown, false)?))
            }
            Rules::Merges(merges) => {
                let text = |id: &u32| texts.get(*id as usize).cloned().unwrap_or_default();
                let merges = merges.iter().map(|(left, right, _)| (text(left), text(right))).collect();
                let vocabulary: tokenizers::models::bpe::Vocab = texts.iter().cloned().zip(0..).collect();
                Ok(ModelWrapper::BPE(BPE::builder().vocab_and_merges(vocabulary, merges).build()?))
            }
        }
    }
}

/// The special tokens that `has`, as the library knows them.
fn special_tokens(has: impl Fn(Special) -> bool) -> Vec<AddedToken> {
    let present = Special::ALL.into_iter().filter(|&special| has(special));
    present.map(|special| AddedToken::from(special.text(), true)).collect()
}

/// Cuts text into segments and writes their bytes in the byte alphabet.
fn splitter(segmentation: Segmentation) -> tokenizers::Result<PreTokenizerWrapper> {
    let pattern = match segmentation {
        Segmentation::Lines => LINES,
        Segmentation::Words => WORDS,
    };
    let split = Split::new(SplitPattern::Regex(pattern.to_owned()), SplitDelimiterBehavior::Isolated, false)?;
    let bytes = ByteLevel::new(false, false, false);
    Ok(Sequence::new(vec![split.into(), bytes.into()]).into())
}
