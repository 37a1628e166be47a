//! The manifest of prepared data: what a folder holds, with which tokenizer and from where.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt_tokenizer::{Special, Tokenizer};
use serde::{Deserialize, Serialize};

use super::{Shard, ShardRecord};
use crate::file;

/// Name of the manifest in a folder of prepared data.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Name of the tokenizer in a folder of prepared data.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// The format that this program writes and reads.
pub const FORMAT: u32 = 1;

/// What a folder of prepared data holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`FORMAT`]: a manifest of any other format is refused.
    pub format: u32,
    /// Program and version.
    pub created_by: String,
    /// The tokenizer that the shards were encoded with; the folder is refused if its own is another.
    pub tokenizer: TokenizerRecord,
    /// All options that decided the content.
    pub options: PrepareOptions,
    /// Where the documents are from; shards refer to them by index.
    pub sources: Vec<SourceRecord>,
    /// Shards to train on, in order.
    pub train: Vec<ShardRecord>,
    /// Shards to measure on, in order.
    pub validation: Vec<ShardRecord>,
    /// Documents that were left out.
    pub dropped: Dropped,
    /// Which part of a corpus this is; `None` of all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartRecord>,
}

/// A part of a corpus that was prepared apart from the others. All its documents are in the shards to train on, in the order
/// of the input; what depends on the other parts is not decided yet: documents like those of an earlier part, and what is to
/// measure on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// Its place among the parts, from 1.
    pub number: usize,
    /// Number of parts.
    pub of: usize,
    /// All input files of the corpus, those of other parts included, in order.
    pub inputs: Vec<PartInput>,
    /// What was left out of this part, and what else was met in it: of every source of the manifest, in their order.
    pub sources: Vec<LeftOut>,
}

/// An input file as all machines see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartInput {
    /// Its name without its folder.
    pub file: String,
    /// What it was read as.
    pub format: String,
    /// Bytes on disk.
    pub size: u64,
}

/// What did not come out of a source as it went in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Documents left out.
    pub dropped: Dropped,
    /// Times a long document was cut.
    pub cuts: u64,
    /// Invalid sequences of bytes that became U+FFFD.
    pub replaced: u64,
}

/// The tokenizer of prepared data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenizerRecord {
    /// Fingerprint, as 16 hexadecimal digits.
    pub fingerprint: String,
    /// Number of tokens in the vocabulary.
    pub vocabulary: usize,
    /// Name of the file in the same folder.
    pub file: String,
}

/// Options by name, as the command that prepared the data wrote them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrepareOptions(pub serde_json::Map<String, serde_json::Value>);

impl PrepareOptions {
    /// The fields of a structure of options.
    ///
    /// # Errors
    ///
    /// A value that is no structure.
    pub fn of(options: &impl Serialize) -> Result<Self> {
        let value = serde_json::to_value(options).context("cannot represent the options as JSON")?;
        serde_json::from_value(value).context("the options are no structure")
    }
}

/// Where documents are from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Name for reports.
    pub name: String,
    /// Number of input files, those without a document included.
    pub files: u64,
    /// Number of documents that were kept, for training and validation together.
    pub documents: u64,
    /// Bytes of text kept.
    pub text_bytes: u64,
    /// Licence of the text, if it was given.
    pub licence: Option<String>,
}

/// Documents left out, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dropped {
    /// Rows without a value.
    pub null: u64,
    /// No text but white space.
    pub empty: u64,
    /// Shorter than asked for.
    pub short: u64,
    /// In another language.
    pub language: u64,
    /// Equal to an earlier document.
    pub duplicates: u64,
    /// Nearly equal to an earlier document.
    pub near_duplicates: u64,
}

/// The two parts of prepared data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To train on.
    Train,
    /// To measure on.
    Validation,
}

impl Split {
    /// Name of shard `index`.
    pub fn file(self, index: usize) -> String {
        match self {
            Self::Train => format!("train-{index:05}.tokens"),
            Self::Validation => format!("validation-{index:05}.tokens"),
        }
    }
}

