//! Replay buffer of final states (Du and Mordatch, arXiv 1903.08689): rollouts that start where earlier ones ended.
//!
//! A fixed number of sequences with their tokens, targets and last state, kept on the host side of the backend so that
//! a checkpoint can hold them. Which slot is read or overwritten is a function of (seed, step, lane).

use alloc::vec::Vec;

use crate::random::{Purpose, Stream};

/// One remembered sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplayEntry {
    /// Observed tokens `(T)`.
    pub tokens: Vec<u32>,
    /// Next tokens `(T)`, `u32::MAX` where there is none.
    pub targets: Vec<u32>,
    /// First visible index of every position, empty if all is visible.
    pub starts: Vec<u32>,
    /// Last state `(T, V)`.
    pub state: Vec<f32>,
}

/// A fixed number of remembered sequences.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplayBuffer {
    capacity: usize,
    slots: Vec<ReplayEntry>,
}

impl ReplayBuffer {
    /// Room for `capacity` sequences.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, slots: Vec::new() }
    }

    /// The buffers of all lanes as one, lane by lane.
    pub fn join(lanes: &[Self]) -> Self {
        let slots = lanes.iter().flat_map(|lane| &lane.slots).cloned().collect();
        Self { capacity: lanes.iter().map(|lane| lane.capacity).sum(), slots }
    }

    /// The buffers of `lanes` lanes that were joined; none where they cannot have the same size, as those of lanes have.
    pub fn split(mut self, lanes: usize) -> Option<Vec<Self>> {
        let even = lanes > 0 && self.capacity.is_multiple_of(lanes) && self.slots.len().is_multiple_of(lanes);
        let (capacity, each) = even.then(|| (self.capacity / lanes, self.slots.len() / lanes))?;
        Some((0..lanes).map(|_| Self { capacity, slots: self.slots.drain(..each).collect() }).collect())
    }

    /// Number of sequences that there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Number of remembered sequences.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many of `batch` sequences start from the buffer: `share` of them once the buffer is full.
    pub fn wanted(&self, batch: usize, share: f64) -> usize {
        if self.capacity == 0 || self.slots.len() < self.capacity { 0 } else { (batch as f64 * share) as usize }
    }

    /// `count` distinct slots for training step `step` of lane `lane`, in ascending order.
    pub fn choose(&self, (seed, step, lane): (u64, u32, u16), count: usize) -> Vec<usize> {
        let stream = Stream::new(seed, step, Purpose::Replay).detail(2 * lane);
        let mut free: Vec<usize> = (0..self.slots.len()).collect();
        let count = count.min(free.len());
        for i in 0..count {
            let j = i + stream.below(i as u64, (free.len() - i) as u64) as usize;
            free.swap(i, j);
        }
        free.truncate(count);
        free.sort_unstable();
        free
    }

    /// A remembered sequence.
    pub fn get(&self, slot: usize) -> Option<&ReplayEntry> {
        self.slots.get(slot)
    }

    /// Puts a sequence back into the slot it came from.
    pub fn put(&mut self, slot: usize, entry: ReplayEntry) {
        if let Some(old) = self.slots.get_mut(slot) {
            *old = entry;
        }
    }

    /// Remembers a new sequence: in a free slot, or over a random one. `draw` numbers the insertions of a step of a lane.
    pub fn insert(&mut self, (seed, step, lane): (u64, u32, u16), draw: u64, entry: ReplayEntry) {
        if self.slots.len() < self.capacity {
            self.slots.push(entry);
        } else if self.capacity > 0 {
            let stream = Stream::new(seed, step, Purpose::Replay).detail(2 * lane + 1);
            let slot = stream.below(draw, self.capacity as u64) as usize;
            self.put(slot, entry);
        }
    }
}
