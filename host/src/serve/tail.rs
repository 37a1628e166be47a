//! The end of a text that grows: what can be sent of it. Bytes are held back while a stop string may begin in them, or a
//! character in them is not whole.

use std::collections::VecDeque;

/// What can be sent: text, and the tokens that lie in the text so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Released<T> {
    /// Whole characters; bytes that are none are U+FFFD.
    pub text: String,
    /// Tokens, each with the number of characters before it.
    pub tokens: Vec<(usize, T)>,
}

/// Bytes that were not sent yet.
#[derive(Clone, Debug)]
pub struct Tail<T> {
    stops: Vec<String>,
    held: Vec<u8>,
    /// Held bytes that no stop string may contain: the rest of an echoed prompt.
    exempt: usize,
    /// Characters that were sent.
    characters: usize,
    /// Tokens that were not sent: where they begin (below 0: in what was sent) and end in the held bytes, and the
    /// characters before them.
    tokens: VecDeque<(isize, usize, usize, T)>,
}

impl<T> Tail<T> {
    /// An empty text that ends before the first of `stops`, none of which is empty.
    pub fn new(stops: Vec<String>) -> Self {
        Self { stops, held: Vec::new(), exempt: 0, characters: 0, tokens: VecDeque::new() }
    }

    /// Adds a token in which no stop string is looked for.
    pub fn echo(&mut self, bytes: &[u8], token: T) -> Released<T> {
        self.add(bytes, token);
        self.held.extend_from_slice(bytes);
        self.exempt = self.held.len();
        self.release(self.held.len())
    }

    /// Adds a token. True: the text ended before a stop string, and nothing may be added any more. Of several, the one counts
    /// that is complete first, and of those the longest; where tokens end does not matter.
    pub fn push(&mut self, bytes: &[u8], token: T) -> (Released<T>, bool) {
        self.add(bytes, token);
        for &byte in bytes {
            self.held.push(byte);
            let found = self.stops.iter().filter(|stop| self.held[self.exempt..].ends_with(stop.as_bytes()));
            if let Some(length) = found.map(String::len).max() {
                let cut = self.held.len() - length;
                self.held.truncate(cut);
                // a token that begins in the stop string is none of the text
                self.tokens.retain(|(begin, ..)| *begin < cut as isize);
                return (self.finish(), true);
            }
        }
        let begins = |at: &usize| self.stops.iter().any(|stop| stop.as_bytes().starts_with(&self.held[*at..]));
        let safe = (self.exempt..self.held.len()).find(begins).unwrap_or(self.held.len());
        (self.release(safe), false)
    }

    /// What is left at the end of the text; of a character that is not whole, U+FFFD.
    pub fn finish(&mut self) -> Released<T> {
        let text = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        self.characters += text.chars().count();
        Released { text, tokens: self.tokens.drain(..).map(|(.., before, token)| (before, token)).collect() }
    }

    fn add(&mut self, bytes: &[u8], token: T) {
        let begin = self.held.len();
        let whole = String::from_utf8_lossy(&self.held[..whole(&self.held)]).chars().count();
        self.tokens.push_back((begin as isize, begin + bytes.len(), self.characters + whole, token));
    }

    /// Releases the whole characters of the first `safe` held bytes, and the tokens that end there.
    fn release(&mut self, safe: usize) -> Released<T> {
        let cut = whole(&self.held[..safe]);
        let text = String::from_utf8_lossy(&self.held[..cut]).into_owned();
        self.held.drain(..cut);
        self.exempt = self.exempt.saturating_sub(cut);
        self.characters += text.chars().count();
        let ended = self.tokens.iter().take_while(|(_, end, ..)| *end <= safe).count();
        let tokens = self.tokens.drain(..ended).map(|(.., before, token)| (before, token)).collect();
        for (begin, end, ..) in &mut self.tokens {
            (*begin, *end) = (*begin - cut as isize, *end - cut);
        }
        Released { text, tokens }
    }
}

