//! Decoders that believe a damaged file: a sentence and status 1, where an allocation that fails would abort the program.
//!
//! What this house takes much memory for is checked beforehand ([`memory`](crate::memory)) or tried. Decoders of other houses
//! take what a file says of its own lengths, exabytes too, and cannot be told to fail.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::io::{self, Write as _};
use std::process;

use crate::progress::size;

thread_local! {
    /// What a decoder of this thread reads; empty outside of decoders.
    static READING: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a decoder of what `place` names, such as `row group 3 of a.parquet`. Under [`Allocator`] the program ends with status 1
/// and a sentence that names it, should the decoder ask for more memory than there is.
pub fn reading<T>(place: &str, decode: impl FnOnce() -> T) -> T {
    READING.with_borrow_mut(|reading| reading.push_str(place));
    let decoded = decode();
    READING.with_borrow_mut(String::clear);
    decoded
}

/// The system's allocator for the programs that use [`reading`].
#[derive(Clone, Copy, Debug)]
pub struct Allocator;

/// What the system gave for `bytes`; does not return where that is nothing and a decoder asked.
fn given(pointer: *mut u8, bytes: usize) -> *mut u8 {
    if pointer.is_null() {
        refuse(bytes);
    }
    pointer
}

#[cold]
fn refuse(bytes: usize) {
    // taken, so that the sentence, where memory fails once more, does not come back here
    let place = READING.try_with(|reading| reading.try_borrow_mut().map(|mut place| std::mem::take(&mut *place)));
    let Some(place) = place.ok().and_then(Result::ok).filter(|place| !place.is_empty()) else { return };
    let size = size(bytes as f64);
    let _ = writeln!(
        io::stderr(),
        "error: {place} asks for {size} of memory at once, more than there is; it may be damaged"
    );
    process::exit(1)
}

// SAFETY: everything is passed on to the system's allocator as it came, and what it gives is given.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        given(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        given(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        given(unsafe { System.realloc(pointer, layout, size) }, size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}
