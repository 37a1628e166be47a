//! Where the sections of a packed model are: derived from the configuration, so that no table is needed.

use super::header::ALIGNMENT;
use super::matrix::{Floats, Matrix};
use super::parts::{BlockConditionOf, BlockOf, FeedForwardOf, HeadConditionOf, MarksOf, OutputOf, SwigluOf};
use super::storage::Storage;
use ebt_core::config::{Conditioning, Config, ModelKind, MoeConfig};

/// What gives out the sections one after the other. [`Sizes`] counts, [`View`] cuts bytes.
pub(super) trait Sections {
    /// What stands for a matrix: a view of its bytes, or nothing where bytes are counted.
    type Matrix;
    /// What stands for a vector of singles: a view of its bytes, or nothing where bytes are counted.
    type Floats;
    /// The next matrix.
    fn matrix(&mut self, rows: usize, columns: usize) -> Self::Matrix;
    /// The next vector.
    fn floats(&mut self, length: usize) -> Self::Floats;
}

/// The next multiple of the alignment.
pub(super) fn aligned(at: u64) -> u64 {
    at.checked_next_multiple_of(ALIGNMENT as u64).unwrap_or(u64::MAX)
}

fn product(a: usize, b: usize) -> u64 {
    (a as u64).saturating_mul(b as u64)
}

/// Bytes of sections; sizes that overflow stay at the largest number.
#[derive(Debug)]
pub(super) struct Sizes {
    pub storage: Storage,
    /// Bytes so far, a multiple of the alignment.
    pub bytes: u64,
}

impl Sizes {
    pub fn new(storage: Storage) -> Self {
        Self { storage, bytes: 0 }
    }

    fn section(&mut self, length: u64) {
        self.bytes = self.bytes.saturating_add(aligned(length));
    }
}

impl Sections for Sizes {
    type Matrix = ();
    type Floats = ();

    fn matrix(&mut self, rows: usize, columns: usize) {
        self.section(product(rows, self.storage.row_bytes(columns)));
        self.section(product(rows, self.storage.scale_bytes(columns)));
    }

    fn floats(&mut self, length: usize) {
        self.section(product(length, 4));
    }
}

/// Sections of checked bytes.
#[derive(Debug)]
pub(super) struct View<'m> {
    pub storage: Storage,
    pub rest: &'m [u8],
}

impl<'m> View<'m> {
    /// The bytes from `at` on.
    pub fn from(storage: Storage, bytes: &'m [u8], at: u64) -> Self {
        let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        Self { storage, rest }
    }

    fn section(&mut self, length: u64) -> &'m [u8] {
        let after = View::from(self.storage, self.rest, aligned(length)).rest;
        let section = usize::try_from(length).ok().and_then(|length| self.rest.get(..length));
        self.rest = after;
        section.unwrap_or_default()
    }
}

impl<'m> Sections for View<'m> {
    type Matrix = Matrix<'m>;
    type Floats = Floats<'m>;

    fn matrix(&mut self, rows: usize, columns: usize) -> Matrix<'m> {
        let values = self.section(product(rows, self.storage.row_bytes(columns)));
        let scales = self.section(product(rows, self.storage.scale_bytes(columns)));
        Matrix::over(self.storage, rows, columns, values, scales).unwrap_or(Matrix::EMPTY)
    }

    fn floats(&mut self, length: usize) -> Floats<'m> {
        Floats(self.section(product(length, 4)))
    }
}

fn swiglu<S: Sections>(s: &mut S, dim: usize, width: usize) -> SwigluOf<S::Matrix> {
    SwigluOf { w13: s.matrix(width.saturating_mul(2), dim), w2: s.matrix(dim, width) }
}

