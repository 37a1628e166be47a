//! What is added to scores by relation, and its gradient.

use super::super::element::Element;
use super::super::shared::SharedMut;
use super::layout::Layout;
use super::rows::WIDE;
use super::span::Span;

/// What is added to the score of a query and a key, by the class of their
/// relation and by head.
#[derive(Clone, Copy, Debug)]
pub struct Relations<'a, E> {
    /// `(classes, H)`.
    pub bias: &'a [E],
    /// Class of query `t` and key `u` of a sequence of `T` positions, at
    /// `t T + u`; if `by_distance`, at `T - 1 + u - t`. Nothing is added, and
    /// no gradient collected, for a class that `bias` does not have.
    pub classes: &'a [u32],
    /// Whether the class depends on the distance alone.
    pub by_distance: bool,
}

impl<E: Element> Relations<'_, E> {
    /// Asserts that there is a class for every pair.
    pub(super) fn check(&self, layout: Layout) {
        let entries = if self.by_distance { 2 * layout.context - 1 } else { layout.context * layout.context };
        assert!(self.classes.len() == entries, "attention: classes");
        assert!(self.bias.len().is_multiple_of(layout.heads), "attention: biases");
    }

    /// Where the class of query `t` and the first key of a block stands; those
    /// of the other keys follow.
    #[inline(always)]
    fn place(&self, span: &Span<'_>, t: usize) -> usize {
        let (context, u) = (span.context, span.key - span.first);
        if self.by_distance { context - 1 + u - t } else { t * context + u }
    }

    /// The classes of query `i` of a block and all its keys.
    #[inline(always)]
    fn row(&self, span: &Span<'_>, i: usize) -> &[u32] {
        let at = self.place(span, span.row - span.first + i);
        &self.classes[at..at + span.keys]
    }
}

/// The biases of one block of scores, for as long as that block lies alike in
/// the next sequence.
pub(super) struct Biases<'a, E> {
    relations: Option<Relations<'a, E>>,
    heads: usize,
    /// The biases of head `of.0` by class.
    column: &'a mut [E],
    /// As the scores, with zeros after the keys.
    block: &'a mut [E],
    /// Head and place of the block: first query and their number, first key and their number.
    of: Option<(usize, [usize; 4])>,
}

/// Elements of scratch that [`Biases`] of blocks of `largest` elements need.
pub(super) fn biases_len<E>(relations: Option<Relations<'_, E>>, heads: usize, largest: usize) -> usize {
    relations.map_or(0, |r| (r.bias.len() / heads).next_multiple_of(WIDE) + largest)
}

impl<'a, E: Element> Biases<'a, E> {
    /// None yet, in `space` of [`biases_len`].
    pub(super) fn new(relations: Option<Relations<'a, E>>, heads: usize, space: &'a mut [E]) -> Self {
        let classes = relations.map_or(0, |r| (r.bias.len() / heads).next_multiple_of(WIDE));
        let (column, block) = space.split_at_mut(classes);
        Self { relations, heads, column, block, of: None }
    }

    /// What is added to the scores of a block, if anything.
    pub(super) fn of(&mut self, span: &Span<'_>, h: usize) -> Option<&[E]> {
        let relations = self.relations?;
        let place = [span.row - span.first, span.queries, span.key - span.first, span.keys];
        if self.of != Some((h, place)) {
            if self.of.is_none_or(|of| of.0 != h) {
                for (to, biases) in self.column.iter_mut().zip(relations.bias.chunks_exact(self.heads)) {
                    *to = biases[h];
                }
            }
            let column = &self.column[..relations.bias.len() / self.heads];
            for (i, to) in self.block.chunks_exact_mut(span.stride().max(1)).take(span.queries).enumerate() {
                let (to, rest) = to.split_at_mut(span.keys);
                for (to, &class) in to.iter_mut().zip(relations.row(span, i)) {
                    *to = column.get(class as usize).copied().unwrap_or(E::ZERO);
                }
                rest.fill(E::ZERO);
            }
            self.of = Some((h, place));
        }
        Some(&self.block[..span.len()])
    }
}

/// Sums by class of the gradient of the scores of one sequence and head.
pub(super) struct Sums<'a, E> {
    relations: Relations<'a, E>,
    /// By distance: the sums of all distances; else [`WIDE`] sums of every
    /// class, of different keys, so that one addition need not wait for another.
    sums: &'a mut [E],
}

impl<'a, E: Element> Sums<'a, E> {
    /// Elements of scratch that it needs.
    pub(super) fn len(relations: Relations<'_, E>, layout: Layout) -> usize {
        match relations.by_distance {
            true => relations.classes.len() + WIDE,
            false => relations.bias.len() / layout.heads * WIDE,
        }
    }

    /// All zero, in `space` of [`Sums::len`].
    pub(super) fn new(relations: Relations<'a, E>, sums: &'a mut [E]) -> Self {
        sums.fill(E::ZERO);
        Self { relations, sums }
    }

    /// Adds the gradient `ds` of a block, with zeros after the keys.
    #[inline(always)]
    pub(super) fn add(&mut self, span: &Span<'_>, ds: &[E]) {
        let Self { relations, sums } = self;
        for (i, ds) in ds.chunks_exact(span.stride().max(1)).enumerate() {
            if relations.by_distance {
                let at = relations.place(span, span.row - span.first + i);
                for (sum, &x) in sums[at..at + ds.len()].iter_mut().zip(ds) {
                    *sum += x;
                }
                continue;
            }
            for (ds, classes) in ds.as_chunks::<WIDE>().0.iter().zip(relations.row(span, i).chunks(WIDE)) {
                for (lane, (&x, &class)) in ds.iter().zip(classes).enumerate() {
                    if let Some(sum) = sums.get_mut(class as usize * WIDE + lane) {
                        *sum += x;
                    }
                }
            }
        }
    }

    /// Writes the sums of all classes to column `h` of part `batch` of `to`,
    /// `(B, classes, H)`.
    ///
    /// # Safety
    /// Nothing else may access that column meanwhile.
    pub(super) unsafe fn finish(self, to: &SharedMut<'_, E>, batch: usize, (h, heads): (usize, usize)) {
        let Self { relations, sums } = self;
        let classes = relations.bias.len() / heads;
        // SAFETY: by the contract of this function.
        let sum = |class: usize| unsafe { to.part((batch * classes + class) * heads + h, 1) };
        if relations.by_distance {
            (0..classes).for_each(|class| sum(class).fill(E::ZERO));
            for (&class, &x) in
                relations.classes.iter().zip(sums.iter()).filter(|(class, _)| (**class as usize) < classes)
            {
                sum(class as usize)[0] += x;
            }
        } else {
            for (class, lanes) in sums.as_chunks::<WIDE>().0.iter().enumerate() {
                sum(class)[0] = super::super::lanes::total(*lanes);
            }
        }
    }
}
