//! Byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909): of all neighbouring tokens of a word the pair that was
//! learned first is merged, the leftmost of equals, until no pair is left that was learned.

use super::trie::Trie;
use super::words::Words;

/// Words up to this many bytes are merged by looking at all pairs in turn; longer ones through a heap.
pub(crate) const SHORT: usize = 64;
/// Places of the output that a word of `n` bytes longer than [`SHORT`] takes while it is merged, as a multiple of `n`:
/// tokens, links to both neighbours, and a heap of at most `3 n` pairs of two numbers.
pub(crate) const LONG_PLACES: usize = 9;
/// No rank, no place.
const NONE: u32 = u32::MAX;

/// The merges of a vocabulary: a hash table of `(left, right, rank, product)`, open addressing with linear probing,
/// a power of two of slots, empty slots all ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merges<'a> {
    pub(crate) trie: Trie<'a>,
    pub(crate) table: Words<'a>,
}

/// Where the search for a pair begins, before the mask.
pub(crate) fn slot(left: u32, right: u32) -> u32 {
    let mixed = (u64::from(left) << 32 | u64::from(right)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as u32
}

impl Merges<'_> {
    /// Rank and product of a pair.
    fn get(&self, left: u32, right: u32) -> Option<(u32, u32)> {
        let slots = u32::try_from(self.table.len() / 4).ok()?;
        let mask = slots.checked_sub(1)?;
        let mut at = slot(left, right) & mask;
        for _ in 0..slots {
            let entry = |i: u32| self.table.get(4 * at + i);
            match (entry(0)?, entry(1)?) {
                (NONE, _) => return None,
                (l, r) if (l, r) == (left, right) => return Some((entry(2)?, entry(3)?)),
                _ => at = (at + 1) & mask,
            }
        }
        None
    }

    fn rank(&self, left: u32, right: u32) -> u32 {
        self.get(left, right).map_or(NONE, |(rank, _)| rank)
    }

    /// Encodes a word to the start of `out`, which holds [`places`] numbers; `None` if a table is damaged.
    pub(crate) fn encode(&self, word: &[u8], out: &mut [u32]) -> Option<usize> {
        for (place, byte) in out.get_mut(..word.len())?.iter_mut().zip(word) {
            *place = self.trie.find(core::slice::from_ref(byte))?;
        }
        if word.len() <= SHORT { self.merge_short(out, word.len()) } else { self.merge_long(out, word.len()) }
    }

    fn merge_short(&self, tokens: &mut [u32], mut n: usize) -> Option<usize> {
        let mut ranks = [NONE; SHORT];
        for (rank, pair) in ranks.iter_mut().zip(tokens.get(..n)?.windows(2)) {
            if let [left, right] = pair {
                *rank = self.rank(*left, *right);
            }
        }
        let rank_at = |tokens: &[u32], at: usize| Some(self.rank(*tokens.get(at)?, *tokens.get(at + 1)?));
        while n > 1 {
            let least = ranks.iter().take(n - 1).enumerate().min_by_key(|(_, rank)| **rank);
            let Some((at, _)) = least.filter(|(_, rank)| **rank != NONE) else { break };
            let (_, product) = self.get(*tokens.get(at)?, *tokens.get(at + 1)?)?;
            *tokens.get_mut(at)? = product;
            remove(tokens.get_mut(at + 1..n)?);
            remove(ranks.get_mut(at..n - 1)?);
            n -= 1;
            *ranks.get_mut(n - 1)? = NONE;
            if at + 1 < n {
                *ranks.get_mut(at)? = rank_at(tokens, at)?;
            }
            if let Some(before) = at.checked_sub(1) {
                *ranks.get_mut(before)? = rank_at(tokens, before)?;
            }
        }
        Some(n)
    }

    /// The same with a heap of pairs, `n log n`. A pair in the heap is stale when its left token is gone or its rank is
    /// no longer that of the pair that stands there.
    fn merge_long(&self, out: &mut [u32], n: usize) -> Option<usize> {
        let last = u32::try_from(n).ok()?.checked_sub(1)?;
        let (tokens, rest) = out.split_at_mut_checked(n)?;
        let (next, rest) = rest.split_at_mut_checked(n)?;
        let (before, heap) = rest.split_at_mut_checked(n)?;
        for (i, (next, before)) in (0u32..).zip(next.iter_mut().zip(before.iter_mut())) {
            (*next, *before) = (if i < last { i + 1 } else { NONE }, i.wrapping_sub(1));
        }
        let mut heap = Heap { entries: heap.as_chunks_mut().0, len: 0 };
        let offer = |heap: &mut Heap<'_>, tokens: &[u32], left: u32, right: u32| {
            let pair = (tokens.get(left as usize), tokens.get(right as usize));
            if let (Some(&a), Some(&b)) = pair {
                let rank = self.rank(a, b);
                if rank != NONE {
                    return heap.push([rank, left]);
                }
            }
            Some(())
        };
        for i in 0..last {
            offer(&mut heap, tokens, i, i + 1)?;
        }
        while let Some([rank, left]) = heap.pop() {
            let at = left as usize;
            let right = *next.get(at)?;
            let (Some(&a), Some(&b)) = (tokens.get(at), tokens.get(right as usize)) else { continue };
            let Some((current, product)) = self.get(a, b) else { continue };
            if a == NONE || current != rank {
                continue;
            }
            *tokens.get_mut(at)? = product;
            *tokens.get_mut(right as usize)? = NONE;
            let after = *next.get(right as usize)?;
            *next.get_mut(at)? = after;
            if let Some(back) = before.get_mut(after as usize) {
                *back = left;
            }
            offer(&mut heap, tokens, left, after)?;
            offer(&mut heap, tokens, *before.get(at)?, left)?;
        }
        let mut count = 0;
        for i in 0..n {
            let token = *tokens.get(i)?;
            if token != NONE {
                *tokens.get_mut(count)? = token;
                count += 1;
            }
        }
        Some(count)
    }
}

