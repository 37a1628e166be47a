//! `Plan`: the model code run on shapes. Exact live bytes and floating-point operations of any call, before anything
//! is allocated; what `ebt plan` prints, what the budget tests assert on, what an embedder sizes an arena with.
//!
//! A fused plan counts fused operations as one kernel each (CPU and CUDA backends); a composed plan expands them into
//! primitives, as the reference backend does, and then [`Plan::arena_elements`] is exactly what its arena needs.

mod backend;
mod compute;
mod kernels;

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use crate::arena::Blocks;
use crate::compute::{Attention, Scope};
use crate::error::Error;

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum FlopKind {
    /// Products with a weight or vocabulary matrix (experts included).
    Product,
    /// Scores and mixtures of attention.
    Attention,
    /// Everything linear in the number of elements; one operation an element written.
    Elementwise,
}

impl FlopKind {
    /// The kinds in the order in which they are counted.
    pub const ALL: [FlopKind; 3] = [FlopKind::Product, FlopKind::Attention, FlopKind::Elementwise];
}

/// Floating-point operations by scope and kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flops([[u64; 3]; 6]);

impl Flops {
    /// Operations of one kind in one scope.
    pub fn get(&self, scope: Scope, work: FlopKind) -> u64 {
        self.0[scope as usize][work as usize]
    }
    /// All operations of one scope.
    pub fn scope(&self, scope: Scope) -> u64 {
        self.0[scope as usize].iter().sum()
    }
    /// Floating-point operations of all kinds in all scopes.
    pub fn total(&self) -> u64 {
        self.0.iter().flatten().sum()
    }
}

#[derive(Debug)]
struct State {
    blocks: RefCell<Blocks>,
    flops: RefCell<Flops>,
    scope: Cell<Scope>,
    failure: RefCell<Option<Error>>,
}

/// One block of planned memory; dropping the last handle frees it.
#[derive(Debug)]
struct Block {
    state: Rc<State>,
    id: u32,
    offset: usize,
}

impl Drop for Block {
    fn drop(&mut self) {
        self.state.blocks.borrow_mut().release(self.id, self.offset);
    }
}

/// A planned matrix: shape and memory, no values.
#[derive(Clone, Debug)]
pub struct Planned {
    rows: usize,
    columns: usize,
    block: Option<Rc<Block>>,
}

impl Planned {
    fn len(&self) -> usize {
        self.rows * self.columns
    }
}

/// A backend of shapes.
#[derive(Debug)]
pub struct Plan {
    state: Rc<State>,
    fused: bool,
    element_bytes: usize,
}

impl Plan {
    /// Fused operations count as kernels of their own; `element_bytes` is the size of a number.
    pub fn new(element_bytes: usize) -> Self {
        Self::build(element_bytes, true)
    }

    /// Fused operations are expanded into primitives, as on the reference backend.
    pub fn composed(element_bytes: usize) -> Self {
        Self::build(element_bytes, false)
    }

    fn build(element_bytes: usize, fused: bool) -> Self {
        let state = State {
            blocks: RefCell::new(Blocks::unbounded()),
            flops: RefCell::new(Flops::default()),
            scope: Cell::new(Scope::Other),
            failure: RefCell::new(None),
        };
        Self { state: Rc::new(state), fused, element_bytes }
    }

    /// Most bytes of matrices alive at a time.
    pub fn peak_bytes(&self) -> usize {
        self.state.blocks.borrow().peak_in_use() * self.element_bytes
    }

    /// Bytes of matrices alive now.
    pub fn bytes_in_use(&self) -> usize {
        self.state.blocks.borrow().in_use() * self.element_bytes
    }

    /// Elements a first-fit arena needs for this history, gaps included.
    pub fn arena_elements(&self) -> usize {
        self.state.blocks.borrow().high_water()
    }

    /// Work so far.
    pub fn flops(&self) -> Flops {
        *self.state.flops.borrow()
    }

    /// Forgets the work so far (memory stays).
    pub fn reset_flops(&self) {
        *self.state.flops.borrow_mut() = Flops::default();
    }

    fn take(&self, rows: usize, columns: usize) -> Planned {
        let taken = self.state.blocks.borrow_mut().take(rows * columns);
        let block = taken.map(|(id, offset)| Rc::new(Block { state: self.state.clone(), id, offset }));
        if block.is_none() {
            let failure = Error::Memory { needed: usize::MAX, capacity: usize::MAX };
            self.state.failure.borrow_mut().get_or_insert(failure);
        }
        Planned { rows, columns, block }
    }

    fn work(&self, kind: FlopKind, flops: usize) {
        self.state.flops.borrow_mut().0[self.state.scope.get() as usize][kind as usize] += flops as u64;
    }

    /// A new matrix written by `per_element` operations an element.
    fn elementwise(&self, rows: usize, columns: usize, per_element: usize) -> Planned {
        self.work(FlopKind::Elementwise, rows * columns * per_element);
        self.take(rows, columns)
    }

    /// Visible (query, key) pairs of all heads when every query sees up to `slots` rows back.
    fn pairs(shape: &Attention, slots: usize) -> usize {
        let (t, w) = (shape.context, slots.min(shape.context));
        let per_head = w * (w + 1) / 2 + (t - w) * w;
        shape.batch * shape.heads * per_head
    }

    /// `products` contractions over the visible pairs.
    fn attend(&self, shape: &Attention, slots: usize, products: usize) {
        self.work(FlopKind::Attention, 2 * products * shape.head_dim * Self::pairs(shape, slots));
    }
}
