//! What makes a safetensors file one of ours: strings that name its format and the version, and carry what it holds beside
//! weights.
//!
//! | key | value |
//! |---|---|
//! | [`FORMAT_KEY`], [`VERSION_KEY`] | the kind of file, and the version of its format |
//! | [`CONFIG_KEY`] | the configuration (JSON of [`Config`](ebt_core::config::Config)), as in the published code |
//! | [`OBJECTIVE_KEY`] | how the model was trained (JSON of [`Objective`](ebt_core::objective::Objective)) |
//! | [`TOKENIZER_KEY`] | the tokenizer: the text of a `tokenizer.json` |
//! | [`FINGERPRINT_KEY`] | the fingerprint of the tokenizer that the weights go with, 16 hexadecimal digits |
//! | [`PROVENANCE_KEY`] | where the model comes from (JSON: an array of pairs) |
//! | [`digest::KEY`] | SHA-256 of the file |
//!
//! A model of letters holds its table of words ([`ebt_tokenizer::letters::words`]) as a tensor of bytes, [`WORDS_TENSOR`].
//!
//! Keys that begin with `ebt_` are those of this project: one that is not known is refused, because what it says may
//! change what the file means. Other keys are other programs' and are passed over.

use ebt_data::program;
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::digest;
use crate::tensor_file::{FORMAT_KEY, TensorFile};

/// Metadata key of the version of the format, in decimal digits.
pub const VERSION_KEY: &str = "ebt_format_version";
/// Metadata key of the configuration.
pub const CONFIG_KEY: &str = "config";
/// Metadata key of the objective.
pub const OBJECTIVE_KEY: &str = "ebt_objective";
/// Metadata key of the provenance.
pub const PROVENANCE_KEY: &str = "ebt_provenance";
/// Metadata key of the tokenizer.
pub const TOKENIZER_KEY: &str = "ebt_tokenizer";
/// Metadata key of the tokenizer's fingerprint.
pub const FINGERPRINT_KEY: &str = "ebt_tokenizer_fingerprint";

/// Name of the tensor that is a table of words.
pub const WORDS_TENSOR: &str = "words";

/// How keys of this project begin.
const OURS: &str = "ebt_";

/// A kind of file.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its name in the file.
    pub name: &'static str,
    /// Its name for people (`model file`).
    pub what: &'static str,
    /// The version that is written; no other is read.
    pub version: u32,
    /// Keys of this project that it may have, beside those of every format.
    pub keys: &'static [&'static str],
    /// What to do with a safetensors file that has not this format, to be read after "FILE".
    pub foreign: fn() -> String,
}

impl Format {
    /// Opens a file of this format.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, of another kind or version, with strings that are not known, or damaged; the message
    /// names it.
    pub fn open(&self, path: &Path) -> Result<TensorFile> {
        self.require(TensorFile::open(path)?)
    }

    /// The same of a file that is open.
    ///
    /// # Errors
    ///
    /// As [`Format::open`].
    pub fn require(&self, file: TensorFile) -> Result<TensorFile> {
        self.admit(&file)?;
        let path = file.path().display();
        if file.text(FORMAT_KEY).is_none() {
            bail!("{path} {}", (self.foreign)());
        }
        if file.text(digest::KEY).is_none() {
            bail!(
                "{path} has no digest (`{}`): another program rewrote it; `{} import` takes it",
                digest::KEY,
                program::name()
            );
        }
        Ok(file)
    }

    /// Refuses what is of another format, version or content than it says; files of other programs, which say nothing, pass.
    ///
    /// # Errors
    ///
    /// As [`Format::open`].
    pub fn admit(&self, file: &TensorFile) -> Result<()> {
        let path = file.path().display();
        if let Some(name) = file.text(FORMAT_KEY)
            && name != self.name
        {
            bail!("{path} is of the format {name:?} (metadata `{FORMAT_KEY}`); a {} is needed here", self.what);
        }
        if file.text(FORMAT_KEY).is_some() {
            let version = file.text(VERSION_KEY).unwrap_or("none");
            if version != self.version.to_string() {
                let newer = version.parse::<u32>().is_ok_and(|version| version > self.version);
                let why = if newer { ": it was written by a newer version, which can read it" } else { "" };
                bail!(
                    "{path} is a {} of format version {version}; this program reads version {}{why}",
                    self.what,
                    self.version
                );
            }
        }
        digest::verify(file)?;
        let common = [FORMAT_KEY, VERSION_KEY, digest::KEY];
        let mut unknown: Vec<&str> = file
            .keys()
            .filter(|key| key.starts_with(OURS) && !common.contains(key) && !self.keys.contains(key))
            .collect();
        unknown.sort_unstable();
        if let Some(key) = unknown.first() {
            bail!("{path} has the metadata `{key}`, which this version does not know: it was written by a newer one");
        }
        Ok(())
    }

    /// The strings that a file of this format begins with.
    pub fn stamp(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            // programs for PyTorch look for this one
            ("format", String::from("pt")),
            (FORMAT_KEY, self.name.to_owned()),
            (VERSION_KEY, self.version.to_string()),
        ])
    }
}

/// A fingerprint as it is written: 16 hexadecimal digits.
pub fn fingerprint_text(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

/// The fingerprint of the tokenizer that the weights go with, if the file says it.
///
/// # Errors
///
/// A string that is none; the message names the file.
pub fn fingerprint(file: &TensorFile) -> Result<Option<u64>> {
    let Some(text) = file.text(FINGERPRINT_KEY) else { return Ok(None) };
    let parsed = u64::from_str_radix(text, 16).ok().filter(|&parsed| fingerprint_text(parsed) == text);
    let place = || format!("the metadata `{FINGERPRINT_KEY}` of {} is no fingerprint: {text:?}", file.path().display());
    parsed.map(Some).with_context(place)
}
