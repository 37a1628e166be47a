//! The cells of rows, and which tokens each of them may hold.
//!
//! A cell with one allowed token is *given*: its distribution is that vertex, whatever its logits are, and it takes no
//! part in steps, noise, dissipation and entropy; its gradients are not read. All others are *unknown*. At tokens that are
//! not allowed logits are `-inf`, so `softmax` gives exactly 0, and gradients are set to 0: what a potential leaves there
//! never matters.

use crate::engine::Error;
use crate::engine::arena::Arena;
use crate::engine::slices::{put, row_mut, row_of};

/// What is held likely before anything is computed: `softmax(l)` is where a descent starts, and what its entropy is relative to. The
/// logits `l` of a cell are 0 but for one token. Without tokens nothing is held likely.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prior<'p> {
    /// The token of every cell of all problems `(problems, cells)`.
    pub tokens: &'p [u32],
    /// Its logit, finite `(problems, cells)`.
    pub logits: &'p [f32],
}

/// What is known of problems.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'k> {
    /// Allowed tokens `(problems, cells, words)` with `words = V.div_ceil(32)`, bit `v % 32` of word `v / 32` being token `v` (bits
    /// beyond `V` do not count); nothing where all are.
    pub allowed: &'k [u32],
    /// What is held likely.
    pub prior: Prior<'k>,
}

impl Known<'_> {
    /// Refuses a prior of other cells or tokens, or that is no number.
    pub(super) fn check(&self, cells: usize, vocab: usize) -> Result<(), Error> {
        let Prior { tokens, logits } = self.prior;
        for given in [tokens.len(), logits.len()] {
            if given != cells && (tokens.len(), logits.len()) != (0, 0) {
                return Err(Error::Shape { what: "cells of the prior", expected: cells, given });
            }
        }
        if let Some(&id) = tokens.iter().find(|&&token| token as usize >= vocab) {
            return Err(Error::Token { id, vocabulary: vocab });
        }
        let finite = logits.iter().all(|logit| logit.is_finite());
        if finite { Ok(()) } else { Err(Error::Option { field: "prior", requirement: "its logits must be finite" }) }
    }
}

/// The allowed tokens of all cells; without memory for sets every token is allowed everywhere.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    /// Cells of a row, at least 1.
    pub count: usize,
    /// Most of them that there is memory for.
    pub most: usize,
    /// Extent `V` of a distribution.
    pub vocab: usize,
    /// Words of a cell; 0 without sets.
    words: usize,
    /// Allowed tokens `(rows, cells, words)`: bit `v % 32` of word `v / 32` is token `v`.
    allowed: &'a mut [u32],
    /// Whether a cell is given `(rows, cells)`.
    given: &'a mut [bool],
}

/// One cell of a row: a place in every matrix `(rows, cells, V)`, and its set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell<'s> {
    /// Number among the cells of all rows.
    pub at: usize,
    /// Number among the cells of its row.
    pub index: usize,
    /// Whether it is given.
    pub given: bool,
    vocab: usize,
    allowed: Option<&'s [u32]>,
}

/// Words that the set of one cell takes.
pub(super) fn words_of(vocab: usize) -> usize {
    vocab.div_ceil(32)
}

/// Place of the first of the largest elements; 0 of none.
pub(super) fn likeliest(p: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, &p) in p.iter().enumerate() {
        if p > best.1 {
            best = (token, p);
        }
    }
    best.0
}

impl<'a> Cells<'a> {
    /// Room for `rows` rows of `count` cells; their sets are kept where `sets`.
    pub fn alloc(arena: &mut Arena<'a>, rows: usize, count: usize, vocab: usize, sets: bool) -> Result<Self, Error> {
        let all = rows.checked_mul(if sets { count } else { 0 }).ok_or(Error::Size { what: "the cells" })?;
        let words = if sets { words_of(vocab) } else { 0 };
        let allowed = arena.words(all.checked_mul(words).ok_or(Error::Size { what: "the cells" })?)?;
        Ok(Self { count, most: count, vocab, words, allowed, given: arena.flags(all)? })
    }

