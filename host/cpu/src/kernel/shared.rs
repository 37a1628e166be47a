//! A mutable slice shared by tasks which write disjoint parts of it.

use std::marker::PhantomData;

/// A mutable borrow of a slice which several tasks may hold at a time.
///
/// Used where the parts of different tasks interleave (columns of one matrix),
/// which `split_at_mut` and chunk iterators cannot express.
#[derive(Debug)]
pub(super) struct SharedMut<'a, T> {
    start: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: access goes through `unsafe` methods or raw pointers, whose users
// keep the parts of different threads disjoint; the elements may be sent.
unsafe impl<T: Send> Send for SharedMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SharedMut<'_, T> {}

impl<'a, T> SharedMut<'a, T> {
    /// Borrows `slice` for sharing.
    pub(super) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), borrow: PhantomData }
    }

    /// Pointer to element `at`, from which `len` elements lie in the slice.
    ///
    /// # Panics
    /// If the range leaves the slice.
    #[inline]
    pub(super) fn block(&self, at: usize, len: usize) -> *mut T {
        assert!(at <= self.len && len <= self.len - at, "range outside of the slice");
        self.start.wrapping_add(at)
    }

    /// The elements `at..at + len`.
    ///
    /// # Safety
    /// While the result lives nothing else may access these elements.
    ///
    /// # Panics
    /// If the range leaves the slice.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn part(&self, at: usize, len: usize) -> &mut [T] {
        let start = self.block(at, len);
        // SAFETY: the range was checked, and the caller keeps it exclusive.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }
}
