//! A generator in memory of the caller.

use core::cell::{Cell, RefCell, RefMut};
use core::ffi::{c_char, c_int, c_void};
use core::mem::MaybeUninit;
use core::ops::ControlFlow;

use ebt_tokenizer::compact::CompactTokenizer;

use super::pointer::{self, read, slice, slice_mut, writable, write};
use super::types::{CCertificate, COptions, CSettings, CStep, CToken, StepFunction};
use super::{Status, status};
use crate::{Generator, Options, Settings, StepReport};

/// A generator; lives in the memory that `ebt_open` was given.
pub struct GeneratorHandle {
    /// [`OPEN`], and anything else after the end.
    mark: Cell<u32>,
    /// Bytes of the longest piece of text, without the 0 that ends it.
    piece: usize,
    /// Tokens that the model knows.
    vocabulary: usize,
    tokenizer: CompactTokenizer<'static>,
    generator: RefCell<Generator<'static, 'static>>,
}

/// Marks a handle that is open.
const OPEN: u32 = 0x4542_5421;

impl GeneratorHandle {
    /// The generator, unless it is in use further out: then a callback asks for it.
    pub(super) fn generator(&self) -> Result<RefMut<'_, Generator<'static, 'static>>, Status> {
        self.generator.try_borrow_mut().map_err(|_| Status::Busy)
    }

    /// The tokenizer, which answers also while the generator is in use.
    pub(super) fn tokenizer(&self) -> &CompactTokenizer<'static> {
        &self.tokenizer
    }
}

/// Bytes of a handle with those that its alignment may waste, and that of the rest.
pub(super) const fn head<T>() -> usize {
    size_of::<T>() + align_of::<T>() + REST - 2
}

/// Alignment of what follows the handle.
const REST: usize = 64;

/// Runs a function; its error becomes a code.
pub(super) fn code(run: impl FnOnce() -> Result<Status, Status>) -> c_int {
    run().unwrap_or_else(|status| status).code()
}

/// A handle that bears a mark while it is open.
pub(super) trait Marked {
    /// The mark of those that are open; that of other kinds is another one.
    const OPEN: u32;
    /// The mark that it bears.
    fn mark(&self) -> u32;
}

impl Marked for GeneratorHandle {
    const OPEN: u32 = OPEN;
    fn mark(&self) -> u32 {
        self.mark.get()
    }
}

/// A handle that is open.
///
/// # Safety
///
/// A handle that is not null came from the function that opens its kind, and its memory is still there and used by nobody else.
pub(super) unsafe fn open<'a, H: Marked>(handle: *mut H) -> Result<&'a H, Status> {
    // SAFETY: the caller's promise.
    let handle = unsafe { read(handle) }?;
    if handle.mark() == H::OPEN { Ok(handle) } else { Err(Status::Closed) }
}

/// Writes to `bytes` how much memory a generator of this model with these options needs, whatever its alignment.
/// Null options are the usual ones.
///
/// # Safety
///
/// `model` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_bytes_needed(
    model: *const u8,
    length: usize,
    options: *const COptions,
    bytes: *mut usize,
) -> c_int {
    code(|| {
        writable(bytes)?;
        // SAFETY: the caller's promise.
        let (model, options) = unsafe { (given(model, length)?, options_of(options)?) };
        let needed = Generator::bytes_needed(model, &options).map_err(status::of_open)?;
        let needed = needed.checked_add(head::<GeneratorHandle>()).ok_or(Status::Size)?;
        // SAFETY: the caller's promise.
        unsafe { write(bytes, needed) }.map(|()| Status::Ok)
    })
}

/// Opens a generator at the beginning of an empty text, in `memory`, and writes its handle to `generator`. Nothing has to
/// be freed. Null options are the usual ones.
///
/// # Safety
///
/// `model` points to `length` bytes and `memory` to `memory_length`; both stay there, the model unchanged and the memory
/// used by nobody else, until the generator is no longer used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_open(
    model: *const u8,
    length: usize,
    options: *const COptions,
    memory: *mut c_void,
    memory_length: usize,
    generator: *mut *mut GeneratorHandle,
) -> c_int {
    code(|| {
        writable(generator)?;
        // SAFETY: the caller's promise; whatever the memory holds is a valid `MaybeUninit`.
        let (model, options, memory) =
            unsafe { (given(model, length)?, options_of(options)?, given_mut(memory.cast(), memory_length)?) };
        let (place, memory) = place(memory)?;
        let opened = Generator::new(model, &options, memory).map_err(status::of_open)?;
        let tokens = 0..opened.tokenizer().vocabulary_size();
        let longest = tokens.filter_map(|id| opened.tokenizer().token_bytes(id)).map(<[u8]>::len).max().unwrap_or(0);
        // up to 3 bytes may be held back from earlier tokens, and a byte that makes no character becomes 3
        let piece = longest.saturating_add(3).saturating_mul(3);
        let handle = place.write(GeneratorHandle {
            mark: Cell::new(OPEN),
            piece,
            vocabulary: opened.vocabulary(),
            tokenizer: *opened.tokenizer(),
            generator: RefCell::new(opened),
        });
        // SAFETY: the caller's promise.
        unsafe { write(generator, core::ptr::from_mut(handle)) }.map(|()| Status::Ok)
    })
}

