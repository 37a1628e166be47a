//! Where the queries and keys of one block lie.

use super::rows::WIDE;

/// One block of queries and a stretch of the keys which any of them sees.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    /// First row of the queries.
    pub row: usize,
    /// Number of queries.
    pub queries: usize,
    /// First row of the keys.
    pub key: usize,
    /// Number of keys.
    pub keys: usize,
    /// Whether these are the first keys of the block.
    pub opens: bool,
    /// Whether these are the last keys of the block.
    pub closes: bool,
    /// First row of the sequence.
    pub first: usize,
    /// Rows of the sequence.
    pub context: usize,
    /// Positions before and after a query that are visible, as of the keys.
    pub reach: usize,
    pub ahead: usize,
    /// First visible index of every row's sequence.
    pub starts: Option<&'a [u32]>,
}

impl Span<'_> {
    /// The keys of the block which query `i` of the block sees, as bounds
    /// relative to the first key.
    #[inline(always)]
    pub(super) fn visible(&self, i: usize) -> (usize, usize) {
        let row = self.row + i;
        let t = row - self.first;
        let start = self.starts.map_or(0, |s| s[row] as usize);
        let end = if self.reach == 0 { t } else { self.context.min(t.saturating_add(self.ahead).saturating_add(1)) };
        let begin = (t + 1).saturating_sub(self.reach).max(start).min(end);
        let skip = self.key - self.first;
        (begin.saturating_sub(skip).min(self.keys), end.saturating_sub(skip).min(self.keys))
    }

    /// Elements from a row of the block to the next: the keys, in whole chunks.
    #[inline(always)]
    pub(super) fn stride(&self) -> usize {
        self.keys.next_multiple_of(WIDE)
    }

    /// Elements of the block.
    pub(super) fn len(&self) -> usize {
        self.queries * self.stride()
    }
}
