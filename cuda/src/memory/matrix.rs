//! Matrices and index arrays on the device: counted handles to pooled memory.

use std::cell::RefCell;
use std::rc::Rc;

use super::pool::Block;
use crate::kind::Kind;
use crate::launch::Arg;

/// A row-major matrix; cloning copies a handle. The default is a matrix without memory, as failed operations return.
#[derive(Clone, Debug)]
pub struct Matrix {
    pub(crate) block: Option<Rc<Block>>,
    /// Copy of the memory in the storage type of products, one for all handles and views, see [`super::narrow_copy`]; none
    /// for 16-bit matrices.
    pub(crate) narrow_copy: Option<Rc<RefCell<NarrowCopy>>>,
    pub(crate) kind: Kind,
    /// First element, counted from the start of the block.
    pub(crate) start: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// The copy of a block of single-precision memory in the storage type of products.
#[derive(Debug, Default)]
pub(crate) struct NarrowCopy {
    /// `(1, elements)`: the whole block.
    pub(crate) copy: Option<Matrix>,
    /// Whether the copy agrees with the original.
    pub(crate) fresh: bool,
    /// Elements of the block.
    pub(crate) elements: usize,
}

impl Matrix {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }
    /// Storage type of the elements.
    pub fn kind(&self) -> Kind {
        self.kind
    }
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }
    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Bytes of the elements.
    pub(crate) fn bytes(&self) -> usize {
        self.len() * self.kind.bytes()
    }
    /// Device address of the first element; 0 for a matrix without memory.
    pub(crate) fn address(&self) -> u64 {
        self.block.as_ref().map_or(0, |b| b.address() + (self.start * self.kind.bytes()) as u64)
    }
    /// Whether no other handle reads the memory.
    pub(crate) fn is_alone(&self) -> bool {
        self.block.as_ref().is_some_and(|b| Rc::strong_count(b) == 1)
    }
    /// The same memory from element `start` on under another shape.
    pub(crate) fn shaped(&self, start: usize, rows: usize, columns: usize) -> Self {
        let (block, narrow_copy) = (self.block.clone(), self.narrow_copy.clone());
        Self { block, narrow_copy, kind: self.kind, start: self.start + start, rows, columns }
    }
}

/// An array of `u32` on the device; cloning copies a handle.
#[derive(Clone, Debug)]
pub struct Index {
    pub(crate) block: Option<Rc<Block>>,
    pub(crate) len: usize,
}

impl Index {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Device address; 0 without memory.
    pub(crate) fn address(&self) -> u64 {
        self.block.as_ref().map_or(0, |b| b.address())
    }
}

impl From<&Matrix> for Arg<'_> {
    fn from(m: &Matrix) -> Self {
        Arg::Word(m.address())
    }
}

/// An absent matrix is a null pointer.
impl From<Option<&Matrix>> for Arg<'_> {
    fn from(m: Option<&Matrix>) -> Self {
        m.map_or(Arg::Word(0), Arg::from)
    }
}

impl From<&Index> for Arg<'_> {
    fn from(i: &Index) -> Self {
        Arg::Word(i.address())
    }
}

/// An absent index is a null pointer.
impl From<Option<&Index>> for Arg<'_> {
    fn from(i: Option<&Index>) -> Self {
        i.map_or(Arg::Word(0), Arg::from)
    }
}
