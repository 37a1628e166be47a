//! Bytes to text.

use anyhow::{Result, bail};

/// Text from bytes; invalid sequences become U+FFFD and are counted if `lossy`. `offset` is where the bytes begin and
/// `place` names the thing they begin in, as in `haber.txt` or `row 7 of haber.csv`.
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
) -> Result<std::borrow::Cow<'a, str>> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text.into()),
        Err(error) => error,
    };
    if !lossy {
        let utf16 = offset == 0 && (bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff"));
        let hint = if utf16 { "; it looks like UTF-16: convert it to UTF-8 first" } else { "" };
        let at = offset + error.valid_up_to() as u64;
        bail!("{place} is not UTF-8 text: byte {at} does not continue a character{hint} (--lossy replaces such bytes)");
    }
    *replaced += bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count() as u64;
    Ok(String::from_utf8_lossy(bytes))
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
        let message = text(b"\xff\xfea\0", 0, &"a.txt", false, &mut replaced).unwrap_err().to_string();
        assert!(message.contains("UTF-16"), "{message}");
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
