//! Observed keys and values, computed once a token and landscape and kept in rings.
//!
//! Of every observed stream, block and key head there is a ring of keys `(slots, d)` and one of values `(slots, d)`. The token
//! at position `t` has slot `t mod slots`. A query at position `q` sees the positions in `(q - window, q)`; while `m` tokens
//! are computed together, the first of them still needs keys that the last must not overwrite, so
//! `slots = window - 1 + m`.
//!
//! For the same reason the last `m` tokens can be taken back: what they overwrote, nobody sees any more.

use core::ops::Range;

use super::arena::Arena;
use super::error::Error;
use super::sizes::Sizes;
use super::slices::row_of;
use crate::packed::quantize::{self, Fit};
use crate::packed::{Matrix, Storage};

/// The rings of all streams.
#[derive(Debug)]
pub struct Cache<'a> {
    keys: Rows<'a>,
    values: Rows<'a>,
    slots: usize,
    window: u64,
    layers: usize,
    heads: usize,
    /// Observed tokens whose keys are there.
    written: u64,
    /// Most tokens that were ever written since the rings were cleared.
    reached: u64,
}

/// The slots of all rings, one behind the other: a matrix `(slots, d)` that is written row by row.
#[derive(Debug)]
struct Rows<'a> {
    storage: Storage,
    width: usize,
    numbers: &'a mut [u8],
    scales: &'a mut [u8],
}

impl<'a> Rows<'a> {
    fn alloc(arena: &mut Arena<'a>, storage: Storage, rows: usize, width: usize) -> Result<Self, Error> {
        let numbers = arena.octets(storage.row_bytes(width).saturating_mul(rows))?;
        Ok(Self { storage, width, numbers, scales: arena.octets(storage.scale_bytes(width).saturating_mul(rows))? })
    }

    /// Bytes `from .. to` of the numbers and of the scales, counted in rows.
    fn range(&self, from: usize, to: usize) -> [Range<usize>; 2] {
        [self.storage.row_bytes(self.width), self.storage.scale_bytes(self.width)]
            .map(|bytes| bytes.saturating_mul(from)..bytes.saturating_mul(to))
    }

    fn write(&mut self, row: usize, values: &[f32]) {
        let [numbers, scales] = self.range(row, row.saturating_add(1));
        let numbers = self.numbers.get_mut(numbers).unwrap_or_default();
        let scales = self.scales.get_mut(scales).unwrap_or_default();
        // beyond the range of halves the largest half is the best that can be kept
        let _ = quantize::row(self.storage, Fit::Largest, values, numbers, scales);
    }

    fn matrix(&self, start: usize, count: usize) -> Matrix<'_> {
        let [numbers, scales] = self.range(start, start.saturating_add(count));
        let numbers = self.numbers.get(numbers).unwrap_or_default();
        let scales = self.scales.get(scales).unwrap_or_default();
        Matrix::over(self.storage, count, self.width, numbers, scales).unwrap_or(Matrix::EMPTY)
    }
}

/// The tokens that were read, in a ring that reaches as far back as tokens can be taken back; nothing where nobody asks for them.
#[derive(Debug)]
pub struct LastTokens<'a>(&'a mut [u32]);

impl<'a> LastTokens<'a> {
    /// A ring for `sizes`.
    pub fn alloc(arena: &mut Arena<'a>, sizes: &Sizes) -> Result<Self, Error> {
        // the token before the first of a block that is taken back
        Ok(Self(arena.words(if sizes.last_token { sizes.slots.saturating_add(1) } else { 0 })?))
    }

    fn slot(&self, position: u64) -> Option<usize> {
        Some(position.checked_rem(self.0.len() as u64)? as usize)
    }

    /// Keeps the token at `position`.
    pub fn store(&mut self, position: u64, token: u32) {
        if let Some(slot) = self.slot(position).and_then(|slot| self.0.get_mut(slot)) {
            *slot = token;
        }
    }

    /// The token before `position`.
    pub fn before(&self, position: u64) -> Option<u32> {
        self.0.get(self.slot(position.checked_sub(1)?)?).copied()
    }
}

/// Where rows of queries stand.
#[derive(Clone, Copy, Debug)]
pub struct Visibility<'s> {
    /// Position of the first row.
    pub first: u64,
    /// Rows of one position: the candidates of a token.
    pub every: usize,
    /// Numbers of the rows, where some are left out; empty where none are.
    pub members: &'s [u32],
    /// A prediction sees the positions before its own, and itself by other means; an observed token sees its own.
    pub predicted: bool,
}

impl Visibility<'_> {
    /// Position of row `row`.
    pub fn position(&self, row: usize) -> u64 {
        let number = self.members.get(row).map_or(row, |&member| member as usize);
        self.first.saturating_add(number.checked_div(self.every).unwrap_or(number) as u64)
    }
}

