//! A restorer of damaged text in memory of the caller.

use core::cell::{Cell, RefCell};
use core::ffi::{c_char, c_int, c_void};

use ebt_tokenizer::letters::Damage;

use super::handle::{Marked, code, given, given_mut, head, open, options_of, place};
use super::pointer::{self, slice_mut, writable, write};
use super::types::{CLetter, COptions, LetterFunction};
use super::{Status, status};
use crate::engine::descent::DescentOptions;
use crate::{Letter, Restorer};

/// A restorer; lives in the memory that `ebt_restorer_open` was given.
pub struct RestorerHandle {
    /// [`OPEN`], and anything else after the end.
    mark: Cell<u32>,
    restorer: RefCell<Restorer<'static, 'static>>,
}

/// Marks a handle that is open.
const OPEN: u32 = 0x4542_5221;

impl Marked for RestorerHandle {
    const OPEN: u32 = OPEN;
    fn mark(&self) -> u32 {
        self.mark.get()
    }
}

/// Writes to `bytes` how much memory a restorer with this model of letters and these options needs, whatever its alignment. Null
/// options are the usual ones; `rows` is the most candidates of a window, `block` and `prompt` do not count.
///
/// # Safety
///
/// `model` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_restorer_bytes_needed(
    model: *const u8,
    length: usize,
    options: *const COptions,
    bytes: *mut usize,
) -> c_int {
    code(|| {
        writable(bytes)?;
        // SAFETY: the caller's promise.
        let (model, options) = unsafe { (given(model, length)?, options_of(options)?) };
        let needed = Restorer::bytes_needed(model, &options.session).map_err(status::of_open)?;
        let needed = needed.checked_add(head::<RestorerHandle>()).ok_or(Status::Size)?;
        // SAFETY: the caller's promise.
        unsafe { write(bytes, needed) }.map(|()| Status::Ok)
    })
}

/// Opens a restorer in `memory`, and writes its handle to `restorer`. Nothing has to be freed. Null options are the usual ones.
///
/// # Safety
///
/// `model` points to `length` bytes and `memory` to `memory_length`; both stay there, the model unchanged and the memory
/// used by nobody else, until the restorer is no longer used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_restorer_open(
    model: *const u8,
    length: usize,
    options: *const COptions,
    memory: *mut c_void,
    memory_length: usize,
    restorer: *mut *mut RestorerHandle,
) -> c_int {
    code(|| {
        writable(restorer)?;
        // SAFETY: the caller's promise; whatever the memory holds is a valid `MaybeUninit`.
        let (model, options, memory) =
            unsafe { (given(model, length)?, options_of(options)?, given_mut(memory.cast(), memory_length)?) };
        let (place, memory) = place(memory)?;
        let opened = RefCell::new(Restorer::new(model, &options.session, memory).map_err(status::of_open)?);
        let handle = place.write(RestorerHandle { mark: Cell::new(OPEN), restorer: opened });
        // SAFETY: the caller's promise.
        unsafe { write(restorer, core::ptr::from_mut(handle)) }.map(|()| Status::Ok)
    })
}

/// Restores `text`, a line or more of `length` bytes, until nothing changes any more. `damage` is 0 for text typed without Turkish
/// letters, 1 where circumflexes were left out too, 2 where letters are lost and `_` stands for each, 3
/// where neighbouring keys were hit, 4 where letters were taken for others that look alike; `steps` 0 for the model's own
/// number. The result lies in `scratch`, which must hold four bytes for every byte of the text: `*restored` points to it, and
/// `*restored_length` is its length (no 0 ends it). `on_letter` may be null; it sees every character of every pass in order. While it
/// runs the restorer is in use, and every function refuses it with `EBT_STATUS_BUSY`.
///
/// # Safety
///
/// `restorer` is open; `text` points to `length` bytes and `scratch` to `scratch_length`; `on_letter` may be called with `user` and
/// returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_restorer_restore(
    restorer: *mut RestorerHandle,
    damage: u32,
    steps: u32,
    text: *const c_char,
    length: usize,
    scratch: *mut c_char,
    scratch_length: usize,
    on_letter: LetterFunction,
    user: *mut c_void,
    restored: *mut *const c_char,
    restored_length: *mut usize,
) -> c_int {
    code(|| {
        writable(restored)?;
        writable(restored_length)?;
        // SAFETY: the caller's promise.
        let handle = unsafe { open(restorer)? };
        let mut restorer = handle.restorer.try_borrow_mut().map_err(|_| Status::Busy)?;
        // SAFETY: the caller's promise.
        let (scratch, text) =
            unsafe { (slice_mut(scratch.cast::<u8>(), scratch_length)?, pointer::text(text, length)?) };
        let &(_, _, damage) = Damage::ALL.get(damage as usize).ok_or(Status::Setting)?;
        if scratch.len() < Restorer::bytes_to_settle(text.len()) {
            return Err(Status::Buffer);
        }
        let think = DescentOptions { steps: steps as usize, ..DescentOptions::default() };
        let mut tell = |pass: usize, letter: Letter| {
            if let Some(on_letter) = on_letter {
                let letter = CLetter::of(pass, letter);
                // SAFETY: the caller's promise; the letter lives during the call.
                unsafe { on_letter(user, &letter) };
            }
        };
        let settled = restorer.settle(text, damage, &think, scratch, &mut tell).map_err(status::of_use)?;
        // SAFETY: the caller's promise.
        unsafe { write(restored, settled.as_ptr().cast()).and_then(|()| write(restored_length, settled.len())) }
            .map(|()| Status::Ok)
    })
}

/// Ends the use of a restorer: from now on its handle is refused, and its memory may be used for anything else.
///
/// # Safety
///
/// `restorer` came from `ebt_restorer_open` and its memory is still there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_restorer_close(restorer: *mut RestorerHandle) -> c_int {
    code(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { open(restorer)? };
        let _nobody_uses_it = handle.restorer.try_borrow_mut().map_err(|_| Status::Busy)?;
        handle.mark.set(0);
        Ok(Status::Ok)
    })
}
