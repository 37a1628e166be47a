//! What scores are made of, and the blocks they are computed in.

use std::ops::Range;

use super::super::element::Element;
use super::super::gemm::gemm_padded;
use super::super::par;
use super::layout::{BLOCK, Layout, STRETCH};
use super::relations::Relations;
use super::rows::WIDE;
use super::span::Span;

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

/// The keys and values of other positions which the queries see.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a, E> {
    pub data: &'a [E],
    /// The tangent of `data`, where it carries one.
    pub along: Option<&'a [E]>,
    /// Columns of a row.
    pub stride: usize,
    /// First column of the keys.
    pub keys: usize,
    /// First column of the values.
    pub values: usize,
    /// Number of positions up to the query's which are visible at most.
    pub reach: usize,
    /// Number of positions after the query's which are visible at most.
    pub ahead: usize,
    /// Whether a query sees its own key and value besides.
    pub own: bool,
}

/// What scores are made of: queries, keys, and what hides them or is added.
#[derive(Clone, Copy)]
pub(super) struct Scores<'a, E> {
    pub q: Projection<'a, E>,
    pub keys: Keys<'a, E>,
    pub starts: Option<&'a [u32]>,
    pub relations: Option<Relations<'a, E>>,
}

/// Equal parts, of at most `most`, that `of` is cut into: one at least.
fn parts(of: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = of.len().div_ceil(most).max(1);
    let at = move |i: usize| of.start + of.len() * i / count;
    (0..count).map(move |i| at(i)..at(i + 1))
}

impl<'a, E: Element> Scores<'a, E> {
    /// The blocks of sequence `batch`, in order, and those of the same queries
    /// in the order of their keys.
    pub(super) fn spans(&self, batch: usize) -> impl Iterator<Item = Span<'a>> + use<'a, E> {
        let (context, starts) = (self.q.layout.context, self.starts);
        let (Keys { reach, ahead, .. }, first) = (self.keys, batch * context);
        parts(0..context, self.block()).flat_map(move |t| {
            let row = first + t.start;
            let least = starts.map_or(0, |s| s[row..first + t.end].iter().copied().min().unwrap_or(0) as usize);
            let end = if reach == 0 { t.start } else { context.min(t.end.saturating_add(ahead)) };
            let begin = (t.start + 1).saturating_sub(reach).max(least).min(end);
            parts(begin..end, STRETCH).map(move |keys| Span {
                row,
                queries: t.len(),
                key: first + keys.start,
                keys: keys.len(),
                opens: keys.start == begin,
                closes: keys.end == end,
                first,
                context,
                reach,
                ahead,
                starts,
            })
        })
    }

    /// Queries of a block, at most: fewer where they see no keys in common.
    fn block(&self) -> usize {
        if self.keys.ahead < BLOCK / 2 { BLOCK / 2 } else { BLOCK }
    }

    /// Elements of the scores of a block of queries and its keys, at most.
    pub(super) fn largest(&self) -> usize {
        let (context, block) = (self.q.layout.context, self.block());
        let keys = block.saturating_add(self.keys.reach).saturating_add(self.keys.ahead);
        block.min(context) * keys.min(context).min(STRETCH).next_multiple_of(WIDE)
    }

    /// Calls `task` for every head and stretches of the sequences of `n` rows.
    pub(super) fn tasks(&self, n: usize, heads: usize, task: &(impl Fn(usize, Range<usize>) + Sync)) {
        let batch = n / self.q.layout.context;
        // a few tasks a thread; many sequences of a head share the biases of a block
        let stretch = (batch * heads / (8 * rayon::current_num_threads())).clamp(1, batch.max(1));
        par::tasks(batch.div_ceil(stretch) * heads, &|i| {
            let from = i / heads * stretch;
            task(i % heads, from..batch.min(from + stretch));
        });
    }

    /// `to[i, j] = scale * <x_i, y_j>` of a block, or adds that: the rows `x`
    /// (stride `sx`) of the queries with rows `y` of the keys or values.
    pub(super) fn products(
        &self,
        span: &Span<'_>,
        scale: E,
        (x, sx): (&[E], usize),
        y: &[E],
        onto: bool,
        to: &mut [E],
    ) {
        let shape = (span.queries, self.q.layout.width, span.keys);
        let beta = if onto { E::ONE } else { E::ZERO };
        gemm_padded(shape, scale, x, (sx, 1), y, (1, self.keys.stride), beta, to, span.stride());
    }
}

impl<'a, E: Element> Keys<'a, E> {
    /// Everything from column `column` of the first key row of a block on.
    pub(super) fn rows(&self, span: &Span<'_>, column: usize) -> &'a [E] {
        if span.keys == 0 { &[] } else { &self.data[span.key * self.stride + column..] }
    }

    /// The same of the tangent, if there is one.
    pub(super) fn rows_along(&self, span: &Span<'_>, column: usize) -> Option<&'a [E]> {
        let data = self.along.filter(|_| span.keys > 0)?;
        Some(&data[span.key * self.stride + column..])
    }
}

/// `1 / sqrt(width)`.
pub(super) fn logit_scale<E: Element>(width: usize) -> E {
    E::from_f64((width as f64).sqrt().recip())
}
