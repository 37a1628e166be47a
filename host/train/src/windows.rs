//! Text cut into windows of a model's context, and these gathered into batches.

use std::ops::Range;

use anyhow::{Result, bail};
use ebt_data::Tokens;
use ebt_tokenizer::Tokenizer;

/// About how much text is measured: a window that begins within the limits is taken whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Tokens.
    pub tokens: Option<usize>,
    /// Bytes of text.
    pub bytes: Option<usize>,
}

/// A run of tokens of one document, to be predicted together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Number of the source it is from.
    pub source: usize,
    /// Position of the first predicted token in the stream; the one before it, a begin token or text, is observed.
    pub start: u64,
    /// Predicted tokens, at least 1.
    pub length: usize,
    /// Bytes of text that these stand for, once counted.
    pub bytes: usize,
}

impl Window {
    /// Positions of the predicted tokens.
    pub fn targets(&self) -> Range<u64> {
        self.start..self.start + self.length as u64
    }
}

/// All windows of at most `context` tokens, by source.
fn windows(text: &Tokens, context: usize) -> Vec<Vec<Window>> {
    let mut by_source = vec![Vec::new(); text.sources().len()];
    for document in 0..text.documents() {
        let (source, tokens) = (text.source(document), text.document(document));
        for start in (tokens.start + 1..tokens.end).step_by(context) {
            let length = (tokens.end - start).min(context as u64) as usize;
            by_source[source].push(Window { source, start, length, bytes: 0 });
        }
    }
    by_source
}

/// The windows that are measured: within the limits, of all sources in turn.
///
/// # Errors
///
/// No text, and a damaged shard.
pub fn chosen_windows(text: &Tokens, tokenizer: &Tokenizer, context: usize, limits: Limits) -> Result<Vec<Window>> {
    let width = |id: &u32| tokenizer.token_bytes(*id).map_or(0, <[u8]>::len);
    let mut ids = Vec::new();
    let windows = limited(windows(text, context), limits, |window| {
        ids.clear();
        text.gather(window.targets(), &mut ids)?;
        Ok(ids.iter().map(width).sum())
    })?;
    if windows.is_empty() {
        bail!("there is no text to evaluate");
    }
    Ok(windows)
}

/// The windows within the limits, taken from all sources in turn, with their bytes counted.
fn limited(
    by_source: Vec<Vec<Window>>,
    limits: Limits,
    mut count: impl FnMut(&Window) -> Result<usize>,
) -> Result<Vec<Window>> {
    let longest = by_source.iter().map(Vec::len).max().unwrap_or(0);
    let (mut tokens, mut bytes, mut taken) = (0, 0, Vec::new());
    for i in 0..longest {
        for window in by_source.iter().filter_map(|list| list.get(i)) {
            let full = |sum: usize, limit: Option<usize>| limit.is_some_and(|limit| sum >= limit);
            if full(tokens, limits.tokens) || full(bytes, limits.bytes) {
                return Ok(taken);
            }
            let window = Window { bytes: count(window)?, ..*window };
            tokens += window.length;
            bytes += window.bytes;
            taken.push(window);
        }
    }
    Ok(taken)
}

/// Windows of about the same length, padded to `context` rows each.
#[derive(Debug)]
pub struct Group<'a> {
    /// Rows of every window.
    pub context: usize,
    /// Number of the first row, for the initial states.
    pub first_row: u64,
    /// The windows.
    pub windows: Vec<&'a Window>,
}

/// Lengths are rounded up to eighths of the context, so that short documents cost little. The initial state of a row
/// is numbered by its place among all windows of its length: batches of another size give the same states.
pub fn batches(windows: &[Window], context: usize, batch: usize) -> Vec<Group<'_>> {
    const CLASSES: usize = 8;
    let rows = |class: usize| (context * class).div_ceil(CLASSES);
    let mut groups = Vec::new();
    for class in 1..=CLASSES {
        let fits = |w: &&Window| w.length <= rows(class) && w.length > rows(class - 1);
        let members: Vec<&Window> = windows.iter().filter(fits).collect();
        for (i, chunk) in members.chunks(batch).enumerate() {
            let first_row = ((class as u64) << 32) + (i * batch * rows(class)) as u64;
            groups.push(Group { context: rows(class), first_row, windows: chunk.to_vec() });
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    use ebt_data::part::Encoded;

    /// Documents of these lengths, by source; a byte a token.
    fn text(sources: &[&[usize]]) -> Tokens {
        let mut all = Encoded::default();
        for (source, lengths) in sources.iter().enumerate() {
            lengths.iter().for_each(|&n| all.push(0, &vec![7; n], n as u64, source as u32));
        }
        Tokens::new(all, sources.iter().map(|_| String::from("s")).collect(), 0, 8)
    }

    #[test]
    fn windows_cover_every_token_once() {
        let text = text(&[&[0, 1, 5, 8, 17], &[3]]);
        let found = windows(&text, 8);
        let lengths: Vec<usize> = found[0].iter().map(|w| w.length).collect();
        assert_eq!(lengths, [1, 5, 8, 8, 8, 1]);
        assert_eq!(found[1].len(), 1);
        let mut ids = Vec::new();
        found.iter().flatten().for_each(|w| text.gather(w.targets(), &mut ids).unwrap());
        assert_eq!(ids, [7; 34]);
    }

    #[test]
    fn batches_hold_every_window_once_and_number_rows_by_window() {
        let all: Vec<Window> = windows(&text(&[&[1, 2, 3, 9, 16, 10, 1, 40]]), 16).concat();
        let numbers = |batch: usize| {
            let mut rows: Vec<(u64, u64)> = Vec::new();
            for group in batches(&all, 16, batch) {
                for (i, w) in group.windows.iter().enumerate() {
                    assert!(w.length <= group.context);
                    rows.push((w.start, group.first_row + (i * group.context) as u64));
                }
            }
            rows.sort_unstable();
            rows
        };
        assert_eq!(numbers(1).len(), all.len());
        assert_eq!(numbers(1), numbers(3));
    }

    #[test]
    fn limits_take_from_all_sources() {
        let by_source = windows(&text(&[&[4, 4, 4], &[4, 4, 4]]), 4);
        let limits = Limits { tokens: Some(8), bytes: None };
        let taken = limited(by_source, limits, |w| Ok(w.length)).unwrap();
        assert_eq!(taken.iter().map(|w| w.source).collect::<Vec<_>>(), [0, 1]);
    }
}
