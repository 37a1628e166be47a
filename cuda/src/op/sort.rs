//! Sorting of index arrays by kernels: counting sort by one digit, radix sort by several.

use super::shape::word;
use crate::launch::{Kernel, args};
use crate::{Cuda, Index, Kind};

/// Threads of the sorting kernels, and items of a step.
const STEP: usize = 256;
/// Most chunks that items are cut into.
const CHUNKS: usize = 1024;
/// Words of shared memory that `sort_place` has for a digit: the place of its next item, and the set of a step.
const DIGIT_WORDS: usize = 1 + STEP / 32;

/// One digit of keys: `(key >> shift) & mask`, less than `buckets`. Keys of at least `limit` count as `limit`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digit {
    pub(super) limit: u32,
    pub(super) shift: u32,
    pub(super) mask: u32,
    pub(super) buckets: usize,
}

/// How often digits occur.
#[derive(Debug)]
pub(super) struct Counts {
    /// `(buckets, chunks)`: in earlier chunks.
    pub(super) before: Index,
    /// `(buckets)`: in all.
    pub(super) totals: Index,
    /// Items of a chunk.
    pub(super) chunk: usize,
    /// Number of chunks.
    pub(super) chunks: usize,
}

/// A sorted index array.
#[derive(Debug)]
pub(super) struct Sorted {
    /// Entries in rising order.
    pub(super) keys: Index,
    /// Where each was; equal entries in rising order.
    pub(super) order: Index,
}

/// A sorting kernel; they know no storage type.
pub(super) const fn kernel(name: &'static str) -> Kernel {
    Kernel { family: "sort", name, kind: Kind::F32 }
}

/// Shared memory of the kernels that place items, in bytes.
pub(super) const fn place_bytes(buckets: usize) -> usize {
    buckets * DIGIT_WORDS * size_of::<u32>()
}

/// Counts a digit of all keys.
pub(super) fn count(cuda: &Cuda, keys: &Index, digit: Digit) -> Counts {
    let Digit { limit, shift, mask, buckets } = digit;
    let n = keys.len;
    let chunk = STEP * n.div_ceil(STEP * CHUNKS).max(1);
    let chunks = n.div_ceil(chunk);
    let (before, totals) = (cuda.take_index(buckets * chunks), cuda.take_index(buckets));
    let [n, chunk_word, chunks_word, buckets_word] = [n, chunk, chunks, buckets].map(|x| word(cuda, "keys", x));
    let count_args = args![&before, keys, n, limit, shift, mask, buckets_word, chunk_word];
    cuda.launch(kernel("sort_count"), chunks, STEP as u32, buckets * size_of::<u32>(), count_args);
    cuda.launch(kernel("sort_scan"), buckets, STEP as u32, 0, args![&before, &totals, chunks_word]);
    Counts { before, totals, chunk, chunks }
}

/// Sorts entries below `limit`, with what is not below it at the end.
pub(super) fn sort(cuda: &Cuda, index: &Index, limit: usize) -> Sorted {
    let n = word(cuda, "an index array", index.len);
    let limit = word(cuda, "rows", limit);
    let bits = (u32::BITS - limit.leading_zeros()).max(1);
    let passes = bits.div_ceil(8);
    let width = bits.div_ceil(passes);
    let digit = |pass: u32| Digit { limit, shift: pass * width, mask: (1 << width) - 1, buckets: 1 << width };
    let pass = |keys: &Index, order: Option<&Index>, digit: Digit| {
        let counts = count(cuda, keys, digit);
        let out = Sorted { keys: cuda.take_index(index.len), order: cuda.take_index(index.len) };
        let Digit { limit, shift, mask, buckets } = digit;
        let [buckets_word, chunk] = [buckets, counts.chunk].map(|x| word(cuda, "keys", x));
        let place_args = args![
            &out.keys,
            &out.order,
            &counts.before,
            &counts.totals,
            keys,
            order,
            n,
            limit,
            shift,
            mask,
            buckets_word,
            chunk
        ];
        cuda.launch(kernel("sort_place"), counts.chunks, STEP as u32, place_bytes(buckets), place_args);
        out
    };
    (1..passes).fold(pass(index, None, digit(0)), |s, p| pass(&s.keys, Some(&s.order), digit(p)))
}
