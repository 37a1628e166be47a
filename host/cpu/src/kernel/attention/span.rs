//! Where the queries and keys of one block lie.

use super::super::element::Element;
use super::super::gemm::gemm_serial;
use super::layout::{BLOCK, Layout};

/// A projection with its layout.
#[derive(Clone, Copy)]
pub(super) struct Projection<'a, E> {
    pub data: &'a [E],
    pub layout: Layout,
}

impl<'a, E: Element> Projection<'a, E> {
    /// Everything from the query of `row`, head `h`, on.
    pub(super) fn queries(&self, row: usize, h: usize) -> &'a [E] {
        &self.data[row * self.layout.columns() + h * self.layout.width..]
    }

    /// The query of one row and head.
    #[inline(always)]
    pub(super) fn query(&self, row: usize, h: usize) -> &'a [E] {
        self.head(row, h)
    }

    /// The own key of one row and key head.
    #[inline(always)]
    pub(super) fn key(&self, row: usize, g: usize) -> &'a [E] {
        self.head(row, self.layout.heads + g)
    }

    /// The own value of one row and key head.
    #[inline(always)]
    pub(super) fn value(&self, row: usize, g: usize) -> &'a [E] {
        self.head(row, self.layout.heads + self.layout.kv_heads + g)
    }

    #[inline(always)]
    fn head(&self, row: usize, i: usize) -> &'a [E] {
        let at = row * self.layout.columns() + i * self.layout.width;
        &self.data[at..at + self.layout.width]
    }
}

/// The keys and values of earlier positions which the queries see.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a, E> {
    pub data: &'a [E],
    /// Columns of a row.
    pub stride: usize,
    /// First column of the keys.
    pub keys: usize,
    /// First column of the values.
    pub values: usize,
    /// Number of positions up to the query's which are visible at most.
    pub reach: usize,
    /// Whether a query sees its own key and value besides.
    pub own: bool,
}

/// One block of queries and the stretch of keys which any of them sees.
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
    /// First row of the sequence.
    first: usize,
    reach: usize,
    own: bool,
    starts: Option<&'a [u32]>,
}

impl Span<'_> {
    /// The keys of the block which query `i` of the block sees, as bounds
    /// relative to the first key.
    #[inline(always)]
    pub(super) fn visible(&self, i: usize) -> (usize, usize) {
        let row = self.row + i;
        let t = row - self.first;
        let start = self.starts.map_or(0, |s| s[row] as usize);
        let end = if self.reach == 0 { t } else { t + 1 };
        let most = if self.own { end } else { t };
        let begin = (t + 1).saturating_sub(self.reach).max(start).min(most);
        let skip = self.key - self.first;
        if self.keys == 0 { (0, 0) } else { (begin - skip, end - skip) }
    }
}

/// The blocks of sequence `batch`, in order.
pub(super) fn spans<'a, E: Element>(
    context: usize,
    keys: &Keys<'_, E>,
    starts: Option<&'a [u32]>,
    batch: usize,
) -> impl Iterator<Item = Span<'a>> + use<'a, E> {
    let (reach, own, first) = (keys.reach, keys.own, batch * context);
    (0..context).step_by(BLOCK).map(move |t0| {
        let t1 = context.min(t0 + BLOCK);
        let least = starts.map_or(0, |s| s[first + t0..first + t1].iter().copied().min().unwrap_or(0) as usize);
        let begin = (t0 + 1).saturating_sub(reach).max(least).min(t0);
        let keys = if reach == 0 { 0 } else { t1 - begin };
        Span { row: first + t0, queries: t1 - t0, key: first + begin, keys, first, reach, own, starts }
    })
}

/// Elements of the product of a block of queries and its keys, at most.
pub(super) fn largest<E: Element>(context: usize, keys: &Keys<'_, E>) -> usize {
    BLOCK.min(context) * context.min(keys.reach.saturating_add(BLOCK))
}

/// `to[i, j] = scale * <x_i, y_j>` of a block: the rows `x` (stride `sx`) of
/// the queries with the key or value columns from `column` on.
pub(super) fn products<E: Element>(
    span: &Span<'_>,
    width: usize,
    scale: E,
    (x, sx): (&[E], usize),
    keys: &Keys<'_, E>,
    column: usize,
    to: &mut [E],
) {
    let y = keys.rows(span, column);
    let shape = (span.queries, width, span.keys);
    gemm_serial(shape, scale, x, (sx, 1), y, (1, keys.stride), E::ZERO, to, span.keys);
}

impl<'a, E: Element> Keys<'a, E> {
    /// Everything from column `column` of the first key row of a block on.
    pub(super) fn rows(&self, span: &Span<'_>, column: usize) -> &'a [E] {
        if span.keys == 0 { &[] } else { &self.data[span.key * self.stride + column..] }
    }
}

/// `1 / sqrt(width)`.
pub(super) fn logit_scale<E: Element>(width: usize) -> E {
    E::from_f64((width as f64).sqrt().recip())
}