/// Drops the first number and moves the rest to its place; the last place keeps its value.
fn remove(numbers: &mut [u32]) {
    let cells = core::cell::Cell::from_mut(numbers).as_slice_of_cells();
    for (to, from) in cells.iter().zip(cells.iter().skip(1)) {
        to.set(from.get());
    }
}

/// A binary heap of `[rank, place]` in borrowed memory, the least first.
struct Heap<'a> {
    entries: &'a mut [[u32; 2]],
    len: usize,
}

impl Heap<'_> {
    /// Adds an entry; `None` if the memory is full.
    fn push(&mut self, entry: [u32; 2]) -> Option<()> {
        let mut at = self.len;
        *self.entries.get_mut(at)? = entry;
        self.len += 1;
        while let Some(parent) = at.checked_sub(1).map(|i| i / 2)
            && self.entries.get(at)? < self.entries.get(parent)?
        {
            self.swap(at, parent);
            at = parent;
        }
        Some(())
    }

    fn pop(&mut self) -> Option<[u32; 2]> {
        self.len = self.len.checked_sub(1)?;
        let top = *self.entries.first()?;
        self.swap(0, self.len);
        let mut at = 0;
        while let Some(child) = (2 * at + 1..self.len.min(2 * at + 3)).min_by_key(|&i| self.entries.get(i))
            && self.entries.get(child)? < self.entries.get(at)?
        {
            self.swap(child, at);
            at = child;
        }
        Some(top)
    }

    fn swap(&mut self, a: usize, b: usize) {
        if let Ok([x, y]) = self.entries.get_disjoint_mut([a, b]) {
            core::mem::swap(x, y);
        }
    }
}

/// Places that encoding a word of `n` bytes takes.
pub(crate) fn places(n: usize) -> usize {
    if n <= SHORT { n } else { LONG_PLACES.saturating_mul(n) }
}