/// The place of a handle at the beginning of the memory, and the memory behind it.
pub(super) fn place<T>(memory: &mut [u8]) -> Result<(&mut MaybeUninit<T>, &mut [u8]), Status> {
    let to = |address: usize, alignment: usize| address.wrapping_neg() % alignment;
    let before = to(memory.as_ptr().addr(), align_of::<T>());
    let (_, memory) = memory.split_at_mut_checked(before).ok_or(Status::Memory)?;
    let (place, rest) = memory.split_at_mut_checked(size_of::<T>()).ok_or(Status::Memory)?;
    let (_, rest) = rest.split_at_mut_checked(to(rest.as_ptr().addr(), REST)).ok_or(Status::Memory)?;
    // SAFETY: as many bytes as a handle has, aligned as it is, borrowed as long; any bytes are a valid `MaybeUninit`.
    Ok((unsafe { &mut *place.as_mut_ptr().cast() }, rest))
}

/// What shows every step to a function of C.
///
/// # Safety
///
/// The function may be called with `user`, and returns.
pub(super) unsafe fn telling(
    on_step: StepFunction,
    user: *mut c_void,
) -> impl FnMut(&StepReport<'_>) -> ControlFlow<()> {
    move |step| match on_step {
        // SAFETY: the caller's promise; the report lives as long as the call.
        Some(function) if unsafe { function(user, &CStep::from(step)) } != 0 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }
}

/// Model bytes; none are refused.
///
/// # Safety
///
/// As for [`slice`].
pub(super) unsafe fn given(model: *const u8, length: usize) -> Result<&'static [u8], Status> {
    if model.is_null() {
        return Err(Status::Null);
    }
    // SAFETY: the caller's promise.
    unsafe { slice(model, length) }
}

/// Memory; none is refused.
///
/// # Safety
///
/// As for [`slice_mut`].
pub(super) unsafe fn given_mut(memory: *mut u8, length: usize) -> Result<&'static mut [u8], Status> {
    if memory.is_null() {
        return Err(Status::Null);
    }
    // SAFETY: the caller's promise.
    unsafe { slice_mut(memory, length) }
}

/// Options, or the usual ones for null.
///
/// # Safety
///
/// As for [`read`].
pub(super) unsafe fn options_of(options: *const COptions) -> Result<Options, Status> {
    if options.is_null() {
        return Ok(Options::default());
    }
    // SAFETY: the caller's promise.
    unsafe { read(options) }?.options().ok_or(Status::Option)
}

/// Settings, or the usual ones for null.
///
/// # Safety
///
/// As for [`read`].
pub(super) unsafe fn settings_of(settings: *const CSettings) -> Result<Settings, Status> {
    if settings.is_null() {
        return Ok(Settings::default());
    }
    // SAFETY: the caller's promise.
    unsafe { read(settings) }?.settings().ok_or(Status::Setting)
}

/// Writes how many bytes a buffer for pieces of text needs, the 0 at its end included.
///
/// # Safety
///
/// `generator` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_piece_bytes(generator: *mut GeneratorHandle, bytes: *mut usize) -> c_int {
    // SAFETY: the caller's promise.
    code(|| unsafe { write(bytes, open(generator)?.piece.saturating_add(1)) }.map(|()| Status::Ok))
}

/// Writes how many tokens the model knows: the length of arrays of logits and probabilities.
///
/// # Safety
///
/// `generator` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_vocabulary(generator: *mut GeneratorHandle, tokens: *mut usize) -> c_int {
    // SAFETY: the caller's promise.
    code(|| unsafe { write(tokens, open(generator)?.vocabulary) }.map(|()| Status::Ok))
}

/// Points `bytes` to the bytes of token `id`, `length` of them, none for a special token. They may begin or end inside a
/// character, and lie in the model.
///
/// # Safety
///
/// `generator` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_token_bytes(
    generator: *mut GeneratorHandle,
    id: u32,
    bytes: *mut *const u8,
    length: *mut usize,
) -> c_int {
    code(|| {
        writable(length)?;
        // SAFETY: the caller's promise.
        let handle = unsafe { open(generator)? };
        let found = handle.tokenizer.token_bytes(id).ok_or(Status::Token)?;
        // SAFETY: the caller's promise.
        unsafe { write(bytes, found.as_ptr()).and_then(|()| write(length, found.len())) }.map(|()| Status::Ok)
    })
}

/// Adds `length` bytes of UTF-8 to the text so far, whoever wrote that.
///
/// # Safety
///
/// `generator` is open; `text` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_prompt(generator: *mut GeneratorHandle, text: *const c_char, length: usize) -> c_int {
    code(|| {
        // SAFETY: the caller's promise.
        let (handle, text) = unsafe { (open(generator)?, pointer::text(text, length)?) };
        handle.generator()?.prompt(text).map_err(status::of_use).map(|()| Status::Ok)
    })
}

