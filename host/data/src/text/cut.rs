//! Cutting documents that are too long: at a line end, else at white space, else between characters.

use super::record::Tally;

/// Least number of bytes that documents may be cut at.
pub const LEAST: usize = 64;

/// Where to cut a text that is longer than `longest >= LEAST` bytes: after the last line end in its first `longest`
/// bytes, else after the last white space there, else at the last border of a character there.
pub fn point(text: &str, longest: usize) -> usize {
    let head = &text[..text.floor_char_boundary(longest)];
    match head.rfind('\n') {
        Some(i) => i + 1,
        None => match head.char_indices().rev().find(|(_, c)| c.is_whitespace()) {
            Some((i, c)) => i + c.len_utf8(),
            None => head.len(),
        },
    }
}

/// Gives a long text in pieces.
#[derive(Debug)]
pub struct Cutter {
    longest: usize,
    text: String,
    at: usize,
}

impl Cutter {
    /// Cuts texts of more than `longest` bytes.
    pub fn new(longest: usize) -> Self {
        Self { longest: longest.max(LEAST), text: String::new(), at: 0 }
    }

    /// The first piece of a text, mostly all of it; [`Cutter::rest`] gives the others.
    pub fn first(&mut self, text: String, tally: &mut Tally) -> String {
        if text.len() <= self.longest {
            return text;
        }
        (self.text, self.at) = (text, 0);
        self.rest(tally).unwrap_or_default()
    }

    /// The next piece of the text that was cut last.
    pub fn rest(&mut self, tally: &mut Tally) -> Option<String> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        if rest.len() > self.longest {
            tally.cuts += 1;
            let end = point(rest, self.longest);
            let piece = rest[..end].to_owned();
            self.at += end;
            return Some(piece);
        }
        let last = rest.to_owned();
        (self.text, self.at) = (String::new(), 0);
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn line_ends_are_better_than_spaces_and_spaces_better_than_nothing() {
        let word = "ş".repeat(40);
        assert_eq!(point(&format!("a\nb {word}"), 64), 2);
        assert_eq!(point(&format!("a b\u{2003}{word}"), 64), "a b\u{2003}".len());
        assert_eq!(point(&"ş".repeat(40), 65), 64);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pieces_are_short_and_make_up_the_text(text in "[a şö\\n]{0,600}", longest in 64usize..200) {
            let (mut cutter, mut tally) = (Cutter::new(longest), Tally::default());
            let mut pieces = vec![cutter.first(text.clone(), &mut tally)];
            while let Some(piece) = cutter.rest(&mut tally) {
                pieces.push(piece);
            }
            prop_assert!(pieces.iter().all(|p| p.len() <= longest));
            prop_assert_eq!(pieces.concat(), text);
            prop_assert_eq!(tally.cuts as usize, pieces.len() - 1);
        }
    }
}
