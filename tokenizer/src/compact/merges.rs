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
            *rank = self.rank(pair[0], pair[1]);
        }
        while n > 1 {
            let least = ranks[..n - 1].iter().enumerate().min_by_key(|(_, rank)| **rank);
            let Some((at, _)) = least.filter(|(_, rank)| **rank != NONE) else { break };
            let (_, product) = self.get(tokens[at], tokens[at + 1])?;
            tokens[at] = product;
            tokens.copy_within(at + 2..n, at + 1);
            ranks.copy_within(at + 1..n - 1, at);
            n -= 1;
            ranks[n - 1] = NONE;
            if at + 1 < n {
                ranks[at] = self.rank(tokens[at], tokens[at + 1]);
            }
            if at > 0 {
                ranks[at - 1] = self.rank(tokens[at - 1], tokens[at]);
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
            tokens[at] = product;
            tokens[right as usize] = NONE;
            let after = *next.get(right as usize)?;
            next[at] = after;
            if let Some(back) = before.get_mut(after as usize) {
                *back = left;
            }
            offer(&mut heap, tokens, left, after)?;
            offer(&mut heap, tokens, before[at], left)?;
        }
        let mut count = 0;
        for i in 0..n {
            if tokens[i] != NONE {
                tokens[count] = tokens[i];
                count += 1;
            }
        }
        Some(count)
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
            && self.entries[at] < self.entries[parent]
        {
            self.entries.swap(at, parent);
            at = parent;
        }
        Some(())
    }

    fn pop(&mut self) -> Option<[u32; 2]> {
        self.len = self.len.checked_sub(1)?;
        let top = *self.entries.first()?;
        self.entries.swap(0, self.len);
        let heap = &mut self.entries[..self.len];
        let mut at = 0;
        while let Some(child) = (2 * at + 1..heap.len().min(2 * at + 3)).min_by_key(|&i| heap[i])
            && heap[child] < heap[at]
        {
            heap.swap(child, at);
            at = child;
        }
        Some(top)
    }
}

/// Places that encoding a word of `n` bytes takes.
pub(crate) fn places(n: usize) -> usize {
    if n <= SHORT { n } else { LONG_PLACES.saturating_mul(n) }
}
