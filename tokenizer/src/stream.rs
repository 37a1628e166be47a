//! Decoding one token at a time.

use std::str;

use crate::{Tokenizer, TokenizerError};

/// Turns a stream of token ids into text without ever splitting a character.
///
/// A token may end inside a character; its last bytes are then held back until the tokens that
/// complete the character arrive. Bytes that cannot belong to any character become U+FFFD. What
/// all calls return, joined together, equals [`Tokenizer::decode`] of all the ids.
#[derive(Clone, Debug)]
pub struct StreamDecoder {
    tokenizer: Tokenizer,
    /// Bytes not yet returned; after a call, the beginning of one character or nothing.
    pending: Vec<u8>,
    /// The text returned by the last call.
    text: String,
}

impl StreamDecoder {
    /// A decoder at the beginning of a stream. It shares the tables of `tokenizer`.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        Self { tokenizer: tokenizer.clone(), pending: Vec::new(), text: String::new() }
    }

    /// Takes the next token and returns the text it completes, which may be empty.
    ///
    /// # Errors
    ///
    /// An id outside the vocabulary is refused and leaves the decoder as it was.
    pub fn push(&mut self, id: u32) -> Result<&str, TokenizerError> {
        let bytes = self.tokenizer.known_token_bytes(id)?;
        self.pending.extend_from_slice(bytes);
        self.text.clear();
        let held = complete(&self.pending, &mut self.text);
        self.pending.drain(..self.pending.len() - held);
        Ok(&self.text)
    }

    /// Ends the stream: U+FFFD if it ended inside a character, nothing otherwise.
    pub fn finish(self) -> &'static str {
        if self.pending.is_empty() { "" } else { "\u{FFFD}" }
    }
}

/// Appends the complete characters of `bytes` to `text`; returns how many bytes at the end are the
/// beginning of a character that has not arrived yet.
fn complete(mut bytes: &[u8], text: &mut String) -> usize {
    loop {
        let error = match str::from_utf8(bytes) {
            Ok(valid) => {
                text.push_str(valid);
                return 0;
            }
            Err(error) => error,
        };
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        text.push_str(&String::from_utf8_lossy(valid));
        match error.error_len() {
            None => return rest.len(),
            Some(length) => {
                text.push('\u{FFFD}');
                bytes = rest.get(length..).unwrap_or_default();
            }
        }
    }
}
