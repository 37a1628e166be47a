//! Uploads through page-locked memory, which the device reads by itself while the host goes on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use cudarc::driver::result::{self as cu, event};
use cudarc::driver::sys;

use super::context::Context;
use crate::toolchain::device::words;

/// Bytes of one buffer.
const BUFFER: usize = 2 << 20;
/// Buffers, used in turn.
const BUFFERS: usize = 8;

/// Page-locked memory of the host.
#[derive(Debug)]
pub(super) struct Pinned {
    context: Rc<Context>,
    start: *mut u8,
    bytes: usize,
}

impl Pinned {
    pub(super) fn new(context: &Rc<Context>, bytes: usize) -> Result<Self, String> {
        context.bind()?;
        // SAFETY: written before it is read; freed in `drop`
        let start = unsafe { cu::malloc_host(bytes, 0) }
            .map_err(|e| words(format_args!("{bytes} bytes of page-locked host memory"), e))?;
        Ok(Self { context: context.clone(), start: start.cast(), bytes })
    }

    /// Copies `data` to the start of the buffer and has the stream copy it to the device.
    ///
    /// # Safety
    ///
    /// `to` is device memory of that many bytes, and the device does not read the buffer now.
    pub(super) unsafe fn send(&mut self, to: u64, data: &[u8]) -> Result<(), String> {
        if self.bytes < data.len() {
            return Err(format!("{} bytes do not fit in a buffer of {}", data.len(), self.bytes));
        }
        // SAFETY: the range is inside the buffer, which only this handle writes
        let part = unsafe { std::slice::from_raw_parts_mut(self.start, data.len()) };
        part.copy_from_slice(data);
        // SAFETY: the caller's promise; the buffer outlives the copy, because `drop` of its owners waits
        unsafe { cu::memcpy_htod_async(to, part, self.context.stream) }
            .map_err(|e| words(format_args!("upload of {} bytes", data.len()), e))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // copies from it may still wait on the stream
        if self.context.synchronize().is_ok() {
            // SAFETY: from `malloc_host`, freed once, no longer read
            let _ = unsafe { cu::free_host(self.start.cast()) };
        }
    }
}

/// A buffer and the moment when the device has read it.
#[derive(Debug)]
struct Slot {
    buffer: Pinned,
    read: sys::CUevent,
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: made in `Staging::slot`, destroyed once; the driver keeps what is still pending
        let _ = unsafe { event::destroy(self.read) };
    }
}

/// A ring of buffers.
#[derive(Debug)]
pub(super) struct Staging {
    context: Rc<Context>,
    slots: RefCell<Vec<Slot>>,
    next: Cell<usize>,
}

impl Staging {
    pub(super) fn new(context: &Rc<Context>) -> Self {
        Self { context: context.clone(), slots: RefCell::default(), next: Cell::new(0) }
    }

    fn slot(&self) -> Result<Slot, String> {
        let buffer = Pinned::new(&self.context, BUFFER)?;
        let read = event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING).map_err(|e| words("an event", e))?;
        Ok(Slot { buffer, read })
    }

    /// Copies `data` to the device in the order of the stream; `data` may be reused at once.
    pub(super) fn upload(&self, to: u64, data: &[u8]) -> Result<(), String> {
        self.context.bind()?;
        let mut slots = self.slots.borrow_mut();
        let mut to = to;
        for part in data.chunks(BUFFER) {
            let at = self.next.get();
            if at == slots.len() {
                slots.push(self.slot()?);
            }
            self.next.set((at + 1) % BUFFERS);
            let slot = &mut slots[at];
            // SAFETY: the event exists; one that was never recorded is over at once
            if unsafe { event::query(slot.read) }.is_err() {
                // SAFETY: as above; what the query may have found beside "not yet", this says again
                unsafe { self.context.wait_for(slot.read) }?;
            }
            // SAFETY: the driver's contract for `to`; the event says that the last copy from the buffer is done
            unsafe { slot.buffer.send(to, part) }?;
            // SAFETY: both exist and belong to the context
            unsafe { event::record(slot.read, self.context.stream) }.map_err(|e| words("an event", e))?;
            to += part.len() as u64;
        }
        Ok(())
    }
}