    /// Whether sets are kept.
    pub fn restricted(&self) -> bool {
        self.words > 0
    }

    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.count.saturating_mul(self.vocab)
    }

    /// The most probable token of every cell of a row `p (cells, V)`, the first among equals; nothing of an empty one.
    pub fn answer<'p>(&self, p: &'p [f32]) -> impl Iterator<Item = u32> + use<'p> {
        let (count, vocab) = (self.count, self.vocab);
        (0..count).map(move |cell| row_of(p, cell, vocab)).take_while(|p| !p.is_empty()).map(|p| likeliest(p) as u32)
    }

    /// Which cells of the first `rows` rows are given.
    pub fn given(&self, rows: usize) -> &[bool] {
        self.given.get(..rows.saturating_mul(self.count)).unwrap_or_default()
    }

    /// Whether the cell of a place in a matrix `(rows, cells, V)` is given.
    pub fn is_given(&self, at: usize) -> bool {
        at.checked_div(self.vocab).and_then(|cell| self.given.get(cell)).is_some_and(|given| *given)
    }

    /// Takes the sets of `problems` problems, `(problems, cells, words)`, for `candidates` rows each; all tokens where there are none.
    pub fn load(&mut self, allowed: &[u32], problems: usize, candidates: usize) -> Result<(), Error> {
        if !self.restricted() {
            let requirement = "sets of tokens need a descent with memory for them";
            return if allowed.is_empty() { Ok(()) } else { Err(Error::Option { field: "allowed", requirement }) };
        }
        let each = self.count.saturating_mul(self.words);
        let expected = problems.saturating_mul(each);
        if !allowed.is_empty() && allowed.len() != expected {
            let what = "words of allowed tokens";
            return Err(Error::Shape { what, expected, given: allowed.len() });
        }
        let last = u32::MAX.checked_shr((32u32.wrapping_sub(self.vocab as u32)) & 31).unwrap_or(0);
        let rows = self.allowed.chunks_exact_mut(each.max(1)).zip(self.given.chunks_exact_mut(self.count.max(1)));
        for (r, (sets, given)) in rows.take(problems.saturating_mul(candidates)).enumerate() {
            let problem = r.checked_div(candidates).unwrap_or(0).saturating_mul(each);
            let source = allowed.get(problem..problem.saturating_add(each));
            for (k, word) in sets.iter_mut().enumerate() {
                *word = source.map_or(u32::MAX, |source| source.get(k).copied().unwrap_or(0));
            }
            for (set, given) in sets.chunks_exact_mut(self.words.max(1)).zip(given) {
                if let Some(word) = set.last_mut() {
                    *word &= last;
                }
                let size = size_of_set(set);
                if size == 0 {
                    let requirement = "every cell needs at least one allowed token";
                    return Err(Error::Option { field: "allowed", requirement });
                }
                *given = size == 1;
            }
        }
        Ok(())
    }

    /// What is held likely of row `r`, one of `candidates` of its problem: places in a matrix `(rows, cells, V)`, and logits.
    pub fn prior_of<'k>(
        &self,
        prior: Prior<'k>,
        r: usize,
        candidates: usize,
    ) -> impl Iterator<Item = (usize, f32)> + use<'k> {
        let (first, vocab) = (r.saturating_mul(self.count), self.vocab);
        let problem = r.checked_div(candidates).unwrap_or(0).saturating_mul(self.count);
        let own = prior.tokens.iter().zip(prior.logits).skip(problem).take(self.count);
        own.enumerate().filter(|(_, (_, logit))| **logit != 0.0).map(move |(cell, (&token, &logit))| {
            (first.saturating_add(cell).saturating_mul(vocab).saturating_add(token as usize), logit)
        })
    }

    /// Allows nothing but `token` at the cell `at`.
    pub fn give(&mut self, at: usize, token: usize) {
        let start = at.saturating_mul(self.words);
        let set = self.allowed.get_mut(start..start.saturating_add(self.words)).unwrap_or_default();
        set.iter_mut().for_each(|word| *word = 0);
        put(set, token / 32, 1u32 << (token & 31));
        put(self.given, at, true);
    }

    /// All cells of row `r`, in order.
    pub fn of_row(&self, r: usize) -> impl Iterator<Item = Cell<'_>> {
        let first = r.saturating_mul(self.count);
        (0..self.count).map(move |index| {
            let at = first.saturating_add(index);
            let start = at.saturating_mul(self.words);
            let allowed = if self.words > 0 { self.allowed.get(start..start.saturating_add(self.words)) } else { None };
            Cell { at, index, given: self.given.get(at).copied().unwrap_or(false), vocab: self.vocab, allowed }
        })
    }

    /// The unknown cells of row `r`, in order.
    pub fn unknown(&self, r: usize) -> impl Iterator<Item = Cell<'_>> {
        self.of_row(r).filter(|cell| !cell.given)
    }
}

/// Number of tokens of a set.
fn size_of_set(set: &[u32]) -> usize {
    set.iter().map(|word| word.count_ones() as usize).sum()
}

impl Cell<'_> {
    /// Its part of a matrix `(rows, cells, V)`.
    pub fn of<'m>(&self, matrix: &'m [f32]) -> &'m [f32] {
        row_of(matrix, self.at, self.vocab)
    }

    /// The same, to be written.
    pub fn of_mut<'m>(&self, matrix: &'m mut [f32]) -> &'m mut [f32] {
        row_mut(matrix, self.at, self.vocab)
    }

    /// Its first number among those of its row.
    pub fn offset(&self) -> u64 {
        (self.index as u64).wrapping_mul(self.vocab as u64)
    }

    /// Whether `token` is allowed.
    #[inline]
    pub fn allows(&self, token: usize) -> bool {
        match self.allowed {
            None => true,
            Some(set) => set.get(token / 32).is_some_and(|word| word >> (token & 31) & 1 == 1),
        }
    }

    /// Number of allowed tokens.
    pub fn size(&self) -> usize {
        self.allowed.map_or(self.vocab, size_of_set)
    }

    /// Writes `outside` at all tokens that are not allowed.
    pub fn restrict(&self, x: &mut [f32], outside: f32) {
        if self.allowed.is_some() {
            let outer = x.iter_mut().enumerate().filter(|(token, _)| !self.allows(*token));
            outer.for_each(|(_, x)| *x = outside);
        }
    }

    /// Makes logits those of the set: `-inf` outside, and 0 at the token of a given cell.
    pub fn close(&self, y: &mut [f32]) {
        if self.given {
            y.iter_mut().for_each(|y| *y = 0.0);
        }
        self.restrict(y, f32::NEG_INFINITY);
    }
}
