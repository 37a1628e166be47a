//! A heap for a program that does not run for long.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{Cell, UnsafeCell};
use core::ptr::null_mut;

const HEAP: usize = 32 << 20;

/// Memory handed out from one end and never taken back: enough for a few steps.
struct Bump {
    memory: UnsafeCell<[u8; HEAP]>,
    used: Cell<usize>,
}

// SAFETY: the process has one thread and no signal handlers, so nothing is ever shared between two.
unsafe impl Sync for Bump {}

// SAFETY: every block lies inside `memory`, is aligned as asked, and overlaps no other, for `used` only grows.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.memory.get().cast::<u8>();
        let align = layout.align();
        let start = (base as usize + self.used.get()).next_multiple_of(align) - base as usize;
        match start.checked_add(layout.size()) {
            Some(end) if end <= HEAP => {
                self.used.set(end);
                base.wrapping_add(start)
            }
            _ => null_mut(),
        }
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { memory: UnsafeCell::new([0; HEAP]), used: Cell::new(0) };