/// Adds `count` tokens to the text so far as they are.
///
/// # Safety
///
/// `generator` is open; `ids` points to `count` numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_accept(generator: *mut GeneratorHandle, ids: *const u32, count: usize) -> c_int {
    code(|| {
        // SAFETY: the caller's promise.
        let (handle, ids) = unsafe { (open(generator)?, slice(ids, count)?) };
        handle.generator()?.accept(ids).map_err(status::of_use).map(|()| Status::Ok)
    })
}

/// Thinks of the next token and draws it. Its text is written to `piece`, with a 0 behind it: whole characters only, so it
/// may be empty and may hold characters begun by earlier tokens. Returns `EBT_STATUS_END` when the model ended the text; `piece`
/// then holds what was left of it. Null settings are the usual ones; `on_step` may be null. After an error the text so far
/// is unchanged and the call may be repeated. While `on_step` runs the generator is in use: `ebt_piece_bytes`,
/// `ebt_vocabulary` and `ebt_token_bytes` answer, every other function refuses with `EBT_STATUS_BUSY`.
///
/// # Safety
///
/// `generator` is open; `piece` points to `piece_length` bytes, `token` to a token; `on_step` may be called with `user` and
/// returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_next(
    generator: *mut GeneratorHandle,
    settings: *const CSettings,
    on_step: StepFunction,
    user: *mut c_void,
    piece: *mut c_char,
    piece_length: usize,
    token: *mut CToken,
) -> c_int {
    code(|| {
        writable(piece)?;
        writable(token)?;
        // SAFETY: the caller's promise.
        let handle = unsafe { open(generator)? };
        // before the buffers, which a callback might name again
        let mut generator = handle.generator()?;
        // SAFETY: the caller's promise.
        let piece = unsafe { slice_mut(piece.cast::<u8>(), piece_length)? };
        if piece.len() <= handle.piece {
            return Err(Status::Buffer);
        }
        // SAFETY: the caller's promise.
        let settings = unsafe { settings_of(settings)? };
        // SAFETY: the caller's promise.
        let mut tell = unsafe { telling(on_step, user) };
        match generator.next(&settings, &mut tell).map_err(status::of_use)? {
            Some(drawn) => {
                let length = copy(drawn.text.pieces(), piece);
                let certificate = CCertificate::from(&drawn.certificate);
                let told = CToken { id: drawn.id, probability: drawn.probability, length, certificate };
                // SAFETY: the caller's promise.
                unsafe { write(token, told) }.map(|()| Status::Ok)
            }
            None => {
                copy(core::iter::once(generator.finish()), piece);
                Ok(Status::End)
            }
        }
    })
}

/// Writes texts and a 0; returns the bytes without the 0.
fn copy<'t>(texts: impl Iterator<Item = &'t str>, out: &mut [u8]) -> usize {
    let (mut length, room) = (0, out.len().saturating_sub(1));
    let bytes = texts.flat_map(str::bytes).take(room);
    for (place, byte) in out.iter_mut().zip(bytes.chain(core::iter::once(0))) {
        *place = byte;
        length += 1;
    }
    length - 1
}

/// Energies, on one landscape, of `count` distributions of the token that the last `ebt_next` thought of: the landscape
/// that its descent moved on. `probabilities` holds `count` times the vocabulary's numbers, `energies` `count`.
///
/// # Safety
///
/// `generator` is open; the arrays hold as many numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_energies(
    generator: *mut GeneratorHandle,
    landscape: u32,
    probabilities: *const f32,
    count: usize,
    energies: *mut f32,
) -> c_int {
    code(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { open(generator)? };
        let mut generator = handle.generator()?;
        let numbers = count.checked_mul(handle.vocabulary).ok_or(Status::Length)?;
        // SAFETY: the caller's promise.
        let (probabilities, energies) = unsafe { (slice(probabilities, numbers)?, slice_mut(energies, count)?) };
        let done = generator.energies(landscape as usize, probabilities, energies);
        done.map_err(status::of_use).map(|()| Status::Ok)
    })
}

/// Back to the beginning of an empty text.
///
/// # Safety
///
/// `generator` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_reset(generator: *mut GeneratorHandle) -> c_int {
    code(|| {
        // SAFETY: the caller's promise.
        unsafe { open(generator)? }.generator()?.reset();
        Ok(Status::Ok)
    })
}

/// Ends the use of a generator: from now on its handle is refused, and its memory may be used for anything else.
///
/// # Safety
///
/// `generator` came from `ebt_open` and its memory is still there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_close(generator: *mut GeneratorHandle) -> c_int {
    code(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { open(generator)? };
        let _nobody_uses_it = handle.generator()?;
        handle.mark.set(0);
        Ok(Status::Ok)
    })
}
