//! The runs of letters in a text, and where suffixes may start in them.

use std::cell::OnceCell;
use std::ops::Range;

use ebt_data::text::case::lower;
use unicode_normalization::char::is_combining_mark;

use super::affix::{is_suffix_chain, suffix_starts};

/// A maximal run of letters: of a word with an apostrophe between letters (`Ankara'nın`), all of it.
#[derive(Clone, Debug)]
pub(super) struct Run<'a> {
    /// Its letters as they stand in the text, in their own case, with the apostrophes between them.
    pub text: &'a str,
    /// Its bytes in the text it is from.
    pub range: Range<usize>,
    starts: OnceCell<Vec<usize>>,
}

impl Run<'_> {
    /// Whether a suffix may start at a byte of the text: what follows is a chain of suffixes of what stands before.
    pub fn is_suffix_start(&self, at: usize) -> bool {
        let starts = self.starts.get_or_init(|| suffix_borders(self.text));
        at.checked_sub(self.range.start).is_some_and(|at| starts.contains(&at))
    }
}

/// The bytes of a run at which a suffix may start. Behind an apostrophe these are the places between two chains, the
/// apostrophe itself and the place after it, if all that follows it is one.
fn suffix_borders(run: &str) -> Vec<usize> {
    let Some((apostrophe, mark)) = run.char_indices().rfind(|&(_, letter)| is_apostrophe(letter)) else {
        return suffix_starts(run).collect();
    };
    let after = apostrophe + mark.len_utf8();
    let rest = &run[after..];
    if !is_chain(rest) {
        return Vec::new();
    }
    let inner = rest.char_indices().map(|(at, _)| at).skip(1);
    let inner = inner.filter(|&at| is_chain(&rest[..at]) && is_chain(&rest[at..])).map(|at| after + at);
    [apostrophe, after].into_iter().chain(inner).collect()
}

/// Whether letters in any case are a chain of suffixes; an apostrophe before them is left out.
pub(super) fn is_chain(letters: &str) -> bool {
    let small: String = lower(letters.strip_prefix(is_apostrophe).unwrap_or(letters)).collect();
    is_suffix_chain(&small)
}

/// All runs of letters, in order.
pub(super) fn runs(text: &str) -> Vec<Run<'_>> {
    let mut all: Vec<Run<'_>> = Vec::new();
    let mut start = None;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let joins =
            is_apostrophe(letter) && start.is_some() && letters.peek().is_some_and(|&(_, next)| is_letter(next));
        if is_letter(letter) || joins {
            start = start.or(Some(at));
        } else if let Some(start) = start.take() {
            all.push(run(text, start..at));
        }
    }
    if let Some(start) = start {
        all.push(run(text, start..text.len()));
    }
    all
}

fn run(text: &str, range: Range<usize>) -> Run<'_> {
    Run { text: &text[range.clone()], range, starts: OnceCell::new() }
}

/// Whether a character belongs to a run: a letter, or a mark that belongs to the letter before it.
pub(super) fn is_letter(letter: char) -> bool {
    letter.is_alphabetic() || is_combining_mark(letter)
}

fn is_apostrophe(letter: char) -> bool {
    matches!(letter, '\'' | '’')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        runs(text).iter().map(|run| run.text).collect()
    }

    #[test]
    fn runs_are_words_of_letters_with_their_apostrophes() {
        assert_eq!(
            texts("Ankara'nın 3 ilçesi; 'tek' tırnak’ta, a1b."),
            ["Ankara'nın", "ilçesi", "tek", "tırnak’ta", "a", "b"]
        );
        assert_eq!(texts("g\u{306}ol'"), ["g\u{306}ol"]);
        assert!(runs(" 12 '' ").is_empty());
        let text = "ab  şü";
        assert!(runs(text).iter().all(|run| &text[run.range.clone()] == run.text));
    }

    #[test]
    fn suffixes_start_inside_words_and_behind_apostrophes() {
        let starts = |text: &str| -> Vec<String> {
            let borders = suffix_borders(text);
            borders.into_iter().map(|at| format!("{}|{}", &text[..at], &text[at..])).collect()
        };
        assert!(starts("evlerde").contains(&String::from("ev|lerde")));
        assert!(!starts("evlerde").contains(&String::from("evle|rde")));
        assert_eq!(
            starts("Ankara'dakiler"),
            ["Ankara|'dakiler", "Ankara'|dakiler", "Ankara'da|kiler", "Ankara'daki|ler"]
        );
        assert!(starts("O'Neill").is_empty());
        let text = "bu evlerde";
        let all = runs(text);
        assert!(all[1].is_suffix_start("bu ev".len()) && !all[1].is_suffix_start("bu e".len()));
        assert!(!all[1].is_suffix_start(0));
    }
}