impl Manifest {
    /// The shards of a part, in order.
    pub fn shards(&self, split: Split) -> &[ShardRecord] {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
        }
    }

    /// Whether `path` is a folder of prepared data: one with a manifest.
    pub fn exists(path: &Path) -> bool {
        path.join(MANIFEST_FILE).is_file()
    }

    /// Reads the manifest of a folder.
    ///
    /// # Errors
    ///
    /// A folder without one, text that is no manifest, another format.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST_FILE);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).with_context(|| format!("{} is no JSON", path.display()))?;
        match value["format"].as_u64() {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) => bail!(
                "{} has format {format}, this program reads format {FORMAT}: prepare the data again with it",
                path.display()
            ),
            None => bail!("{} is no manifest of prepared data: it has no `format`", path.display()),
        }
        serde_json::from_value(value).with_context(|| format!("{} is no manifest of prepared data", path.display()))
    }

    /// Writes the manifest of a folder, atomically. To be called when everything else is in its place.
    ///
    /// # Errors
    ///
    /// What the file system refuses.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self).context("cannot represent the manifest as JSON")?;
        text.push(b'\n');
        file::write(&folder.join(MANIFEST_FILE), |out| Ok(out.write_all(&text)?))
    }
}

/// An opened folder of prepared data: its manifest and tokenizer, checked against each other.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Path of the folder as it was given; the manifest names its files without it.
    pub folder: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// The tokenizer of the folder.
    pub tokenizer: Tokenizer,
}

impl Prepared {
    /// Opens a folder.
    ///
    /// # Errors
    ///
    /// No manifest, no tokenizer, or a tokenizer that is not the manifest's.
    pub fn open(folder: &Path) -> Result<Self> {
        let manifest = Manifest::read(folder)?;
        let record = &manifest.tokenizer;
        if Path::new(&record.file).file_name() != Some(record.file.as_ref()) {
            bail!("{}: the tokenizer's file {:?} is no file name", folder.join(MANIFEST_FILE).display(), record.file);
        }
        let path = folder.join(&record.file);
        let tokenizer = Tokenizer::from_file(&path)?;
        let (fingerprint, vocabulary) = (format!("{:016x}", tokenizer.fingerprint()), tokenizer.vocabulary_size());
        if (fingerprint.as_str(), vocabulary) != (record.fingerprint.as_str(), record.vocabulary) {
            bail!(
                "{} is the tokenizer {fingerprint} of {vocabulary} tokens, but {} was prepared with {} of {} tokens",
                path.display(),
                folder.display(),
                record.fingerprint,
                record.vocabulary
            );
        }
        Ok(Self { folder: folder.to_path_buf(), manifest, tokenizer })
    }

    /// Refuses a tokenizer other than the folder's.
    ///
    /// # Errors
    ///
    /// Both fingerprints in a sentence.
    pub fn check_tokenizer(&self, tokenizer: &Tokenizer) -> Result<()> {
        if tokenizer.fingerprint() != self.tokenizer.fingerprint() {
            bail!(
                "{} was prepared with the tokenizer {}, but the tokenizer in use is {:016x} of {} tokens; prepare the data again with it",
                self.folder.display(),
                self.manifest.tokenizer.fingerprint,
                tokenizer.fingerprint(),
                tokenizer.vocabulary_size()
            );
        }
        Ok(())
    }

    /// Opens shards of the folder ([`Manifest::train`] or [`Manifest::validation`]).
    ///
    /// # Errors
    ///
    /// As [`Shard::open`]; and a shard that begins documents with another token than the tokenizer's, or names a source
    /// that the manifest does not have.
    pub fn shards(&self, records: &[ShardRecord]) -> Result<Vec<Shard>> {
        records.iter().map(|record| self.shard(record)).collect()
    }

    /// Opens one shard of the folder.
    ///
    /// # Errors
    ///
    /// As [`Prepared::shards`].
    pub fn shard(&self, record: &ShardRecord) -> Result<Shard> {
        let shard = Shard::open(&self.folder, record, self.tokenizer.fingerprint())?;
        if self.tokenizer.special(Special::Begin) != Some(shard.begin()) {
            bail!(
                "the shard {} begins documents with token {}, which is not the {} of its tokenizer",
                shard.path().display(),
                shard.begin(),
                Special::Begin
            );
        }
        if shard.sources() as usize > self.manifest.sources.len() {
            bail!(
                "the shard {} names source {}, but the manifest has {}",
                shard.path().display(),
                shard.sources() - 1,
                self.manifest.sources.len()
            );
        }
        Ok(shard)
    }
}
