//! Per-thread packing buffers.

use super::math::Real;

/// Alignment of packed panels, in bytes: one cache line, so that no vector
/// load of a panel crosses a line.
const ALIGN: usize = 64;

/// The packing buffers of one thread: a block of `A` and a block of `B`.
#[derive(Debug)]
pub struct Scratch<E> {
    a: Vec<E>,
    b: Vec<E>,
}

impl<E> Scratch<E> {
    /// Empty buffers; they grow at first use.
    pub const fn new() -> Self {
        Self { a: Vec::new(), b: Vec::new() }
    }
}

impl<E> Default for Scratch<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Real> Scratch<E> {
    /// Line-aligned buffers of `a` and `b` elements with unspecified content.
    pub fn buffers(&mut self, a: usize, b: usize) -> (&mut [E], &mut [E]) {
        (aligned(&mut self.a, a), aligned(&mut self.b, b))
    }
}

/// A line-aligned window of `len` elements of `buffer`, grown where needed.
pub(super) fn aligned<E: Real>(buffer: &mut Vec<E>, len: usize) -> &mut [E] {
    let slack = ALIGN / size_of::<E>();
    if buffer.len() < len + slack {
        buffer.resize(len + slack, E::ZERO);
    }
    let skip = buffer.as_ptr().align_offset(ALIGN).min(slack);
    &mut buffer[skip..skip + len]
}
