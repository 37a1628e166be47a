//! Decoding one token at a time, with memory of its own.

use crate::compact::Utf8Stream;
use crate::{Tokenizer, TokenizerError};

/// Turns a stream of token ids into text without ever splitting a character.
///
/// A token may end inside a character; its last bytes are then held back until the tokens that
/// complete the character arrive. Bytes that cannot belong to any character become U+FFFD. What
/// all calls return, joined together, equals [`Tokenizer::decode`] of all the ids.
#[derive(Clone, Debug)]
pub struct StreamDecoder {
    tokenizer: Tokenizer,
    state: Utf8Stream,
    /// The text returned by the last call.
    text: String,
}

impl StreamDecoder {
    /// A decoder at the beginning of a stream. It shares the tables of `tokenizer`.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        Self { tokenizer: tokenizer.clone(), state: Utf8Stream::default(), text: String::new() }
    }

    /// Takes the next token and returns the text it completes, which may be empty.
    ///
    /// # Errors
    ///
    /// An id outside the vocabulary is refused and leaves the decoder as it was.
    pub fn push(&mut self, id: u32) -> Result<&str, TokenizerError> {
        let bytes = self.tokenizer.known_token_bytes(id)?;
        self.text.clear();
        self.text.extend(self.state.push(bytes).pieces());
        Ok(&self.text)
    }

    /// Ends the stream: U+FFFD if it ended inside a character, nothing otherwise.
    pub fn finish(self) -> &'static str {
        self.state.finish()
    }
}
