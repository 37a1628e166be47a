//! Encoding and decoding with borrowed tables.

use super::error::CompactError;
use super::header::{Algorithm, View, read};
#[cfg(feature = "std")]
use super::header::{CompactHeader, Tables};
use super::merges;
use super::segment::Segmentation;
use super::stream::Streaming;
use crate::Special;

/// A tokenizer that borrows its tables. Copying it is cheap.
///
/// ```
/// # let json = ebt_fixtures::TOKENIZER;
/// # let compact = ebt_tokenizer::Tokenizer::from_json(json).unwrap();
/// # let compact = compact.to_compact().unwrap();
/// use ebt_tokenizer::compact::CompactTokenizer;
///
/// let tokenizer = CompactTokenizer::from_bytes(compact).unwrap();
/// let text = "Ankara'da yaşıyorum.";
/// let mut ids = [0; 64];
/// let count = tokenizer.encode(text, &mut ids).unwrap();
/// let mut bytes = [0; 64];
/// let length = tokenizer.decode(&ids[..count], &mut bytes).unwrap();
/// assert_eq!(&bytes[..length], text.as_bytes());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CompactTokenizer<'a> {
    view: View<'a>,
}

impl<'a> CompactTokenizer<'a> {
    /// Reads a compact tokenizer and checks it: checksum, table sizes, and that every token can be found by its bytes.
    ///
    /// # Errors
    ///
    /// What is wrong with the slice.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, CompactError> {
        let (header, tables) = read(bytes)?;
        let tokenizer = Self { view: View::new(&header, tables) };
        tokenizer.view.check()?;
        Ok(tokenizer)
    }

    /// The tokenizer of tables that were checked before: no work at all.
    #[cfg(feature = "std")]
    pub(crate) fn of_checked(header: &CompactHeader, tables: Tables<'a>) -> Self {
        Self { view: View::new(header, tables) }
    }

    /// Places of the output that encoding `text` takes while it runs; the tokens themselves are fewer.
    ///
    /// At most the bytes of `text`, but for byte-pair encoding of a single word over 64 bytes: nine times its bytes.
    pub fn places(&self, text: &str) -> usize {
        match self.view.algorithm {
            Algorithm::Lattice => text.len(),
            Algorithm::Merges => {
                let longest = self.segments(text).map(str::len).max().unwrap_or(0);
                text.len().saturating_add(if longest > merges::SHORT { merges::places(longest) } else { 0 })
            }
        }
    }

    /// Encodes `text` to the start of `out`; returns the number of tokens. No special token is added, and none results
    /// from text that spells one.
    ///
    /// # Errors
    ///
    /// [`CompactError::OutputTooSmall`] if `out` has fewer places than a segment of the text takes; it says how many
    /// are always enough.
    pub fn encode(&self, text: &str, out: &mut [u32]) -> Result<usize, CompactError> {
        let mut count = 0;
        for segment in self.segments(text) {
            let free = out.get_mut(count..).unwrap_or_default();
            let needed = match self.view.algorithm {
                Algorithm::Lattice => segment.len(),
                Algorithm::Merges => merges::places(segment.len()),
            };
            if free.len() < needed {
                return Err(CompactError::OutputTooSmall { needed: self.places(text) });
            }
            let tokens = match self.view.algorithm {
                Algorithm::Lattice => {
                    self.view.lattice().encode(segment.as_bytes(), free, |token| self.view.length(token))
                }
                Algorithm::Merges => self.view.merges().encode(segment.as_bytes(), free),
            };
            count += tokens.ok_or(CompactError::Damaged { table: "trie" })?;
        }
        Ok(count)
    }

    /// The length in bytes of the front of `text` whose tokens are the same whatever follows `text`: its last safe border.
    /// The tokens of the front and those of the rest, with all that follows, are those of the whole.
    pub fn finished(&self, text: &str) -> usize {
        self.view.segmentation.finished(self.view.classes(), text)
    }

    /// The pieces of `text` that are encoded each by itself.
    fn segments<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        self.view.segmentation.segments(self.view.classes(), text)
    }

    /// Decodes ids to bytes at the start of `out`; returns their number. Special tokens have no bytes.
    ///
    /// # Errors
    ///
    /// An id outside the vocabulary, or too little room.
    pub fn decode(&self, ids: &[u32], out: &mut [u8]) -> Result<usize, CompactError> {
        let mut length = 0;
        for &id in ids {
            let bytes = self.view.known(id)?;
            let Some(place) = out.get_mut(length..length + bytes.len()) else {
                return Err(CompactError::OutputTooSmall { needed: self.decoded_length(ids)? });
            };
            place.copy_from_slice(bytes);
            length += bytes.len();
        }
        Ok(length)
    }

    /// Bytes that `ids` decode to.
    ///
    /// # Errors
    ///
    /// An id outside the vocabulary.
    pub fn decoded_length(&self, ids: &[u32]) -> Result<usize, CompactError> {
        ids.iter().try_fold(0, |sum, &id| Ok(sum + self.view.known(id)?.len()))
    }

    /// The bytes of a token: none for a special token, `None` outside the vocabulary.
    pub fn token_bytes(&self, id: u32) -> Option<&'a [u8]> {
        self.view.bytes(id)
    }

    /// How many tokens there are, special ones included; ids are the numbers below this.
    pub fn vocabulary_size(&self) -> u32 {
        self.view.vocabulary
    }

    /// The id of a special token, if the vocabulary has it.
    pub fn special(&self, special: Special) -> Option<u32> {
        self.view.specials.get(special.index()).copied().flatten()
    }

    /// How text is encoded.
    pub fn algorithm(&self) -> Algorithm {
        self.view.algorithm
    }

    /// How text is cut before it is encoded.
    pub fn segmentation(&self) -> Segmentation {
        self.view.segmentation
    }

    /// The fingerprint of the `tokenizer.json` that this was made from.
    pub fn fingerprint(&self) -> u64 {
        self.view.fingerprint
    }

    /// A decoder of one token at a time.
    pub fn stream(&self) -> Streaming<'a> {
        Streaming::new(self.view)
    }
}
