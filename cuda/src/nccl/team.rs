//! What a backend keeps of the ranks that it adds with.

use std::cell::RefCell;
use std::rc::Rc;

use super::ranks::Sums;
use crate::memory::Block;

/// Parts are multiples of so many numbers, so that all of them are aligned as kernels like it.
const GRAIN: usize = 8;

/// The ranks that a backend adds with.
#[derive(Debug)]
pub(crate) struct Team {
    pub(crate) rank: usize,
    pub(crate) world: usize,
    pub(crate) sums: Sums,
    /// Whether there is no device, and every count is thought to be this rank's.
    pub(crate) planned: bool,
    /// Memory of the largest sum so far.
    pub(crate) room: RefCell<Room>,
}

/// Device memory that sums work in, kept from step to step.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Numbers of a bucket.
    pub(crate) count: usize,
    pub(crate) bucket: Option<Rc<Block>>,
    /// As large: this rank's part of the buckets of all.
    pub(crate) parts: Option<Rc<Block>>,
}

impl Team {
    pub(crate) fn new(rank: usize, world: usize, sums: Sums) -> Self {
        Self { rank, world: world.max(1), sums, planned: false, room: RefCell::default() }
    }

    /// Of a backend without a device.
    pub(crate) fn planned(world: usize, sums: Sums) -> Self {
        Self { planned: true, ..Self::new(0, world, sums) }
    }

    /// Numbers of one of the parts of a bucket of `count` numbers.
    pub(crate) fn part(&self, count: usize) -> usize {
        count.div_ceil(self.world).next_multiple_of(GRAIN)
    }
}
