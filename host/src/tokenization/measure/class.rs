//! What a token is worth, judged by the letters it covers.
//!
//! White space at the ends of a token is left aside. A *run* is a maximal run of letters, one with an apostrophe between
//! letters taken whole. Suffixes are those of `affix`, which knows forms and no dictionary: a piece that
//! looks like a suffix counts as one.

use super::runs::{Run, is_chain, is_letter, runs};
use super::subject::Token;

/// What a token covers. Every token is of exactly one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// One whole run and nothing else.
    Word,
    /// The beginning of a run, the rest of which is a chain of suffixes of it.
    Root,
    /// A chain of suffixes that begins inside a run, where the rest of the run is a chain of suffixes of what stands
    /// before it.
    Suffix,
    /// Two or more whole runs and no part of another.
    Phrase,
    /// Part of one run and nothing else, neither root nor suffix.
    Fragment,
    /// Letters and other characters that are none of these, as a word with its full stop.
    Mixed,
    /// No letter: numbers, punctuation, white space.
    Other,
    /// The token for text that the tokenizer does not know.
    Unknown,
}

impl Class {
    /// All classes, in order.
    pub const ALL: [Self; 8] =
        [Self::Word, Self::Root, Self::Suffix, Self::Phrase, Self::Fragment, Self::Mixed, Self::Other, Self::Unknown];

    /// What tokens of the class are called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Word => "whole words",
            Self::Root => "roots",
            Self::Suffix => "suffixes",
            Self::Phrase => "phrases",
            Self::Fragment => "fragments",
            Self::Mixed => "mixed",
            Self::Other => "no letters",
            Self::Unknown => "unknown",
        }
    }
}

/// The class of every token of a text.
pub fn classes(text: &str, tokens: &[Token], unknown: Option<u32>) -> Vec<Class> {
    let runs = runs(text);
    let class = |(i, token): (usize, &Token)| {
        if Some(token.id) == unknown {
            return Class::Unknown;
        }
        // pieces of one character all report that character
        let same = |other: Option<&Token>| other.is_some_and(|other| other.source == token.source);
        let shared = same(i.checked_sub(1).and_then(|i| tokens.get(i))) || same(tokens.get(i + 1));
        class_of(text, &runs, token, shared)
    };
    tokens.iter().enumerate().map(class).collect()
}

fn class_of(text: &str, runs: &[Run<'_>], token: &Token, shared: bool) -> Class {
    let (mut from, mut to) = (token.source.start, token.source.end);
    let whole_characters = text.get(from..to);
    if let Some(covered) = whole_characters {
        from += covered.len() - covered.trim_start().len();
        to = from + covered.trim().len();
    }
    let first = runs.partition_point(|run| run.range.end <= from);
    let met = &runs[first..first + runs[first..].partition_point(|run| run.range.start < to)];
    let (Some(run), Some(last)) = (met.first(), met.last()) else { return Class::Other };
    let whole = run.range.start >= from && last.range.end <= to;
    let inside = from >= run.range.start && to <= run.range.end;
    let covered = text.get(from..to);
    match met {
        _ if from >= to => Class::Other,
        [run] if inside => match covered.filter(|_| !shared) {
            Some(_) if whole => Class::Word,
            Some(_) if from == run.range.start && run.is_suffix_start(to) => Class::Root,
            Some(chain) if from > run.range.start && run.is_suffix_start(from) && is_chain(chain) => Class::Suffix,
            Some(mark) if !mark.contains(is_letter) => Class::Other,
            _ => Class::Fragment,
        },
        [_, _, ..] if whole => Class::Phrase,
        _ => Class::Mixed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The classes of tokens that are the pieces of a text between bars.
    fn of(bars: &str) -> Vec<Class> {
        let text = bars.replace('|', "");
        let mut end = 0;
        let tokens: Vec<Token> = bars
            .split('|')
            .zip(0..)
            .map(|(piece, id)| {
                end += piece.len();
                Token { id, source: end - piece.len()..end }
            })
            .collect();
        classes(&text, &tokens, None)
    }

    #[test]
    fn every_kind_of_token_is_told() {
        use Class::{Fragment, Mixed, Other, Phrase, Root, Suffix, Word};
        for (bars, expected) in [
            ("ev| ev|lerde", vec![Word, Root, Suffix]),
            ("ev|ler|de", vec![Root, Suffix, Suffix]),
            ("kitap|lar|ı ", vec![Root, Suffix, Suffix]),
            ("ki|tap", vec![Fragment, Fragment]),
            ("e|vler|de", vec![Fragment, Fragment, Suffix]),
            ("ya da| öyle ya|da", vec![Phrase, Mixed, Suffix]),
            ("ya| da, öyle", vec![Word, Phrase]),
            ("Ankara|'nın| Ankara|'|nın", vec![Root, Suffix, Root, Other, Suffix]),
            ("Ankara'nın| Ank|ara'nın", vec![Word, Fragment, Fragment]),
            ("EVLER|İMİZ", vec![Root, Suffix]),
            ("evde.| ev|de.", vec![Mixed, Root, Mixed]),
            ("böyle|, |12| \n", vec![Word, Other, Other, Other]),
            ("ev|de o|lan", vec![Root, Mixed, Fragment]),
        ] {
            assert_eq!(of(bars), expected, "{bars}");
        }
    }

    #[test]
    fn pieces_of_a_character_are_fragments() {
        let bytes: Vec<Token> = (0..3).map(|i| Token { id: i, source: i as usize..i as usize + 1 }).collect();
        assert_eq!(classes("ş.", &bytes, None), [Class::Fragment, Class::Fragment, Class::Other]);
        let same: Vec<Token> = (0..2).map(|id| Token { id, source: 0..2 }).collect();
        assert_eq!(classes("ş", &same, None), [Class::Fragment; 2]);
        assert_eq!(classes("ş", &same[1..], Some(1)), [Class::Unknown]);
        assert_eq!(classes("", &[Token { id: 0, source: 0..0 }], None), [Class::Other]);
    }
}