/// What a row of queries may see.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// First visible position.
    pub from: u64,
    /// First position that is not visible any more.
    pub to: u64,
}

/// The rings that one block of a stream reads, of one key head.
#[derive(Clone, Copy, Debug)]
pub struct Ring<'a> {
    /// Rotated keys of the slots in use, `(used, d)`.
    pub keys: Matrix<'a>,
    /// Values of the slots in use, `(used, d)`.
    pub values: Matrix<'a>,
    /// Slots in use: all, or the first ones.
    pub used: usize,
    slots: usize,
    written: u64,
}

impl<'a> Cache<'a> {
    /// Rings for `sizes`.
    pub fn alloc(arena: &mut Arena<'a>, sizes: &Sizes) -> Result<Self, Error> {
        let rings = sizes.streams.saturating_mul(sizes.layers).saturating_mul(sizes.key_heads);
        let mut rows = || Rows::alloc(arena, sizes.cache, rings.saturating_mul(sizes.slots), sizes.head_width);
        Ok(Self {
            keys: rows()?,
            values: rows()?,
            slots: sizes.slots,
            window: sizes.window as u64,
            layers: sizes.layers,
            heads: sizes.key_heads,
            written: 0,
            reached: 0,
        })
    }

    /// Forgets all tokens.
    pub fn clear(&mut self) {
        (self.written, self.reached) = (0, 0);
    }

    /// Forgets the tokens from `position` on; false, and nothing is forgotten, where tokens before it are overwritten that it
    /// sees, or where it is not there yet.
    pub fn go_back(&mut self, position: u64) -> bool {
        let (slots, block) = (self.slots as u64, self.block());
        let whole = self.reached <= slots || self.reached.saturating_sub(position) <= block;
        let there = position <= self.written && whole;
        if there {
            self.written = position;
        }
        there
    }

    /// Tokens that may be written from here on and all taken back.
    pub fn spare(&self) -> u64 {
        self.block().max((self.slots as u64).saturating_sub(self.written))
    }

    /// Most tokens that are computed together.
    fn block(&self) -> u64 {
        (self.slots as u64).saturating_add(1).saturating_sub(self.window)
    }

    /// Observed tokens so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Announces `count` tokens, whose keys and values are stored next.
    pub fn extend(&mut self, count: usize) {
        self.written = self.written.saturating_add(count as u64);
        self.reached = self.reached.max(self.written);
    }

    /// The positions that row `row` sees.
    pub fn span(&self, visible: Visibility<'_>, row: usize) -> Span {
        let position = visible.position(row);
        let to = if visible.predicted { position } else { position.saturating_add(1) };
        Span { from: position.saturating_add(1).saturating_sub(self.window), to }
    }

    /// The first row of a ring.
    fn start(&self, stream: usize, layer: usize, head: usize) -> usize {
        let number = stream.saturating_mul(self.layers).saturating_add(layer);
        number.saturating_mul(self.heads).saturating_add(head).saturating_mul(self.slots)
    }

    /// Stores key and value heads of the token at `position`: `keys (K d)`, rotated, and `values (K d)`.
    pub fn store(&mut self, stream: usize, layer: usize, position: u64, keys: &[f32], values: &[f32]) {
        let slot = position.checked_rem(self.slots as u64).unwrap_or(0) as usize;
        let (width, heads) = (self.keys.width, self.heads);
        for head in 0..heads {
            let row = self.start(stream, layer, head).saturating_add(slot);
            self.keys.write(row, row_of(keys, head, width));
            self.values.write(row, row_of(values, head, width));
        }
    }

    /// The rings of a block.
    pub fn ring(&self, stream: usize, layer: usize, head: usize) -> Ring<'_> {
        let used = (self.written.min(self.slots as u64)) as usize;
        let start = self.start(stream, layer, head);
        Ring {
            keys: self.keys.matrix(start, used),
            values: self.values.matrix(start, used),
            used,
            slots: self.slots,
            written: self.written,
        }
    }
}

impl Ring<'_> {
    /// The slots in use whose positions lie in `span`: those up to the newest token's, and those behind it, which hold
    /// older tokens.
    pub fn visible(&self, span: Span) -> [Range<usize>; 2] {
        let slots = (self.slots as u64).max(1);
        let newest = self.written.saturating_sub(1);
        let head = newest.checked_rem(slots).unwrap_or(0);
        let base = newest.saturating_sub(head);
        let used = self.used as u64;
        // slot `s` up to `head` holds position `base + s`, one behind it `base + s - slots`
        let between = |first: u64, low: u64, high: u64| {
            let from = span.from.saturating_sub(first).max(low).min(high);
            from as usize..span.to.saturating_sub(first).max(from).min(high) as usize
        };
        let up_to = head.saturating_add(1).min(used);
        let older = match base.checked_sub(slots) {
            Some(first) => between(first, up_to, used),
            None => 0..0,
        };
        [between(base, 0, up_to), older]
    }
}
