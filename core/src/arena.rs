//! Counted blocks in a fixed range: first fit, no heap after construction.
//!
//! [`Blocks`] keeps account (of offsets only), so the same allocator serves real memory ([`Store`]) and the planner,
//! which therefore predicts the reference backend's high-water mark exactly.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// A live block.
#[derive(Clone, Copy, Debug)]
struct Block {
    id: u32,
    offset: usize,
    len: usize,
    handles: u32,
}

/// First-fit bookkeeping over `0 .. capacity`.
#[derive(Debug)]
pub struct Blocks {
    capacity: usize,
    live: Vec<Block>,
    next: u32,
    growable: bool,
    in_use: usize,
    peak_in_use: usize,
    high_water: usize,
}

impl Blocks {
    /// Room for `capacity` units in at most `blocks` blocks at a time.
    pub fn new(capacity: usize, blocks: usize) -> Self {
        let live = Vec::with_capacity(blocks);
        Self { capacity, live, next: 0, growable: false, in_use: 0, peak_in_use: 0, high_water: 0 }
    }

    /// A range without end, for planning.
    pub fn unbounded() -> Self {
        Self { growable: true, ..Self::new(usize::MAX / 2, 0) }
    }

    /// `(id, offset)` of a new block with one handle, or `None` if no gap is wide enough.
    pub fn take(&mut self, len: usize) -> Option<(u32, usize)> {
        if !self.growable && self.live.len() == self.live.capacity() {
            return None;
        }
        let mut offset = 0;
        let mut place = self.live.len();
        for (i, block) in self.live.iter().enumerate() {
            if block.offset - offset >= len {
                place = i;
                break;
            }
            offset = block.offset + block.len;
        }
        if offset.checked_add(len)? > self.capacity {
            return None;
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.live.insert(place, Block { id, offset, len, handles: 1 });
        self.in_use += len;
        self.peak_in_use = self.peak_in_use.max(self.in_use);
        self.high_water = self.high_water.max(offset + len);
        Some((id, offset))
    }

    fn find(&mut self, id: u32, offset: usize) -> Option<usize> {
        let from = self.live.partition_point(|b| b.offset < offset);
        (from..self.live.len()).take_while(|&i| self.live[i].offset == offset).find(|&i| self.live[i].id == id)
    }

    /// One more handle.
    pub fn retain(&mut self, id: u32, offset: usize) {
        if let Some(i) = self.find(id, offset) {
            self.live[i].handles += 1;
        }
    }

    /// One handle less; the last one frees the block.
    pub fn release(&mut self, id: u32, offset: usize) {
        if let Some(i) = self.find(id, offset) {
            self.live[i].handles -= 1;
            if self.live[i].handles == 0 {
                self.in_use -= self.live[i].len;
                self.live.remove(i);
            }
        }
    }

    /// Handles on a block.
    pub fn handles(&mut self, id: u32, offset: usize) -> u32 {
        self.find(id, offset).map_or(0, |i| self.live[i].handles)
    }

    /// Units in use now.
    pub fn in_use(&self) -> usize {
        self.in_use
    }

    /// Most units ever in use.
    pub fn peak_in_use(&self) -> usize {
        self.peak_in_use
    }

    /// Capacity that this history needed, gaps included.
    pub fn high_water(&self) -> usize {
        self.high_water
    }

    /// Units in all.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

/// Memory with counted blocks.
pub struct Store<X> {
    memory: Box<[Cell<X>]>,
    blocks: RefCell<Blocks>,
}

impl<X> core::fmt::Debug for Store<X> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Store").field("capacity", &self.memory.len()).finish_non_exhaustive()
    }
}

impl<X: Copy + Default> Store<X> {
    /// `capacity` elements in at most `blocks` blocks.
    pub fn new(capacity: usize, blocks: usize) -> Self {
        let memory = (0..capacity).map(|_| Cell::new(X::default())).collect();
        Self { memory, blocks: RefCell::new(Blocks::new(capacity, blocks)) }
    }

    /// A new block with one handle; `None` if it does not fit.
    pub fn take(&self, len: usize) -> Option<Handle<'_, X>> {
        let (id, offset) = self.blocks.borrow_mut().take(len)?;
        Some(Handle { store: self, id, offset, start: offset, len })
    }

    /// An empty handle, for results that could not be had.
    pub fn empty(&self) -> Handle<'_, X> {
        Handle { store: self, id: u32::MAX, offset: usize::MAX, start: 0, len: 0 }
    }

    /// Elements in all.
    pub fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// Capacity that the history so far needed.
    pub fn high_water(&self) -> usize {
        self.blocks.borrow().high_water()
    }
}

/// A counted view of a block.
pub struct Handle<'a, X> {
    store: &'a Store<X>,
    id: u32,
    offset: usize,
    start: usize,
    len: usize,
}

impl<'a, X: Copy> Handle<'a, X> {
    /// The elements that this handle covers; none if the block could not be had.
    pub fn cells(&self) -> &'a [Cell<X>] {
        self.store.memory.get(self.start..self.start + self.len).unwrap_or(&[])
    }

    /// A view of part of the block.
    pub fn view(&self, start: usize, len: usize) -> Self {
        let mut part = self.clone();
        let start = start.min(self.len);
        part.start += start;
        part.len = len.min(self.len - start);
        part
    }

    /// Whether no other handle reads this block.
    pub fn alone(&self) -> bool {
        self.store.blocks.borrow_mut().handles(self.id, self.offset) == 1
    }
}

impl<X> core::fmt::Debug for Handle<'_, X> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Handle").field("start", &self.start).field("len", &self.len).finish_non_exhaustive()
    }
}

impl<X> Clone for Handle<'_, X> {
    fn clone(&self) -> Self {
        self.store.blocks.borrow_mut().retain(self.id, self.offset);
        Self { store: self.store, id: self.id, offset: self.offset, start: self.start, len: self.len }
    }
}

impl<X> Drop for Handle<'_, X> {
    fn drop(&mut self) {
        self.store.blocks.borrow_mut().release(self.id, self.offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_gaps_are_reused_and_the_high_water_mark_counts_them() {
        let store = Store::<f32>::new(10, 8);
        let a = store.take(4).expect("fits");
        let b = store.take(4).expect("fits");
        assert!(store.take(3).is_none());
        drop(a);
        let c = store.take(3).expect("the first gap");
        assert_eq!(c.start, 0);
        let d = c.view(1, 2);
        drop(c);
        assert!(store.take(4).is_none(), "a view keeps the block");
        drop((b, d));
        assert_eq!(store.take(10).map(|h| h.cells().len()), Some(10));
        assert_eq!(store.high_water(), 10);
    }
}
