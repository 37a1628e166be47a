//! The tokenizer itself: loading, saving, encoding, decoding.

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use crate::build::Parts;
use crate::compact::{self, CompactHeader, CompactTokenizer};
use crate::format::TokenizerFile;
use crate::table::TokenTable;
use crate::{Library, Special, TokenizerError};

/// How a tokenizer chooses tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Byte-level byte-pair encoding on words.
    Bpe,
    /// Unigram language model on words (Kudo 2018), over bytes.
    Unigram,
    /// The most probable of words, roots, suffix chains and frequent phrases.
    #[default]
    Turkish,
}

/// A lossless byte-level tokenizer. Cloning it is cheap: clones share their tables.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
}

/// What clones share.
struct Inner {
    engine: Engine,
    json: String,
    table: TokenTable,
    fingerprint: u64,
}

/// What turns text into ids; tokens and their bytes come from the table beside it.
enum Engine {
    /// The compact runtime.
    Compact { header: CompactHeader, bytes: Vec<u8> },
    /// The library, for files that the compact form cannot hold.
    Library(Box<Library>),
}

impl Tokenizer {
    /// Loads a tokenizer from the contents of a `tokenizer.json` file.
    ///
    /// # Errors
    ///
    /// Damaged JSON, and any setting under which some string would not survive encoding and
    /// decoding; the error names the field.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TokenizerError> {
        let file = TokenizerFile::parse(bytes)?;
        let table = TokenTable::new(&file)?;
        let library = Library::from_json(bytes)?;
        for token in &file.added_tokens {
            let content = token.content.as_str();
            if library.inner().token_to_id(content) != Some(token.id) {
                let problem =
                    format!("gives token {content:?} the id {}, which does not follow the vocabulary", token.id);
                return Err(TokenizerError::field("added_tokens", problem));
            }
        }
        let json = library.to_json()?;
        let fingerprint = fnv1a(json.as_bytes());
        // one that would lose a setting, even without effect, would come back as a tokenizer with another fingerprint
        let whole = |parts: &Parts| parts.to_json().is_ok_and(|again| again == json);
        let compact = table.parts(&file).filter(whole).map(|parts| parts.to_compact(fingerprint));
        let engine = match compact {
            Some(Ok(bytes)) => Engine::Compact { header: compact::read(&bytes)?.0, bytes },
            Some(Err(TokenizerError::Compact { .. })) | None => Engine::Library(Box::new(library)),
            Some(Err(error)) => return Err(error),
        };
        Ok(Self { inner: Arc::new(Inner { engine, json, table, fingerprint }) })
    }

    /// Loads a tokenizer from its compact form.
    ///
    /// # Errors
    ///
    /// Damaged bytes.
    pub fn from_compact(bytes: &[u8]) -> Result<Self, TokenizerError> {
        let parts = Parts::of_compact(bytes)?;
        Self::from_json(parts.to_json()?.as_bytes())
    }

    /// Loads a tokenizer from a file: a `tokenizer.json` or a compact tokenizer, distinguished by their first bytes.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::from_json`] and [`Tokenizer::from_compact`], or that the file cannot be read; the error names
    /// the file.
    pub fn from_file(path: &Path) -> Result<Self, TokenizerError> {
        let path_buf = || path.to_path_buf();
        let bytes = fs::read(path).map_err(|source| TokenizerError::Read { path: path_buf(), source })?;
        Self::from_bytes(&bytes).map_err(|source| TokenizerError::File { path: path_buf(), source: Box::new(source) })
    }

    /// Loads the contents of either kind of file.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::from_json`] and [`Tokenizer::from_compact`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenizerError> {
        // the last byte of the magic is the version
        if bytes.starts_with(&compact::MAGIC[..7]) { Self::from_compact(bytes) } else { Self::from_json(bytes) }
    }

    /// The contents of a `tokenizer.json` file that [`Tokenizer::from_json`] and the HuggingFace library read back. The
    /// same tokenizer always gives the same text.
    pub fn to_json(&self) -> &str {
        &self.inner.json
    }

    /// The compact form, for [`compact::CompactTokenizer`].
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Compact`] for a tokenizer from elsewhere that has settings which the compact form cannot hold.
    pub fn to_compact(&self) -> Result<&[u8], TokenizerError> {
        match &self.inner.engine {
            Engine::Compact { bytes, .. } => Ok(bytes),
            Engine::Library(_) => {
                let problem = String::from(
                    "its model, its way of cutting text, its added tokens or a setting are not known to it",
                );
                Err(TokenizerError::Compact { problem })
            }
        }
    }

    /// The compact runtime of this tokenizer, if it has one.
    pub fn compact(&self) -> Option<CompactTokenizer<'_>> {
        match &self.inner.engine {
            Engine::Compact { header, bytes } => {
                Some(CompactTokenizer::of_checked(header, compact::tables(header, bytes)))
            }
            Engine::Library(_) => None,
        }
    }

    /// Encodes text. No special token is added, and none results from text that spells one.
    ///
    /// # Errors
    ///
    /// A failure inside the tokenizer library; none for a tokenizer that has a compact form.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let mut ids = Vec::new();
        self.encode_into(text, &mut ids)?;
        Ok(ids)
    }

    /// Encodes text as [`Tokenizer::encode`] and appends the ids to `ids`.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`]; `ids` is then as it was.
    pub fn encode_into(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), TokenizerError> {
        let Some(compact) = self.compact() else {
            let Engine::Library(library) = &self.inner.engine else { return Ok(()) };
            ids.extend(library.encode_ids(text)?);
            return Ok(());
        };
        let before = ids.len();
        ids.resize(before + compact.places(text), 0);
        let count = compact.encode(text, &mut ids[before..]);
        ids.truncate(before + count.as_ref().copied().unwrap_or(0));
        count?;
        Ok(())
    }

    /// Encodes several texts, on all processor cores; the results are in the order of the texts
    /// and the same as from [`Tokenizer::encode`].
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`].
    pub fn encode_batch<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<Vec<u32>>, TokenizerError> {
        texts.par_iter().map(|text| self.encode(text.as_ref())).collect()
    }

    /// The bytes of the source that each token covers: encoding changes no byte, so they follow one another.
    ///
    /// # Errors
    ///
    /// An id outside the vocabulary.
    pub fn offsets(&self, ids: &[u32]) -> Result<Vec<Range<usize>>, TokenizerError> {
        let mut end = 0;
        let range = |&id: &u32| {
            let start = end;
            end += self.known_token_bytes(id)?.len();
            Ok(start..end)
        };
        ids.iter().map(range).collect()
    }

    /// Decodes ids to text: the exact inverse of [`Tokenizer::encode`].
    ///
    /// Special tokens have no text. Ids that no text encodes to, such as a sequence cut inside a
    /// character, may give invalid UTF-8; each invalid part becomes U+FFFD.
    ///
    /// # Errors
    ///
    /// An id outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let bytes = self.decode_bytes(ids)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// Decodes ids to bytes, which need not be valid UTF-8.
    ///
    /// # Errors
    ///
    /// An id outside the vocabulary.
    pub fn decode_bytes(&self, ids: &[u32]) -> Result<Vec<u8>, TokenizerError> {
        let mut bytes = Vec::with_capacity(4 * ids.len());
        for &id in ids {
            bytes.extend_from_slice(self.known_token_bytes(id)?);
        }
        Ok(bytes)
    }

    /// The bytes a token stands for, which need not be valid UTF-8; empty for a special token,
    /// `None` outside the vocabulary.
    pub fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        self.inner.table.get(id)
    }

    /// How many tokens there are, special ones included; the ids are the numbers below this.
    pub fn vocabulary_size(&self) -> usize {
        self.inner.table.len()
    }

    /// The id of a special token, if the vocabulary has it.
    pub fn special(&self, special: Special) -> Option<u32> {
        self.inner.table.special(special)
    }

    /// A hash of [`Tokenizer::to_json`]: equal for tokenizers that encode alike, the same on every
    /// machine. It distinguishes tokenizers; it does not protect against forgery.
    pub fn fingerprint(&self) -> u64 {
        self.inner.fingerprint
    }

    /// The bytes of a token that must exist.
    pub(crate) fn known_token_bytes(&self, id: u32) -> Result<&[u8], TokenizerError> {
        (self.token_bytes(id))
            .ok_or_else(|| TokenizerError::IdOutOfRange { id, vocabulary_size: self.vocabulary_size() })
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (formatter.debug_struct("Tokenizer"))
            .field("vocabulary_size", &self.vocabulary_size())
            .field("fingerprint", &format_args!("{:016x}", self.fingerprint()))
            .finish_non_exhaustive()
    }
}

/// FNV-1a with 64 bits.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}
