//! What is done to text before a model reads it, in this order:
//!
//! 1. byte-order marks at its start and at starts of lines are removed;
//! 2. line ends become LF (carriage returns before a line feed are removed);
//! 3. it is brought into Unicode normalization form C;
//! 4. of a document, blank lines at its start and end are removed, and the line end of its last line.
//!
//! Cleaning twice is cleaning once.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The text of a document, cleaned; empty when nothing but white space was in it.
pub fn clean(text: &str) -> Cow<'_, str> {
    match normal(text) {
        Cow::Borrowed(text) => Cow::Borrowed(without_outer_blank_lines(text)),
        Cow::Owned(text) => {
            let inner = without_outer_blank_lines(&text);
            if inner.len() == text.len() { Cow::Owned(text) } else { Cow::Owned(inner.to_owned()) }
        }
    }
}

/// Text of which all lines stay: a prompt, whose last line end matters.
pub fn normal(text: &str) -> Cow<'_, str> {
    let text = text.trim_start_matches(BYTE_ORDER_MARK);
    let text = match text.contains("\r\n") || text.contains("\n\u{feff}") {
        true => Cow::Owned(plain_lines(text)),
        false => Cow::Borrowed(text),
    };
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text,
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Every run of carriage returns before a line feed removed, and byte-order marks at starts of lines.
fn plain_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let line = line.trim_start_matches(BYTE_ORDER_MARK);
        match line.strip_suffix('\n') {
            Some(content) => {
                out.push_str(content.trim_end_matches('\r'));
                out.push('\n');
            }
            None => out.push_str(line),
        }
    }
    out
}

fn without_outer_blank_lines(mut text: &str) -> &str {
    // a mark may stand behind blank lines
    while let Some((line, rest)) = text.split_once('\n') {
        if !line.chars().all(|c| c.is_whitespace() || c == BYTE_ORDER_MARK) {
            break;
        }
        text = rest;
    }
    text = text.trim_start_matches(BYTE_ORDER_MARK);
    let content = text.trim_end();
    // white space at the end of the last line stays
    let line_end = text[content.len()..].find(['\n', '\r']).map_or(text.len(), |i| content.len() + i);
    if content.is_empty() { "" } else { &text[..line_end] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_steps_are_done() {
        assert_eq!(clean("\u{feff}\r\n \t\r\n  bir\r\niki  \r\n\r\n"), "  bir\niki  ");
        assert_eq!(clean("\n\u{feff}\u{feff}bir\r"), "bir");
        assert_eq!(clean("s\u{327}\u{131}g\u{306}"), "şığ");
        assert_eq!(clean(" \u{feff} \r\n\u{a0}\n"), "");
        assert!(matches!(clean("şimdi\niki"), Cow::Borrowed(_)));
        // joined files
        assert_eq!(clean("bir\n\u{feff}iki\r\n\u{feff}\u{feff}üç \u{feff} dört"), "bir\niki\nüç \u{feff} dört");
    }

    #[test]
    fn prompts_keep_their_lines() {
        assert_eq!(normal("\u{feff}  Bir varmıs\u{327},\r\n\r\n"), "  Bir varmış,\n\n");
        assert_eq!(normal("\n\n"), "\n\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn cleaning_twice_is_cleaning_once(text in "[ab\\n\\r \u{feff}\u{327}\u{306}sgİı\t]{0,24}") {
            let once = clean(&text).into_owned();
            prop_assert_eq!(clean(&once), once.as_str());
            prop_assert!(!once.contains("\r\n"), "line ends");
            prop_assert!(!once.contains("\n\u{feff}"), "marks");
            let lines = normal(&text).into_owned();
            prop_assert_eq!(normal(&lines), lines.as_str());
            prop_assert_eq!(clean(&lines), once.as_str());
            prop_assert!(!once.starts_with(['\n', BYTE_ORDER_MARK]) && !once.ends_with('\n'), "outer lines");
        }
    }
}