/// Bytes up to the beginning of a character at their end whose rest has not come.
fn whole(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    let begun = std::str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
    bytes.len() - if begun { last.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where a text ends, and whether before a stop string.
    fn ends(bytes: &[u8], stops: &[String]) -> (usize, bool) {
        let lengths =
            |end: usize| stops.iter().filter(move |stop| bytes[..end].ends_with(stop.as_bytes())).map(String::len);
        let found = (1..=bytes.len()).find_map(|end| Some(end - lengths(end).max()?));
        (found.unwrap_or(bytes.len()), found.is_some())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]
        #[test]
        fn a_text_ends_before_its_first_stop_string_however_it_is_cut_into_tokens(
            text in "[abış€😀]{0,16}",
            broken in proptest::option::of(0usize..40),
            stops in proptest::collection::vec("[abış€😀]{1,3}", 0..4),
            lengths in proptest::collection::vec(1usize..5, 64),
        ) {
            let mut bytes = text.into_bytes();
            if let Some(at) = broken.filter(|at| *at < bytes.len()) {
                bytes.remove(at);
            }
            let (end, stopped) = ends(&bytes, &stops);
            let (mut tail, mut rest, mut got, mut tokens) = (Tail::new(stops), &bytes[..], String::new(), Vec::new());
            let (mut begins, mut over) = (Vec::new(), false);
            for (number, length) in lengths.into_iter().chain([usize::MAX]).enumerate() {
                if over || rest.is_empty() {
                    break;
                }
                let (token, after) = rest.split_at(length.min(rest.len()));
                begins.push(bytes.len() - rest.len());
                let (released, is_over) = tail.push(token, number);
                (rest, over) = (after, is_over);
                got += &released.text;
                tokens.extend(released.tokens);
            }
            if !over {
                let released = tail.finish();
                got += &released.text;
                tokens.extend(released.tokens);
            }
            prop_assert_eq!(over, stopped);
            prop_assert_eq!(&got, &String::from_utf8_lossy(&bytes[..end]));
            // every token of the text comes once, in order, with the whole characters before it
            let inside: Vec<usize> = begins.iter().copied().filter(|begin| *begin < end || !over).collect();
            let expected: Vec<(usize, usize)> = inside
                .iter()
                .enumerate()
                .map(|(number, &begin)| (String::from_utf8_lossy(&bytes[..whole(&bytes[..begin])]).chars().count(), number))
                .collect();
            prop_assert_eq!(tokens, expected);
        }
    }

    #[test]
    fn text_is_held_back_only_while_it_must_be() {
        let mut tail = Tail::new(vec!["\n\n".into()]);
        assert_eq!(tail.push(b"bir\n", 0).0, Released { text: "bir".into(), tokens: vec![] });
        assert_eq!(tail.push(b"iki", 1).0, Released { text: "\niki".into(), tokens: vec![(0, 0), (4, 1)] });
        assert_eq!(
            tail.push("ş".as_bytes().split_at(1).0, 2).0,
            Released { text: String::new(), tokens: vec![(7, 2)] }
        );
        assert_eq!(tail.push("ş".as_bytes().split_at(1).1, 3).0, Released { text: "ş".into(), tokens: vec![(7, 3)] });
        assert!(tail.push(b"\n\nuc", 4).1);
    }

    #[test]
    fn an_echoed_prompt_holds_no_stop_string() {
        let mut tail = Tail::new(vec!["ab".into(), "é".into()]);
        assert_eq!(tail.echo(b"ab a", 0).text, "ab a");
        assert_eq!(tail.echo(b"\xc3", 1).text, "");
        // neither does one begin in it
        let (released, over) = tail.push(b"\xa9b", 2);
        assert_eq!((released.text.as_str(), over), ("éb", false));
        assert!(tail.push(b"ab", 3).1);
    }
}
