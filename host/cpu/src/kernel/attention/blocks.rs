//! All blocks of the query heads of one key head, for the backward passes.

use super::super::element::Element;
use super::super::shared::SharedMut;
use super::relations::{Biases, Sums, biases_len};
use super::scores::Scores;
use super::span::Span;

/// What a backward pass does one block of scores with.
pub(super) struct Block<'a, 's, E, const N: usize> {
    pub span: &'a Span<'s>,
    /// The query head.
    pub h: usize,
    /// Scratch as large as the block, `N` times.
    pub space: [&'a mut [E]; N],
    /// What is added to the scores, if anything.
    pub added: Option<&'a [E]>,
    /// Where the gradient of what is added goes, where it is asked for.
    pub sums: Option<&'a mut Sums<'s, E>>,
}

/// Calls `block` for every block of scores of `n` rows. A task has all that
/// touches the columns of one key head of a sequence, in an order which does
/// not depend on the division: first it clears the key's and the value's in
/// `dkeys` where the flag says so, and last it writes the gradient of the
/// biases of its heads to `dbias`, `(B, classes, H)`.
pub(super) fn each_block<E: Element, const N: usize>(
    n: usize,
    scores: &Scores<'_, E>,
    dkeys: Option<(&SharedMut<'_, E>, bool)>,
    dbias: Option<&SharedMut<'_, E>>,
    block: &(impl Fn(Block<'_, '_, E, N>) + Sync),
) {
    let layout = scores.q.layout;
    let (heads, group, relations) = (layout.heads, layout.group(), scores.relations);
    let dbias = relations.zip(dbias);
    let size = scores.largest();
    let (added, summed) = (biases_len(relations, heads, size), dbias.map_or(0, |(r, _)| Sums::len(r, layout)));
    scores.tasks(n, layout.kv_heads, &|g, sequences| {
        if let Some((dkeys, true)) = dkeys {
            sequences.clone().for_each(|batch| clear(scores, batch, g, dkeys));
        }
        E::with_workspace(N * size + added + summed, |space| {
            let (blocks, space) = space.split_at_mut(N * size);
            let (space, sums) = space.split_at_mut(added);
            let mut biases = Biases::new(relations, heads, space);
            for h in g * group..(g + 1) * group {
                for batch in sequences.clone() {
                    let mut by_class = dbias.map(|(relations, to)| (Sums::new(relations, sums), to));
                    for span in scores.spans(batch) {
                        let mut parts = blocks.chunks_exact_mut(size);
                        let space = std::array::from_fn(|_| &mut parts.next().unwrap_or_default()[..span.len()]);
                        let sums = by_class.as_mut().map(|(sums, _)| sums);
                        block(Block { span: &span, h, space, added: biases.of(&span, h), sums });
                    }
                    if let Some((sums, to)) = by_class {
                        // SAFETY: only this task writes what head `h` of this sequence has.
                        unsafe { sums.finish(to, batch, (h, heads)) };
                    }
                }
            }
        });
    });
}

/// Clears the gradient of the keys and values of head `g`.
fn clear<E: Element>(scores: &Scores<'_, E>, batch: usize, g: usize, dkeys: &SharedMut<'_, E>) {
    let (d, context, keys) = (scores.q.layout.width, scores.q.layout.context, scores.keys);
    for row in batch * context..(batch + 1) * context {
        for column in [keys.keys, keys.values] {
            let at = row * keys.stride + column + g * d;
            // SAFETY: only the task of head `g` touches its columns.
            unsafe { dkeys.part(at, d) }.fill(E::ZERO);
        }
    }
}
