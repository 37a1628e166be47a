//! A stand-in for NVIDIA's driver, compiler, product library and NCCL, for machines without a GPU.
//!
//! Built by `build.rs` from `stand_in/`; the top of `stand_in/device.cpp` says what it is and is not. Its device is named
//! `cpusim (no GPU)`, and what passes there has not run on a GPU. [`install`] it before the bindings first look for the
//! libraries; whole programs find it with [`library_directory`] in `LD_LIBRARY_PATH`.
//!
//! Schedules, limits, counts and failures belong to the calling thread, so tests in one process do not disturb each other.

use std::ffi::{CStr, c_char, c_uint};
use std::path::Path;
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// Thread orders that tests of kernels go through: both plain ones, and random ones of both kinds.
pub const SCHEDULES: std::ops::Range<u32> = 0..6;

/// What the calling thread has had done so far.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Kernels run, those of replays included.
    pub launches: u64,
    /// Matrix products, those of replays included.
    pub products: u64,
    /// Allocations of device memory asked for.
    pub allocations: u64,
    /// Waits for the device.
    pub synchronizations: u64,
    /// Launches of recorded graphs; their kernels and products are counted in the fields above too.
    pub replays: u64,
    /// Copies to, from and on the device.
    pub copies: u64,
}

struct Api {
    schedule: unsafe extern "C" fn(c_uint),
    limit_memory: unsafe extern "C" fn(usize),
    counts: unsafe extern "C" fn(*mut Counts),
    last_failure: unsafe extern "C" fn() -> *const c_char,
    forget_failure: unsafe extern "C" fn(),
    memory_in_use: unsafe extern "C" fn() -> usize,
}

/// Folder of the shared objects, for `LD_LIBRARY_PATH` or `EBT_CUDA_LIBS`.
pub fn library_directory() -> &'static Path {
    Path::new(env!("STAND_IN_LIBRARIES"))
}

/// Loads the stand-in under the names of NVIDIA's libraries, once a process.
///
/// # Panics
///
/// If the shared objects cannot be loaded.
pub fn install() {
    api();
}

/// Order of threads in the calling thread's launches: 0 ascending, 1 descending, others seeds of random orders.
pub fn schedule(order: u32) {
    // SAFETY: takes a number and stores it for the calling thread
    unsafe { (api().schedule)(order) }
}

/// Counts of the calling thread.
pub fn counts() -> Counts {
    let mut counts = Counts::default();
    // SAFETY: `Counts` has the layout of the structure written
    unsafe { (api().counts)(&raw mut counts) };
    counts
}

/// Kernels run by the calling thread.
pub fn launches() -> u64 {
    counts().launches
}

/// Allocations of device memory by the calling thread.
pub fn allocations() -> u64 {
    counts().allocations
}

/// Waits for the device by the calling thread.
pub fn synchronizations() -> u64 {
    counts().synchronizations
}

/// Bytes of device memory that the calling thread allocated and that are not freed.
pub fn memory_in_use() -> usize {
    // SAFETY: returns a number
    unsafe { (api().memory_in_use)() }
}

/// Lets allocations of the calling thread fail beyond `bytes` in all; `None` for no limit.
pub fn limit_memory(bytes: Option<usize>) {
    // SAFETY: takes a number and stores it for the calling thread
    unsafe { (api().limit_memory)(bytes.unwrap_or(usize::MAX)) }
}

/// The sentence of the last failure of the calling thread, and forgets it.
pub fn last_failure() -> Option<String> {
    // SAFETY: null or a string that stays until this thread's next failure, which cannot come before it is copied
    unsafe {
        let text = (api().last_failure)();
        let text = (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned());
        (api().forget_failure)();
        text
    }
}

fn api() -> &'static Api {
    static API: OnceLock<Api> = OnceLock::new();
    API.get_or_init(|| {
        let names = [
            "libcuda.so",
            "libcublasLt.so",
            "libnvrtc.so",
            "libcublasLt.so.13",
            "libnvrtc.so.13",
            "libcuda.so.1",
            "libnccl.so.2",
        ];
        let open = |name: &str| {
            let path = library_directory().join(name);
            // SAFETY: the library's initialisers only enter kernels in a table
            let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) };
            // never closed: the bindings keep addresses of its functions
            std::mem::ManuallyDrop::new(library.unwrap_or_else(|e| panic!("the stand-in's {}: {e}", path.display())))
        };
        let libraries = names.map(open);
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the types are those of the definitions in `stand_in/device.cpp`
                *unsafe { libraries[0].get($name) }.unwrap_or_else(|e| panic!("the stand-in lacks a function: {e}"))
            };
        }
        Api {
            schedule: function!(b"stand_in_schedule\0"),
            limit_memory: function!(b"stand_in_limit_memory\0"),
            counts: function!(b"stand_in_counts\0"),
            last_failure: function!(b"stand_in_last_failure\0"),
            forget_failure: function!(b"stand_in_forget_failure\0"),
            memory_in_use: function!(b"stand_in_memory_in_use\0"),
        }
    })
}
