//! Bytes to text.

use std::borrow::Cow;

use anyhow::{Result, bail};

use crate::program;

/// Bytes at the start of a text by which its encoding is judged.
pub const HEAD: usize = 64;

/// The length of the byte-order mark that a text begins with; 0 without one. `head` is its first [`HEAD`] bytes.
///
/// # Errors
///
/// Text in UTF-16 or UTF-32, which is not read; the message names `path`.
pub fn byte_order_mark(head: &[u8], path: &str) -> Result<usize> {
    let zeros = |first: usize| head.iter().skip(first).step_by(2).filter(|&&byte| byte == 0).count();
    // where most letters are those of ASCII, every other byte is zero
    let (even, odd) = (zeros(0), zeros(1));
    let wide = even.min(odd) == 0 && 4 * even.max(odd) > head.len();
    if wide || head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        bail!("{path} is not UTF-8 text but looks like UTF-16: convert it first (`iconv -f UTF-16 -t UTF-8`)");
    }
    Ok(if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 })
}

/// Text from bytes; every ill-formed sequence becomes one U+FFFD and is counted if `lossy`. `offset` is where the bytes
/// begin and `place` names the thing they begin in, as in `haber.txt` or `row 7 of haber.csv`.
///
/// # Errors
///
/// Invalid UTF-8 unless `lossy`; the message names the byte.
pub fn text<'a>(
    bytes: &'a [u8],
    offset: u64,
    place: &dyn std::fmt::Display,
    lossy: bool,
    replaced: &mut u64,
) -> Result<Cow<'a, str>> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text.into()),
        Err(error) => error,
    };
    if !lossy {
        let at = offset + error.valid_up_to() as u64;
        bail!(
            "{place} is not UTF-8 text: byte {at} does not continue a character (`{} data prepare --lossy` replaces such bytes)",
            program::name()
        );
    }
    let (mut out, mut rest) = (String::with_capacity(bytes.len()), bytes);
    while let Some(chunk) = rest.utf8_chunks().next() {
        out.push_str(chunk.valid());
        rest = &rest[chunk.valid().len()..];
        if !rest.is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
            *replaced += 1;
            // half of a surrogate pair, written like a character, is one sequence
            let half = matches!(rest, [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..]);
            rest = &rest[if half { 3 } else { chunk.invalid().len() }..];
        }
    }
    Ok(out.into())
}

/// Bytes at the end that may begin a character which goes on behind them.
pub fn unfinished(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    // a lead byte with fewer continuation bytes behind it than it announces
    let unfinished = tail.iter().rposition(|&b| b >= 0xC0).filter(|&i| {
        let length = match tail[i] {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            _ => 4,
        };
        tail.len() - i < length && tail[i + 1..].iter().all(|&b| b & 0xC0 == 0x80)
    });
    unfinished.map_or(0, |i| tail.len() - i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_name_the_byte_and_lossy_counts() {
        let mut replaced = 0;
        let message = text(b"ab\xffc", 10, &"a.txt", false, &mut replaced).unwrap_err().to_string();
        assert!(message.contains("a.txt") && message.contains("byte 12") && message.contains("--lossy"), "{message}");
        assert_eq!(text(b"ab\xffc\xfe", 0, &"a.txt", true, &mut replaced).unwrap(), "ab\u{fffd}c\u{fffd}");
        assert_eq!(replaced, 2);
        // halves of surrogate pairs, alone, doubled and cut off
        for (bytes, expected) in [
            (&b"a\xed\xa0\xbdb"[..], "a\u{fffd}b"),
            (b"\xed\xb2\x80\xed\xa0\xbd", "\u{fffd}\u{fffd}"),
            (b"a\xed\xa0", "a\u{fffd}\u{fffd}"),
            (b"\xe5\x9fb\xf0\x9f\x98", "\u{fffd}b\u{fffd}"),
        ] {
            let before = replaced;
            assert_eq!(text(bytes, 0, &"a.txt", true, &mut replaced).unwrap(), expected);
            assert_eq!((replaced - before) as usize, expected.matches('\u{fffd}').count());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn text_cut_anywhere_is_valid_without_its_unfinished_end(text in "\\PC{1,12}", at in 0usize..40) {
            let bytes = &text.as_bytes()[..at.min(text.len())];
            let whole = &bytes[..bytes.len() - unfinished(bytes)];
            prop_assert_eq!(std::str::from_utf8(whole).unwrap().len(), text.floor_char_boundary(bytes.len()));
        }
    }
}