fn mixture<S: Sections>(s: &mut S, dim: usize, moe: &MoeConfig) -> FeedForwardOf<S::Matrix, S::Floats> {
    FeedForwardOf::Mixture {
        gate: s.matrix(moe.n_routed, dim),
        bias: (moe.bias_rate > 0.0).then(|| s.floats(moe.n_routed)),
        experts: SwigluOf {
            w13: s.matrix(moe.n_routed.saturating_mul(moe.hidden).saturating_mul(2), dim),
            w2: s.matrix(moe.n_routed.saturating_mul(dim), moe.hidden),
        },
        shared: (moe.n_shared > 0).then(|| swiglu(s, dim, moe.n_shared.saturating_mul(moe.hidden))),
    }
}

/// Classes of relations that attention knows.
fn relation_classes(c: &Config) -> usize {
    if c.kind == ModelKind::Joint { c.joint.classes() } else { 0 }
}

/// What tells the positions of a joint model apart.
pub(super) fn marks<S: Sections>(s: &mut S, c: &Config) -> MarksOf<S::Floats> {
    let rows = c.joint.position_rows(c.context);
    MarksOf {
        flags: s.floats(c.dim.saturating_mul(2)),
        positions: (rows > 0).then(|| s.floats(rows.saturating_mul(c.dim))),
    }
}

/// The sections of block `layer`.
pub(super) fn block<S: Sections>(s: &mut S, c: &Config, layer: usize) -> BlockOf<S::Matrix, S::Floats> {
    BlockOf {
        qkv: s.matrix(c.qkv_rows(), c.dim),
        wo: s.matrix(c.dim, c.heads.saturating_mul(c.head_width())),
        relations: (relation_classes(c) > 0).then(|| s.floats(relation_classes(c).saturating_mul(c.heads))),
        feed_forward: match c.mixture(layer) {
            None => FeedForwardOf::Dense(swiglu(s, c.dim, c.ffn)),
            Some(moe) => mixture(s, c.dim, moe),
        },
    }
}

/// The condition vectors of one block.
pub(super) fn block_condition<S: Sections>(s: &mut S, dim: usize, modulated: bool) -> BlockConditionOf<S::Floats> {
    let w1 = s.floats(dim);
    let (b1, a1) = (modulated.then(|| s.floats(dim)), modulated.then(|| s.floats(dim)));
    let w2 = s.floats(dim);
    let (b2, a2) = (modulated.then(|| s.floats(dim)), modulated.then(|| s.floats(dim)));
    BlockConditionOf { w1, b1, a1, w2, b2, a2 }
}

/// The condition vectors of the final norm.
pub(super) fn head_condition<S: Sections>(s: &mut S, dim: usize, modulated: bool) -> HeadConditionOf<S::Floats> {
    HeadConditionOf { w: s.floats(dim), b: modulated.then(|| s.floats(dim)) }
}

/// The sections of a head of logits.
pub(super) fn output<S: Sections>(s: &mut S, c: &Config) -> OutputOf<S::Matrix, S::Floats> {
    OutputOf { weight: s.matrix(c.vocab, c.dim), bias: s.floats(c.vocab) }
}

/// Bytes of the groups of sections, each a multiple of the alignment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Places {
    /// One token matrix.
    table: u64,
    /// Token matrices: 1 when tied and in a joint model, else 2.
    tables: u64,
    /// Flags and vectors of positions; 0 but for a joint model.
    marks: u64,
    /// A block with a dense feed-forward, and with a mixture.
    dense: u64,
    mixed: u64,
    /// How many blocks are dense, and how many there are.
    dense_blocks: u64,
    blocks: u64,
    /// Plain gains of a block and of the final norm; 0 where the model has none.
    plain: u64,
    plain_head: u64,
    /// Modulated vectors of a block and of the final norm; 0 without AdaLN.
    block_condition: u64,
    head_condition: u64,
    landscapes: u64,
    head: u64,
}

fn bytes(storage: Storage, count: impl FnOnce(&mut Sizes)) -> u64 {
    let mut sizes = Sizes::new(storage);
    count(&mut sizes);
    sizes.bytes
}

