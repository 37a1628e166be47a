//! Device memory by size class: what was freed is taken again, so a steady training step allocates nothing.
//!
//! All work is on one stream, so a block may be reused as soon as its last handle is gone. Blocks belong to an *arena*:
//! a recorded step owns one, and memory that its replays will overwrite is never given to anyone else.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::driver::Driver;

/// Requests are rounded up to this many bytes.
const GRAIN: usize = 512;

/// Arena of everything that no recorded step owns.
pub(crate) const COMMON: u32 = 0;

/// Free blocks by arena and size class.
#[derive(Debug)]
pub(crate) struct Pool {
    driver: Rc<dyn Driver>,
    waiting: RefCell<HashMap<(u32, usize), Vec<u64>>>,
    /// Arenas whose blocks now belong to the common one.
    dissolved: RefCell<HashSet<u32>>,
    arena: Cell<u32>,
    arenas: Cell<u32>,
    /// Whether the driver may not be asked for memory.
    frozen: Cell<bool>,
    /// Classes that a frozen pool was asked for in vain.
    missed: RefCell<Vec<usize>>,
    reserved: Cell<usize>,
    most_reserved: Cell<usize>,
    used: Cell<usize>,
    peak: Cell<usize>,
    allocations: Cell<usize>,
}

/// One block of device memory; dropping it gives it back to its arena.
#[derive(Debug)]
pub(crate) struct Block {
    pool: Rc<Pool>,
    address: u64,
    class: usize,
    arena: u32,
}

impl Block {
    pub(crate) fn address(&self) -> u64 {
        self.address
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.pool.used.set(self.pool.used.get() - self.class);
        let arena = if self.pool.dissolved.borrow().contains(&self.arena) { COMMON } else { self.arena };
        self.pool.waiting.borrow_mut().entry((arena, self.class)).or_default().push(self.address);
    }
}

/// Device memory of a backend in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MemoryReport {
    /// Taken from the driver and not given back.
    pub reserved: usize,
    /// Most ever taken from the driver.
    pub most_reserved: usize,
    /// Held by matrices and indices now.
    pub used: usize,
    /// Most in use at a time.
    pub peak: usize,
    /// Times that the driver was asked for memory.
    pub allocations: usize,
}

impl Pool {
    pub(crate) fn new(driver: Rc<dyn Driver>) -> Self {
        Self {
            driver,
            waiting: RefCell::default(),
            dissolved: RefCell::default(),
            arena: Cell::new(COMMON),
            arenas: Cell::new(COMMON + 1),
            frozen: Cell::new(false),
            missed: RefCell::default(),
            reserved: Cell::new(0),
            most_reserved: Cell::new(0),
            used: Cell::new(0),
            peak: Cell::new(0),
            allocations: Cell::new(0),
        }
    }

    /// A block of at least `bytes`.
    pub(crate) fn take(self: &Rc<Self>, bytes: usize) -> Result<Rc<Block>, String> {
        let class = Self::class(bytes).ok_or_else(|| format!("out of memory: {bytes} bytes more were needed"))?;
        let arena = self.arena.get();
        let address = match self.waiting_block(arena, class) {
            Some(address) => address,
            None => self.grow(class)?,
        };
        self.used.set(self.used.get() + class);
        self.peak.set(self.peak.get().max(self.used.get()));
        Ok(Rc::new(Block { pool: self.clone(), address, class, arena }))
    }

    fn waiting_block(&self, arena: u32, class: usize) -> Option<u64> {
        self.waiting.borrow_mut().get_mut(&(arena, class)).and_then(Vec::pop)
    }

    /// Size class of a request: multiples of 512 bytes, coarser for large ones (at most an eighth is wasted); none for
    /// a request beyond all memory.
    fn class(bytes: usize) -> Option<usize> {
        let bytes = bytes.max(1).checked_next_multiple_of(GRAIN)?;
        let step = (bytes.checked_next_power_of_two()? / 16).max(GRAIN);
        bytes.checked_next_multiple_of(step)
    }

    fn grow(&self, class: usize) -> Result<u64, String> {
        if self.frozen.get() {
            // a block that no one uses may join the arena: whatever used it is before this on the stream
            let spare = if self.arena.get() == COMMON { None } else { self.waiting_block(COMMON, class) };
            return spare.ok_or_else(|| {
                self.missed.borrow_mut().push(class);
                format!("{class} bytes were asked for while a step was recorded, more than its first run had taken")
            });
        }
        let address = match self.driver.allocate(class) {
            Ok(address) => address,
            Err(_) => {
                // what waits in other classes may be enough
                self.trim();
                self.driver.allocate(class)?
            }
        };
        self.allocations.set(self.allocations.get() + 1);
        self.reserved.set(self.reserved.get() + class);
        self.most_reserved.set(self.most_reserved.get().max(self.reserved.get()));
        Ok(address)
    }

    /// Gives the waiting blocks of the common arena back to the driver.
    pub(crate) fn trim(&self) {
        let mut waiting = self.waiting.borrow_mut();
        for ((_, class), list) in waiting.iter_mut().filter(|((arena, _), _)| *arena == COMMON) {
            for address in list.drain(..) {
                self.driver.release(address, *class);
                self.reserved.set(self.reserved.get() - class);
            }
        }
    }

    /// A new arena for a recorded step.
    pub(crate) fn new_arena(&self) -> u32 {
        let arena = self.arenas.get();
        self.arenas.set(arena + 1);
        arena
    }

    /// Takes from `arena` from now on; returns the arena left. An arena whose blocks all wait gives the same blocks
    /// for the same requests every time it is entered.
    pub(crate) fn enter(&self, arena: u32) -> u32 {
        let left = self.arena.replace(arena);
        if arena != COMMON && left != arena {
            let mut waiting = self.waiting.borrow_mut();
            for (_, list) in waiting.iter_mut().filter(|(key, _)| key.0 == arena) {
                list.sort_unstable_by(|a, b| b.cmp(a));
            }
        }
        left
    }

    /// Whether the driver may not be asked for memory; returns what held before.
    pub(crate) fn freeze(&self, frozen: bool) -> bool {
        self.frozen.replace(frozen)
    }

    /// Gives an arena the blocks that were asked for in vain while the pool was frozen.
    pub(crate) fn provide(&self, arena: u32) -> Result<(), String> {
        for class in std::mem::take(&mut *self.missed.borrow_mut()) {
            let address = self.grow(class)?;
            self.waiting.borrow_mut().entry((arena, class)).or_default().push(address);
        }
        Ok(())
    }

    /// Gives the blocks of a recorded step to the common arena: those that wait now, the others when they are free.
    pub(crate) fn dissolve(&self, arena: u32) {
        if arena == COMMON {
            return;
        }
        self.dissolved.borrow_mut().insert(arena);
        let mut waiting = self.waiting.borrow_mut();
        let keys: Vec<_> = waiting.keys().copied().filter(|key| key.0 == arena).collect();
        for key in keys {
            let blocks = waiting.remove(&key).unwrap_or_default();
            waiting.entry((COMMON, key.1)).or_default().extend(blocks);
        }
    }

    /// What was taken so far.
    pub(crate) fn report(&self) -> MemoryReport {
        MemoryReport {
            reserved: self.reserved.get(),
            most_reserved: self.most_reserved.get(),
            used: self.used.get(),
            peak: self.peak.get(),
            allocations: self.allocations.get(),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for ((_, class), list) in self.waiting.get_mut().drain() {
            for address in list {
                self.driver.release(address, class);
            }
        }
    }
}

#[cfg(test)]
mod tests;
