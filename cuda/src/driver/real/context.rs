//! The device, its primary context and the one stream that all work is on.

use std::cell::OnceCell;

use cudarc::driver::result::{self as cu, DriverError, event, stream::StreamKind};
use cudarc::driver::sys;
use sys::CUdevice_attribute_enum as Attribute;

use crate::nccl::Communicator;
use crate::toolchain::device::{attribute, capability, device, device_count, sizes, words};
use crate::toolchain::library::Library;

/// See the module text. Everything made in the context holds an `Rc` of this, so it ends last.
#[derive(Debug)]
pub(super) struct Context {
    handle: sys::CUcontext,
    device: sys::CUdevice,
    pub(super) stream: sys::CUstream,
    /// The device's memory pool, if it has one: memory then follows the order of the stream.
    pool: Option<sys::CUmemoryPool>,
    pub(super) name: String,
    pub(super) processors: usize,
    /// Most shared memory of a block in bytes.
    pub(super) shared: usize,
    pub(super) capability: (u32, u32),
    /// The way to other ranks. Where there are some, nothing waits without asking after them.
    pub(super) ranks: OnceCell<Communicator>,
}

impl Context {
    pub(super) fn open(ordinal: usize) -> Result<Self, String> {
        let count = device_count()?;
        if ordinal >= count {
            return Err(match count {
                0 => String::from("the NVIDIA driver finds no GPU (is one hidden by CUDA_VISIBLE_DEVICES?)"),
                _ => format!("there is no GPU {ordinal}: the NVIDIA driver finds {count}, counted from 0"),
            });
        }
        let device = device(ordinal)?;
        let name = cu::device::get_name(device).map_err(|e| words("name of the GPU", e))?;
        let fail = |what: &str, e| words(format_args!("{what} on {name}"), e);
        // SAFETY: the device exists; released in `drop`
        let handle = unsafe { cu::primary_ctx::retain(device) }.map_err(|e| fail("no context", e))?;
        let (processors, shared) = sizes(device);
        let mut context = Self {
            handle,
            device,
            stream: std::ptr::null_mut(),
            pool: None,
            name: name.clone(),
            processors,
            shared,
            capability: capability(device),
            ranks: OnceCell::new(),
        };
        context.bind()?;
        context.stream = cu::stream::create(StreamKind::NonBlocking).map_err(|e| fail("no stream", e))?;
        context.pool = memory_pool(device);
        Ok(context)
    }

    /// Makes the context that of this thread; every call into the driver comes after this.
    pub(super) fn bind(&self) -> Result<(), String> {
        // SAFETY: the context is retained until `drop`
        unsafe { cu::ctx::set_current(self.handle) }.map_err(|e| words("the context of the GPU is lost", e))
    }

    pub(super) fn synchronize(&self) -> Result<(), String> {
        self.bind()?;
        let Some(ranks) = self.ranks.get() else {
            // SAFETY: the stream lives as long as `self`
            return unsafe { cu::stream::synchronize(self.stream) }.map_err(|e| words(FAILED, e));
        };
        // SAFETY: as above
        ranks.watch(|| is_done(unsafe { sys::cuStreamQuery(self.stream) }.result()))
    }

    /// Waits for an event of the stream.
    ///
    /// # Safety
    ///
    /// The event exists.
    pub(super) unsafe fn wait_for(&self, moment: sys::CUevent) -> Result<(), String> {
        match self.ranks.get() {
            // SAFETY: the caller's contract
            None => unsafe { event::synchronize(moment) }.map_err(|e| words(FAILED, e)),
            // SAFETY: the caller's contract
            Some(ranks) => ranks.watch(|| is_done(unsafe { event::query(moment) })),
        }
    }

    pub(super) fn allocate(&self, bytes: usize) -> Result<u64, String> {
        self.bind()?;
        let address = self.request(bytes).or_else(|first| {
            // memory that was given back may wait for the stream, or lie in the device's pool
            self.synchronize().map_err(|_| first)?;
            if let Some(pool) = self.pool
                && Library::Driver.has("cuMemPoolTrimTo")
            {
                // SAFETY: the pool is the device's own
                let _ = unsafe { cu::mem_pool::trim_to(pool, 0) };
            }
            self.request(bytes)
        });
        address.map_err(|e| match (e.0, cu::mem_get_info()) {
            (sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY, Ok((free, total))) => {
                format!("out of memory: {bytes} bytes more were needed, {free} of {total} free on {}", self.name)
            }
            _ => words(format_args!("{bytes} bytes of memory on {}", self.name), e),
        })
    }

    fn request(&self, bytes: usize) -> Result<u64, DriverError> {
        // SAFETY: the stream exists; the memory is written before it is read by the contract of the pool above
        unsafe {
            match self.pool {
                Some(_) => cu::malloc_async(self.stream, bytes),
                None => cu::malloc_sync(bytes),
            }
        }
    }

    pub(super) fn release(&self, address: u64) {
        if self.bind().is_err() {
            return;
        }
        // SAFETY: the address came from `request`, and its last use is before this on the stream or has ended
        let _ = unsafe {
            match self.pool {
                Some(_) => cu::free_async(address, self.stream),
                // waits for the device by itself
                None => cu::free_sync(address),
            }
        };
    }

    pub(super) fn memory(&self) -> Result<(usize, usize), String> {
        self.bind()?;
        cu::mem_get_info().map_err(|e| words("memory of the GPU", e))
    }
}

const FAILED: &str = "work on the GPU failed";

/// Whether a query found the work done.
fn is_done(found: Result<(), DriverError>) -> Result<bool, String> {
    match found {
        Err(e) if e.0 == sys::CUresult::CUDA_ERROR_NOT_READY => Ok(false),
        found => found.map(|()| true).map_err(|e| words(FAILED, e)),
    }
}

/// The pool of a device that has one, set to keep what is given back to it.
fn memory_pool(device: sys::CUdevice) -> Option<sys::CUmemoryPool> {
    let supported = attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)?;
    let known = ["cuDeviceGetDefaultMemPool", "cuMemPoolSetAttribute"].iter().all(|f| Library::Driver.has(f));
    if supported == 0 || !known {
        return None;
    }
    // SAFETY: the device exists
    let pool = unsafe { cu::device::get_default_mem_pool(device) }.ok()?;
    let mut keep = u64::MAX;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the attribute is a 64-bit integer
    unsafe { cu::mem_pool::set_attribute(pool, attribute, (&raw mut keep).cast()) }.ok()?;
    Some(pool)
}

impl Drop for Context {
    fn drop(&mut self) {
        if self.bind().is_ok() && !self.stream.is_null() {
            let _ = self.synchronize();
            self.ranks.take();
            // SAFETY: all that used the stream held an `Rc` of this and is gone
            let _ = unsafe { cu::stream::destroy(self.stream) };
        }
        // SAFETY: retained once in `open`
        let _ = unsafe { cu::primary_ctx::release(self.device) };
    }
}
