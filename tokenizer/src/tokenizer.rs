//! The tokenizer itself: loading, saving, encoding, decoding.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::format::TokenizerFile;
use crate::table::TokenTable;
use crate::{Special, TokenizerError};

/// A lossless byte-level BPE tokenizer. Cloning it is cheap: clones share their tables.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
}

/// What clones share.
struct Inner {
    library: tokenizers::Tokenizer,
    table: TokenTable,
    fingerprint: u64,
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
        let mut library: tokenizers::Tokenizer = serde_json::from_slice(bytes).map_err(TokenizerError::Json)?;
        for token in &file.added_tokens {
            let content = token.content.as_str();
            if library.token_to_id(content) != Some(token.id) {
                let problem =
                    format!("gives token {content:?} the id {}, which does not follow the vocabulary", token.id);
                return Err(TokenizerError::field("added_tokens", problem));
            }
        }
        library.set_encode_special_tokens(true);
        let fingerprint = fingerprint(json_of(&library)?.as_bytes());
        let inner = Arc::new(Inner { library, table, fingerprint });
        Ok(Self { inner })
    }

    /// Loads a tokenizer from a `tokenizer.json` file.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::from_json`], or that the file cannot be read; the error names the file.
    pub fn from_file(path: &Path) -> Result<Self, TokenizerError> {
        let path_buf = || path.to_path_buf();
        let bytes = fs::read(path).map_err(|source| TokenizerError::Read { path: path_buf(), source })?;
        Self::from_json(&bytes).map_err(|source| TokenizerError::File { path: path_buf(), source: Box::new(source) })
    }

    /// The contents of a `tokenizer.json` file that [`Tokenizer::from_json`] reads back. The same
    /// tokenizer always gives the same text.
    ///
    /// # Errors
    ///
    /// A failure inside the tokenizer library.
    pub fn to_json(&self) -> Result<String, TokenizerError> {
        json_of(&self.inner.library)
    }

    /// Encodes text. No special token is added, and none results from text that spells one.
    ///
    /// # Errors
    ///
    /// A failure inside the tokenizer library.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        match self.inner.library.encode_fast(text, false) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(problem) => Err(TokenizerError::library("encoding", &problem)),
        }
    }

    /// Encodes several texts, on all processor cores; the results are in the order of the texts
    /// and the same as from [`Tokenizer::encode`].
    ///
    /// # Errors
    ///
    /// A failure inside the tokenizer library.
    pub fn encode_batch<T: AsRef<str>>(&self, texts: &[T]) -> Result<Vec<Vec<u32>>, TokenizerError> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        match self.inner.library.encode_batch_fast(texts, false) {
            Ok(encodings) => Ok((encodings.iter()).map(|encoding| encoding.get_ids().to_vec()).collect()),
            Err(problem) => Err(TokenizerError::library("encoding", &problem)),
        }
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
    /// machine. It tells tokenizers apart; it does not protect against forgery.
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

/// The JSON of a library tokenizer.
fn json_of(library: &tokenizers::Tokenizer) -> Result<String, TokenizerError> {
    (library.to_string(false)).map_err(|problem| TokenizerError::library("writing the tokenizer JSON", &problem))
}

/// FNV-1a with 64 bits.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}
