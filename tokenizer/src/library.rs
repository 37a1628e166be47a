//! Any tokenizer of the HuggingFace library, lossless or not, to compare with.

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::Path;

use crate::TokenizerError;
use crate::format::without_mark;
use crate::guard::guarded;

const ENCODING: &str = "encoding";
const DECODING: &str = "decoding";
const WRITING: &str = "writing the tokenizer JSON";

/// A `tokenizer.json` of any kind, run by the library itself.
pub struct Library {
    library: tokenizers::Tokenizer,
}

/// A token with the text it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryToken {
    /// Its id in the vocabulary of the library, added tokens included.
    pub id: u32,
    /// The bytes of the source that it covers.
    pub source: Range<usize>,
}

impl Library {
    /// Loads the contents of a `tokenizer.json` file. Truncation and padding that it asks for are left out.
    ///
    /// # Errors
    ///
    /// What the library cannot read, or panics on.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TokenizerError> {
        guarded("loading the file", || {
            let mut library: tokenizers::Tokenizer =
                serde_json::from_slice(without_mark(bytes)).map_err(TokenizerError::Json)?;
            library.with_padding(None);
            let failed = |problem| TokenizerError::library("switching truncation off", &problem);
            library.with_truncation(None).map_err(failed)?;
            library.set_encode_special_tokens(true);
            Ok(Self { library })
        })?
    }

    /// Loads a `tokenizer.json` file.
    ///
    /// # Errors
    ///
    /// As [`Library::from_json`], or that the file cannot be read; the error names the file.
    pub fn from_file(path: &Path) -> Result<Self, TokenizerError> {
        let path_buf = || path.to_path_buf();
        let bytes = fs::read(path).map_err(|source| TokenizerError::Read { path: path_buf(), source })?;
        Self::from_json(&bytes).map_err(|source| TokenizerError::File { path: path_buf(), source: Box::new(source) })
    }

    /// Encodes text without adding special tokens.
    ///
    /// # Errors
    ///
    /// A failure inside the library.
    pub fn encode(&self, text: &str) -> Result<Vec<LibraryToken>, TokenizerError> {
        let encoding = guarded(ENCODING, || self.library.encode(text, false))?;
        let encoding = encoding.map_err(|problem| TokenizerError::library(ENCODING, &problem))?;
        let tokens = encoding.get_ids().iter().zip(encoding.get_offsets());
        Ok(tokens.map(|(&id, &(from, to))| LibraryToken { id, source: from..to }).collect())
    }

    /// Encodes text to ids alone, as fast as the library can.
    ///
    /// # Errors
    ///
    /// A failure inside the library.
    pub fn encode_ids(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        match guarded(ENCODING, || self.library.encode_fast(text, false))? {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(problem) => Err(TokenizerError::library(ENCODING, &problem)),
        }
    }

    /// Decodes ids, special tokens left out.
    ///
    /// # Errors
    ///
    /// A failure inside the library.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let decoded = guarded(DECODING, || self.library.decode(ids, true))?;
        decoded.map_err(|problem| TokenizerError::library(DECODING, &problem))
    }

    /// The id that stands for text the tokenizer does not know, if it has one.
    pub fn unknown(&self) -> Option<u32> {
        use tokenizers::ModelWrapper as M;
        let token = match self.library.get_model() {
            M::BPE(model) => model.unk_token.clone(),
            M::WordPiece(model) => Some(model.unk_token.clone()),
            M::WordLevel(model) => Some(model.unk_token.clone()),
            M::Unigram(_) => Some(String::from("<unk>")),
        };
        token.and_then(|token| self.library.token_to_id(&token))
    }

    /// How many tokens there are, added ones included.
    pub fn vocabulary_size(&self) -> usize {
        self.library.get_vocab_size(true)
    }

    /// The file that the library would write.
    ///
    /// # Errors
    ///
    /// A failure inside the library.
    pub(crate) fn to_json(&self) -> Result<String, TokenizerError> {
        let written = guarded(WRITING, || self.library.to_string(false))?;
        written.map_err(|problem| TokenizerError::library(WRITING, &problem))
    }

    /// The library itself.
    pub(crate) fn inner(&self) -> &tokenizers::Tokenizer {
        &self.library
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Library").field("vocabulary_size", &self.vocabulary_size()).finish_non_exhaustive()
    }
}
