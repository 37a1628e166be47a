//! Where text is cut before it is encoded: no token crosses these borders.

use serde::{Deserialize, Serialize};

use super::words::Words;

/// How text is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Segmentation {
    /// Into lines, each with its line end and the empty lines after it.
    Lines,
    /// Into words, numbers of at most two digits, punctuation and white space; see [`WORDS`].
    Words,
}

/// The pattern of [`Segmentation::Lines`].
pub const LINES: &str = r"[^\n]*\n+";

/// The pattern of [`Segmentation::Words`].
///
/// In turn: an apostrophe with the letters after it (Turkish proper names take their suffixes behind one:
/// `Ankara'nın`), a word, one or two digits, punctuation, line ends, other white space. Words, numbers and punctuation
/// take one space before them along.
pub const WORDS: &str = concat!(
    r"['’][\p{L}\p{M}]+",
    r"| ?[\p{L}\p{M}]+",
    r"| ?\p{N}{1,2}",
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*",
    r"|\s*[\r\n]+",
    r"|\s+(?!\S)",
    r"|\s+",
);

/// The classes of characters that the pattern of words distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// `[\p{L}\p{M}]`
    Letter,
    /// `\p{N}`
    Number,
    /// `\s`
    Space,
    /// A character in none of the classes above, for instance punctuation; code 0 in a table.
    Other,
}

impl Class {
    /// The class written as `code` in a table.
    fn of_code(code: u32) -> Self {
        match code & 3 {
            0 => Self::Other,
            1 => Self::Letter,
            2 => Self::Number,
            _ => Self::Space,
        }
    }

    /// How a table writes the class.
    #[cfg(feature = "std")]
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Other => 0,
            Self::Letter => 1,
            Self::Number => 2,
            Self::Space => 3,
        }
    }

    fn of_ascii(c: u8) -> Self {
        match c {
            b'a'..=b'z' | b'A'..=b'Z' => Self::Letter,
            b'0'..=b'9' => Self::Number,
            b'\t'..=b'\r' | b' ' => Self::Space,
            _ => Self::Other,
        }
    }
}

/// The class of every character: a sorted table of `first character << 2 | class` of every run of equal class.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Classes<'a>(pub(crate) Words<'a>);

impl Classes<'_> {
    pub(crate) fn of(&self, c: char) -> Class {
        if let Ok(ascii) = u8::try_from(c)
            && ascii.is_ascii()
        {
            return Class::of_ascii(ascii);
        }
        let runs = self.0.partition_point(|run| run >> 2 <= u32::from(c));
        let run = u32::try_from(runs).ok().and_then(|runs| self.0.get(runs.checked_sub(1)?));
        run.map_or(Class::Other, Class::of_code)
    }
}

impl Segmentation {
    /// The segments of `text` in order; together they are the text.
    pub(crate) fn segments<'t>(self, classes: Classes<'_>, mut text: &'t str) -> impl Iterator<Item = &'t str> {
        core::iter::from_fn(move || {
            let (segment, rest) = text.split_at_checked(self.first(classes, text))?;
            text = rest;
            (!segment.is_empty()).then_some(segment)
        })
    }

    /// The length of the front of `text` whose segments are the same whatever follows `text`.
    pub(crate) fn finished(self, classes: Classes<'_>, text: &str) -> usize {
        // white space at the end may join what follows, also where it is several segments by now
        let solid = text.trim_end_matches(|c| classes.of(c) == Class::Space).len();
        let is_space = |c| classes.of(c) == Class::Space && !matches!(c, '\r' | '\n');
        let (mut border, mut start) = (0, 0);
        for segment in self.segments(classes, text) {
            let end = start + segment.len();
            if end > solid || end == text.len() {
                break;
            }
            // a front that ended here would have the white space of two segments as one
            let before = text.get(..start).and_then(|before| before.chars().next_back());
            if !(segment.chars().next_back().is_some_and(is_space) && before.is_some_and(is_space)) {
                border = end;
            }
            start = end;
        }
        border
    }

    /// The length in bytes of the first segment of `text`; 0 only for empty text.
    fn first(self, classes: Classes<'_>, text: &str) -> usize {
        match self {
            Self::Lines => first_line(text.as_bytes()),
            Self::Words => first_word(classes, text),
        }
    }
}

fn first_line(bytes: &[u8]) -> usize {
    let content = bytes.iter().take_while(|&&byte| byte != b'\n').count();
    content + bytes.iter().skip(content).take_while(|&&byte| byte == b'\n').count()
}

fn first_word(classes: Classes<'_>, text: &str) -> usize {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return 0 };
    let second = chars.next().map(|c| classes.of(c));
    let (lead, class) = match (first, second) {
        ('\'' | '’', Some(Class::Letter)) => (first.len_utf8(), Class::Letter),
        (' ', Some(class)) if class != Class::Space => (1, class),
        _ => (0, classes.of(first)),
    };
    let rest = text.get(lead..).unwrap_or_default();
    let run = |class: Class, most: usize| {
        rest.chars().take(most).take_while(|&c| classes.of(c) == class).map(char::len_utf8).sum::<usize>()
    };
    match class {
        Class::Letter => lead + run(Class::Letter, usize::MAX),
        Class::Number => lead + run(Class::Number, 2),
        Class::Other => {
            let marks = lead + run(Class::Other, usize::MAX);
            let after = text.get(marks..).unwrap_or_default();
            marks + after.bytes().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
        }
        Class::Space => {
            let spaces = rest.get(..run(Class::Space, usize::MAX)).unwrap_or_default();
            match (spaces.rfind(['\r', '\n']), spaces.chars().next_back()) {
                (Some(last), _) => last + 1,
                (None, Some(last)) if spaces.len() < rest.len() && spaces.len() > last.len_utf8() => {
                    spaces.len() - last.len_utf8()
                }
                _ => spaces.len(),
            }
        }
    }
}
