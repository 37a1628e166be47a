//! Text from pieces of bytes, never half a character.

use core::str;

use super::error::CompactError;
use super::header::View;

/// Turns tokens into text as they come. What all calls give, joined, is the text of all tokens; bytes that cannot
/// belong to a character become U+FFFD.
#[derive(Clone, Debug)]
pub struct Streaming<'a> {
    view: View<'a>,
    state: Utf8Stream,
}

impl<'a> Streaming<'a> {
    pub(super) fn new(view: View<'a>) -> Self {
        Self { view, state: Utf8Stream::default() }
    }

    /// Takes the next token; the text that it completes may be empty.
    ///
    /// # Errors
    ///
    /// An id outside the vocabulary is refused and leaves the decoder as it was.
    pub fn push(&mut self, id: u32) -> Result<Utf8Chunk<'a>, CompactError> {
        self.view.known(id).map(|bytes| self.state.push(bytes))
    }

    /// Ends the stream: U+FFFD if it ended inside a character, nothing otherwise.
    pub fn finish(self) -> &'static str {
        self.state.finish()
    }
}

/// The beginning of a character whose end has not come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Utf8Stream {
    held: [u8; 3],
    count: usize,
}

/// Text that a token completes: a character begun by earlier tokens, and the rest.
#[derive(Clone, Copy, Debug)]
pub struct Utf8Chunk<'a> {
    lead: [u8; 6],
    lead_count: usize,
    rest: &'a [u8],
}

impl Utf8Stream {
    /// Takes the next bytes.
    pub(crate) fn push<'a>(&mut self, mut bytes: &'a [u8]) -> Utf8Chunk<'a> {
        let [a, b, c] = self.held;
        let mut lead = [a, b, c, 0, 0, 0];
        let mut lead_count = core::mem::take(&mut self.count);
        // bytes go behind the held ones until these make a character or cannot
        while let (Some((&byte, after)), true) = (bytes.split_first(), unfinished(lead.get(..lead_count))) {
            let Some(place) = lead.get_mut(lead_count) else { break };
            if byte & 0xC0 != 0x80 {
                break;
            }
            *place = byte;
            lead_count += 1;
            bytes = after;
        }
        if bytes.is_empty() && unfinished(lead.get(..lead_count)) {
            let [a, b, c, ..] = lead;
            self.held = [a, b, c];
            self.count = lead_count;
            return Utf8Chunk { lead, lead_count: 0, rest: bytes };
        }
        let cut = |n: usize| bytes.len().checked_sub(n).and_then(|at| bytes.split_at_checked(at));
        let end = (1..=3).rev().filter_map(cut).find(|(_, tail)| unfinished(Some(tail)));
        let (rest, tail) = end.unwrap_or((bytes, &[]));
        self.held.iter_mut().zip(tail).for_each(|(held, &byte)| *held = byte);
        self.count = tail.len();
        Utf8Chunk { lead, lead_count, rest }
    }

    /// What is left at the end.
    pub(crate) fn finish(&self) -> &'static str {
        if self.count == 0 { "" } else { "\u{FFFD}" }
    }
}

/// Whether there are bytes, and these are the beginning of one character and no more.
fn unfinished(bytes: Option<&[u8]>) -> bool {
    let bytes = bytes.unwrap_or_default();
    !bytes.is_empty() && matches!(str::from_utf8(bytes), Err(e) if e.valid_up_to() == 0 && e.error_len().is_none())
}

impl Utf8Chunk<'_> {
    /// The text in pieces.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        let lead = self.lead.get(..self.lead_count).unwrap_or_default();
        lead.utf8_chunks()
            .chain(self.rest.utf8_chunks())
            .flat_map(|chunk| [chunk.valid(), if chunk.invalid().is_empty() { "" } else { "\u{FFFD}" }])
    }
}

impl core::fmt::Display for Utf8Chunk<'_> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.pieces().try_for_each(|piece| formatter.write_str(piece))
    }
}
