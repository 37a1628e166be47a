//! What is asked of `prepare`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use ebt_data::text::{InputFile, ReadOptions, cut};
use ebt_tokenizer::Tokenizer;
use serde::{Deserialize, Serialize};

use super::part::Part;
use crate::language::Language;
use crate::licence::Licence;

/// All options that decide the content of the shards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// How files are read.
    #[serde(flatten)]
    pub read: ReadOptions,
    /// Fewest bytes of a cleaned document.
    pub shortest: usize,
    /// Code of the only language wanted; `None` = all.
    pub language: Option<String>,
    /// Similarity from which an earlier document makes a later one superfluous; `None` = only equal ones do.
    pub near_duplicates: Option<f64>,
    /// Share of documents to measure on, from 0 to less than 1.
    pub validation: f64,
    /// Tokens after which a shard ends.
    pub shard_tokens: u64,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            read: ReadOptions::default(),
            shortest: 0,
            language: None,
            near_duplicates: None,
            validation: 0.01,
            shard_tokens: 64 << 20,
        }
    }
}

impl Content {
    /// Checks every option.
    ///
    /// # Errors
    ///
    /// The first option that is out of its range; the message names its flag.
    pub fn validate(&self) -> Result<()> {
        if self.read.longest < cut::LEAST || self.read.longest > LONGEST {
            bail!("--longest {}: from {} to {LONGEST} bytes are possible", self.read.longest, cut::LEAST);
        }
        if self.shortest > self.read.longest {
            bail!("--shortest {}: more than --longest {}", self.shortest, self.read.longest);
        }
        if let Some(s) = self.near_duplicates
            && !(0.3..=1.0).contains(&s)
        {
            bail!("--near-duplicates {s}: a similarity from 0.3 to 1 is needed");
        }
        if !(0.0..1.0).contains(&self.validation) {
            bail!("--validation {}: a share from 0 to less than 1 is needed", self.validation);
        }
        if let Some(byte) = self.read.delimiter.filter(|byte| !byte.is_ascii() || b"\"\r\n".contains(byte)) {
            bail!("--delimiter {:?}: one ASCII character is needed, no quotation mark and no line end", byte as char);
        }
        if self.shard_tokens == 0 {
            bail!("--shard-tokens 0: at least 1 is needed");
        }
        if let Some(code) = &self.language {
            Language::of_code(code)?;
        }
        Ok(())
    }
}

/// Longest documents that memory is made for.
const LONGEST: usize = 4 << 20;

/// A whole job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Files to read, in order.
    pub inputs: Vec<InputFile>,
    /// The tokenizer that encodes the documents; the folder gets a copy of it.
    pub tokenizer: Tokenizer,
    /// Folder of the data.
    pub out: PathBuf,
    /// What decides the content.
    pub content: Content,
    /// Licences for the manifest.
    pub licences: Vec<Licence>,
    /// The part of the inputs that is prepared, to be merged with the others; `None` = all of them.
    pub part: Option<Part>,
    /// Whether finished data in the folder may be replaced.
    pub overwrite: bool,
    /// Processor threads, at least 1; changes nothing in the result.
    pub threads: usize,
    /// Bytes of text that are worked on together; changes nothing in the result.
    pub chunk: usize,
}

/// A good size of chunks.
pub const CHUNK: usize = 4 << 20;
