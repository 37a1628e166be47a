//! Pointers from C, checked as far as they can be.

use core::ffi::c_char;

use super::Status;

/// The longest object in bytes.
const LONGEST: usize = isize::MAX as usize;

/// Refuses null and what is not aligned.
fn check<T>(pointer: *const T) -> Result<(), Status> {
    if pointer.is_null() {
        Err(Status::Null)
    } else if !pointer.is_aligned() {
        Err(Status::Length)
    } else {
        Ok(())
    }
}

/// Refuses arrays that no memory can hold; null is allowed for none.
fn check_array<T>(pointer: *const T, length: usize) -> Result<(), Status> {
    if length == 0 {
        return Ok(());
    }
    check(pointer)?;
    let bytes = length.checked_mul(size_of::<T>()).filter(|&bytes| bytes <= LONGEST).ok_or(Status::Length)?;
    pointer.addr().checked_add(bytes).map(|_| ()).ok_or(Status::Length)
}

/// What is at `pointer`.
///
/// # Safety
///
/// A pointer that is not null points to a `T` that lives, and that nobody writes, for `'a`.
pub(super) unsafe fn read<'a, T>(pointer: *const T) -> Result<&'a T, Status> {
    check(pointer)?;
    // SAFETY: not null, aligned; the rest is the caller's promise.
    Ok(unsafe { &*pointer })
}

/// Writes what `pointer` points to.
///
/// # Safety
///
/// A pointer that is not null points to memory for a `T` that the caller may write.
pub(super) unsafe fn write<T>(pointer: *mut T, value: T) -> Result<(), Status> {
    check(pointer)?;
    // SAFETY: not null, aligned; the rest is the caller's promise.
    unsafe { pointer.write(value) };
    Ok(())
}

/// Whether `pointer` can be written.
pub(super) fn writable<T>(pointer: *mut T) -> Result<(), Status> {
    check(pointer)
}

/// `length` elements at `pointer`.
///
/// # Safety
///
/// If `length` is not 0 and `pointer` not null, there are as many elements that live, and that nobody writes, for `'a`.
pub(super) unsafe fn slice<'a, T>(pointer: *const T, length: usize) -> Result<&'a [T], Status> {
    check_array(pointer, length)?;
    if length == 0 {
        return Ok(&[]);
    }
    // SAFETY: not null, aligned, no longer than an object can be; the rest is the caller's promise.
    Ok(unsafe { core::slice::from_raw_parts(pointer, length) })
}

/// The `length` bytes of UTF-8 at `pointer`.
///
/// # Safety
///
/// As for [`slice`].
pub(super) unsafe fn text<'a>(pointer: *const c_char, length: usize) -> Result<&'a str, Status> {
    // SAFETY: the caller's promise.
    core::str::from_utf8(unsafe { slice(pointer.cast::<u8>(), length) }?).map_err(|_| Status::Utf8)
}

/// `length` elements at `pointer`, to be written.
///
/// # Safety
///
/// If `length` is not 0 and `pointer` not null, there are as many elements that live, and that nobody else uses, for `'a`.
pub(super) unsafe fn slice_mut<'a, T>(pointer: *mut T, length: usize) -> Result<&'a mut [T], Status> {
    check_array(pointer, length)?;
    if length == 0 {
        return Ok(&mut []);
    }
    // SAFETY: not null, aligned, no longer than an object can be; the rest is the caller's promise.
    Ok(unsafe { core::slice::from_raw_parts_mut(pointer, length) })
}
