//! Where words end, read token by token: tokens may begin and end inside a character.

use crate::mark::is_mark;

/// Whether a character belongs to a word: letters, digits, marks on letters, and the apostrophes before Turkish suffixes.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\'' | '’') || is_mark(c)
}

/// Where the unfinished word at the end of `text` begins, in bytes: the length of `text` where it ends in none.
pub fn word_start(text: &str) -> usize {
    text.trim_end_matches(is_of_word).len()
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A word, or one space before it.
    Space,
    /// A word.
    Before,
    /// The rest of the word, or its end.
    Inside,
}

/// A place in an ending: what was read of it since the end of the typed text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    phase: Phase,
    /// Bytes of its whole characters.
    length: usize,
    /// The beginning of a character.
    held: [u8; 4],
    count: usize,
}

/// What reading on leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// The word goes on.
    Open(Ending),
    /// It ended after so many bytes.
    Ended(usize),
    /// No word: it does not begin, or is no text.
    Never,
}

impl Ending {
    /// At the end of a typed text.
    pub fn after(text: &str) -> Self {
        let phase = match text.chars().next_back() {
            Some(c) if is_of_word(c) => Phase::Inside,
            Some(c) if !c.is_whitespace() => Phase::Space,
            _ => Phase::Before,
        };
        Self { phase, length: 0, held: [0; 4], count: 0 }
    }

    /// Bytes read, those of an unfinished character included.
    pub fn bytes(&self) -> usize {
        self.length.saturating_add(self.count)
    }

    /// Bytes of whole characters read.
    pub fn whole(&self) -> usize {
        self.length
    }

    /// The end of the word if the text ended here.
    pub fn end(&self) -> Option<usize> {
        (self.phase == Phase::Inside && self.count == 0).then_some(self.length)
    }

    /// Reads on.
    pub fn push(mut self, bytes: &[u8]) -> Next {
        for &byte in bytes {
            let Some(place) = self.held.get_mut(self.count) else { return Next::Never };
            *place = byte;
            self.count = self.count.saturating_add(1);
            let c = match core::str::from_utf8(self.held.get(..self.count).unwrap_or_default()) {
                Ok(text) => text.chars().next(),
                Err(error) if error.error_len().is_some() => return Next::Never,
                Err(_) => None,
            };
            let Some(c) = c else { continue };
            self.phase = match (self.phase, is_of_word(c)) {
                (_, true) => Phase::Inside,
                (Phase::Space, false) if c == ' ' => Phase::Before,
                (Phase::Inside, false) => return Next::Ended(self.length),
                (_, false) => return Next::Never,
            };
            self.length = self.bytes();
            self.count = 0;
        }
        Next::Open(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What reading `more` after `text` leads to, however `more` is cut.
    fn read(text: &str, more: &[u8]) -> Option<Result<usize, usize>> {
        let mut results = (0..=more.len()).map(|cut| {
            let (a, b) = more.split_at(cut);
            match Ending::after(text).push(a) {
                Next::Open(ending) => match ending.push(b) {
                    Next::Open(ending) => Some(Err(ending.bytes())),
                    Next::Ended(length) => Some(Ok(length)),
                    Next::Never => None,
                },
                Next::Ended(length) => Some(Ok(length)),
                Next::Never => None,
            }
        });
        let first = results.next().expect("a cut");
        assert!(results.all(|other| other == first), "{text:?} {more:?}");
        first
    }

    #[test]
    fn words_end_where_they_end() {
        assert_eq!(read("Ankara'd", "aki ".as_bytes()), Some(Ok(3)));
        assert_eq!(read("Ankara", "’ya “".as_bytes()), Some(Ok(5)));
        assert_eq!(read("Ankara", ".".as_bytes()), Some(Ok(0)));
        assert_eq!(read("gel ", "şimdi…".as_bytes()), Some(Ok("şimdi".len())));
        assert_eq!(read("gel ", " şimdi ".as_bytes()), None);
        assert_eq!(read("gel,", " şimdi,".as_bytes()), Some(Ok(" şimdi".len())));
        assert_eq!(read("gel,", "  şimdi,".as_bytes()), None);
        assert_eq!(read("", "gel".as_bytes()), Some(Err(3)));
        assert_eq!(read("gel", &"ş".as_bytes()[..1]), Some(Err(1)));
        assert_eq!(read("gel", &[b'a', 0xFF]), None);
        assert_eq!([word_start("Ankara'd"), word_start("bir, iki "), word_start("(şi")], [0, 9, 1]);
    }
}