impl Places {
    /// The places of a configuration that was checked.
    pub fn new(c: &Config, storage: Storage) -> Self {
        let (joint, modulated) = (c.kind == ModelKind::Joint, c.has_condition());
        let plain = !modulated || c.condition == Conditioning::Predictions;
        let dense_blocks = c.moe.as_ref().map_or(c.layers, |moe| moe.first_dense.min(c.layers));
        let of_block = |layer| bytes(storage, |s| drop_parts(block(s, c, layer)));
        let if_any = |any: bool, count: fn(&mut Sizes, usize)| {
            if any { bytes(storage, |s| count(s, c.dim)) } else { 0 }
        };
        Self {
            table: bytes(storage, |s| s.matrix(c.vocab, c.dim)),
            tables: if c.tied || joint { 1 } else { 2 },
            marks: if joint { bytes(storage, |s| drop_parts(marks(s, c))) } else { 0 },
            dense: if dense_blocks > 0 { of_block(0) } else { 0 },
            mixed: if dense_blocks < c.layers { of_block(dense_blocks) } else { 0 },
            dense_blocks: dense_blocks as u64,
            blocks: c.layers as u64,
            plain: if_any(plain, |s, dim| drop_parts(block_condition(s, dim, false))),
            plain_head: if_any(plain, |s, dim| drop_parts(head_condition(s, dim, false))),
            block_condition: if_any(modulated, |s, dim| drop_parts(block_condition(s, dim, true))),
            head_condition: if_any(modulated, |s, dim| drop_parts(head_condition(s, dim, true))),
            landscapes: if modulated { c.landscapes as u64 } else { 0 },
            head: match (c.has_energy(), joint) {
                (true, _) => bytes(storage, |s| s.floats(c.dim)),
                (false, true) => bytes(storage, |s| drop_parts(output(s, c))),
                (false, false) => 0,
            },
        }
    }

    /// First byte of the last token matrix, which mixes candidates or makes logits.
    pub fn vocabulary(&self) -> u64 {
        self.table.saturating_mul(self.tables.saturating_sub(1))
    }

    /// First byte of the flags of a joint model.
    pub fn marks(&self) -> Option<u64> {
        (self.marks > 0).then(|| self.table.saturating_mul(self.tables))
    }

    /// First byte of block `layer`; of what follows the blocks for the number of blocks.
    pub fn block(&self, layer: usize) -> u64 {
        let layer = layer as u64;
        let dense = layer.min(self.dense_blocks);
        let mixed = layer.saturating_sub(dense);
        let blocks = self.dense.saturating_mul(dense).saturating_add(self.mixed.saturating_mul(mixed));
        self.table.saturating_mul(self.tables).saturating_add(self.marks).saturating_add(blocks)
    }

    fn blocks_end(&self) -> u64 {
        self.block(usize::try_from(self.blocks).unwrap_or(usize::MAX))
    }

    /// First byte of the plain gains of block `layer`; of the final norm for the number of blocks.
    pub fn plain(&self, layer: usize) -> Option<u64> {
        let at = self.plain.saturating_mul(layer as u64);
        (self.plain > 0).then(|| self.blocks_end().saturating_add(at))
    }

    /// First byte of the vectors of block `layer` on a landscape; of the final norm for the number of blocks.
    pub fn conditions(&self, landscape: usize, layer: usize) -> Option<u64> {
        let within = self.block_condition.saturating_mul(layer as u64);
        let start = self.landscape(landscape as u64);
        ((landscape as u64) < self.landscapes).then(|| start.saturating_add(within))
    }

    fn landscape(&self, landscape: u64) -> u64 {
        let one = self.block_condition.saturating_mul(self.blocks).saturating_add(self.head_condition);
        let plain = self.plain.saturating_mul(self.blocks).saturating_add(self.plain_head);
        self.blocks_end().saturating_add(plain).saturating_add(one.saturating_mul(landscape))
    }

    /// First byte of the energy head, or of the head of logits.
    pub fn head(&self) -> Option<u64> {
        (self.head > 0).then(|| self.landscape(self.landscapes))
    }

    /// Bytes of all sections.
    pub fn end(&self) -> u64 {
        self.landscape(self.landscapes).saturating_add(self.head)
    }
}

/// The parts of a count are nothing.
fn drop_parts<T>(_: T) {}
