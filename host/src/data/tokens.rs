//! One token stream: every document's tokens after a begin token.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use ebt_tokenizer::{Special, Tokenizer};

use super::text;

/// A token stream with its document borders.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tokens {
    /// Tokens of all documents, each document after [`Tokens::begin`].
    pub ids: Vec<u32>,
    /// Index of every document's begin token, ascending.
    pub begins: Vec<usize>,
    /// Bytes of text of every document.
    pub lengths: Vec<u64>,
    /// The begin token.
    pub begin: u32,
}

impl Tokens {
    /// Reads and encodes text files. `purpose` names the text in messages.
    pub fn read(purpose: &str, paths: &[PathBuf], tokenizer: &Tokenizer) -> Result<Self> {
        let mut all = Self { begin: begin_of(tokenizer)?, ..Self::default() };
        for path in text::files(paths)? {
            let text = text::read(&path)?;
            all.append(&text::documents(&text), tokenizer)
                .with_context(|| format!("cannot encode {}", path.display()))?;
        }
        if all.bytes() == 0 {
            bail!("the {purpose} text is empty: {}", text::names(paths));
        }
        Ok(all)
    }

    /// Encodes documents.
    pub fn of(documents: &[&str], tokenizer: &Tokenizer) -> Result<Self> {
        let mut all = Self { begin: begin_of(tokenizer)?, ..Self::default() };
        all.append(documents, tokenizer)?;
        Ok(all)
    }

    fn append(&mut self, documents: &[&str], tokenizer: &Tokenizer) -> Result<()> {
        for (ids, document) in tokenizer.encode_batch(documents)?.iter().zip(documents) {
            self.begins.push(self.ids.len());
            self.ids.push(self.begin);
            self.ids.extend_from_slice(ids);
            self.lengths.push(document.len() as u64);
        }
        Ok(())
    }

    /// Bytes of text the tokens stand for.
    pub fn bytes(&self) -> u64 {
        self.lengths.iter().sum()
    }

    /// Tokens that stand for text.
    pub fn text_tokens(&self) -> usize {
        self.ids.len() - self.begins.len()
    }

    /// Index of the begin token of the document that token `at` belongs to.
    pub fn document_start(&self, at: usize) -> usize {
        let after = self.begins.partition_point(|&b| b <= at);
        after.checked_sub(1).and_then(|i| self.begins.get(i)).copied().unwrap_or(0)
    }

    /// Every `k`-th run of `length` tokens as a document of its own, with `k` such that about `tokens` tokens remain;
    /// 0 = all. The same runs every time.
    pub fn sample(&self, tokens: usize, length: usize, tokenizer: &Tokenizer) -> Self {
        if tokens == 0 || self.ids.len() <= tokens {
            return self.clone();
        }
        let stride = self.ids.len().div_ceil(tokens);
        let runs = (0..self.begins.len()).flat_map(|i| self.document(i)[1..].chunks(length.max(1)));
        let mut some = Self { begin: self.begin, ..Self::default() };
        for run in runs.step_by(stride) {
            some.begins.push(some.ids.len());
            some.ids.push(self.begin);
            some.ids.extend_from_slice(run);
            let width = |&id: &u32| tokenizer.token_bytes(id).map_or(0, |bytes| bytes.len() as u64);
            some.lengths.push(run.iter().map(width).sum());
        }
        some
    }

    /// Tokens of document `i`, the begin token included.
    pub fn document(&self, i: usize) -> &[u32] {
        let end = self.begins.get(i + 1).copied().unwrap_or(self.ids.len());
        &self.ids[self.begins[i]..end]
    }

    /// A hash of tokens and borders (FNV-1a, 64 bits): tells data sets apart, does not protect against forgery.
    pub fn fingerprint(&self) -> u64 {
        let mix = |hash: u64, x: u64| (hash ^ x).wrapping_mul(0x0000_0100_0000_01B3);
        let ids = self.ids.iter().fold(0xCBF2_9CE4_8422_2325, |h, &id| mix(h, u64::from(id)));
        self.begins.iter().fold(ids, |h, &b| mix(h, b as u64))
    }
}

fn begin_of(tokenizer: &Tokenizer) -> Result<u32> {
    match tokenizer.special(Special::Begin) {
        Some(id) => Ok(id),
        None => bail!("the tokenizer has no {} token, which has to start every document", Special::Begin),
    }
}
