//! The functions of NCCL that this crate calls, with the types of `nccl.h`. Result codes are plain integers: every release
//! may have new ones.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use libloading::Library;

/// Result codes.
pub(super) const SUCCESS: c_int = 0;
pub(super) const IN_PROGRESS: c_int = 7;

/// Types of elements.
pub(super) const U8: c_int = 1;
pub(super) const F32: c_int = 7;

/// The sum among the reductions.
pub(super) const SUM: c_int = 0;

/// `ncclConfig_t` up to what NCCL 2.18 and later have; a newer library reads as much as `size` says.
#[repr(C)]
pub(super) struct Config {
    size: usize,
    magic: c_uint,
    version: c_uint,
    blocking: c_int,
    cga_cluster_size: c_int,
    min_ctas: c_int,
    max_ctas: c_int,
    net_name: *const c_char,
    split_share: c_int,
}

/// A number that the caller leaves to NCCL.
const UNDEFINED: c_int = c_int::MIN;

impl Config {
    /// Everything left to NCCL, but that no call waits.
    pub(super) fn non_blocking() -> Self {
        Self {
            size: size_of::<Self>(),
            magic: 0xcafe_beef,
            // the release whose structure this is, as NCCL writes it
            version: 22_203,
            blocking: 0,
            cga_cluster_size: UNDEFINED,
            min_ctas: UNDEFINED,
            max_ctas: UNDEFINED,
            net_name: std::ptr::null(),
            split_share: UNDEFINED,
        }
    }
}

/// `ncclUniqueId`, which is passed by value.
#[repr(C)]
pub(super) struct Id(pub(super) [u8; 128]);

/// `ncclComm_t`.
pub(super) type Handle = *mut c_void;
/// `cudaStream_t`, which is also the driver's.
pub(super) type Stream = *mut c_void;

macro_rules! functions {
    ($($name:ident($($arg:ty),*) -> $out:ty;)*) => {
        /// The functions by NCCL's own names.
        #[expect(non_snake_case, reason = "names of nccl.h")]
        pub(super) struct Table {
            $(pub(super) $name: unsafe extern "C" fn($($arg),*) -> $out,)*
        }

        impl Table {
            /// Looks all functions up; the error names those that are missing. The library must stay open.
            pub(super) fn of(library: &Library) -> Result<Self, String> {
                type Function = unsafe extern "C" fn();
                // SAFETY: the symbols are only looked up
                let has = |name: &&str| unsafe { library.get::<Function>(name.as_bytes()) }.is_ok();
                let missing: Vec<&str> = [$(stringify!($name)),*].into_iter().filter(|name| !has(name)).collect();
                if !missing.is_empty() {
                    return Err(format!("it has no {}", missing.join(", no ")));
                }
                // SAFETY: the types are those of `nccl.h` since 2.18
                unsafe { Ok(Self { $($name: *library.get(stringify!($name).as_bytes()).map_err(|e| e.to_string())?,)* }) }
            }
        }
    };
}

functions! {
    ncclGetVersion(*mut c_int) -> c_int;
    ncclGetUniqueId(*mut [u8; 128]) -> c_int;
    ncclGetErrorString(c_int) -> *const c_char;
    ncclGetLastError(Handle) -> *const c_char;
    ncclCommInitRankConfig(*mut Handle, c_int, Id, c_int, *mut Config) -> c_int;
    ncclCommGetAsyncError(Handle, *mut c_int) -> c_int;
    ncclCommAbort(Handle) -> c_int;
    ncclCommFinalize(Handle) -> c_int;
    ncclCommDestroy(Handle) -> c_int;
    ncclGroupStart() -> c_int;
    ncclGroupEnd() -> c_int;
    ncclSend(u64, usize, c_int, c_int, Handle, Stream) -> c_int;
    ncclRecv(u64, usize, c_int, c_int, Handle, Stream) -> c_int;
    ncclAllGather(u64, u64, usize, c_int, Handle, Stream) -> c_int;
    ncclAllReduce(u64, u64, usize, c_int, c_int, Handle, Stream) -> c_int;
    ncclBroadcast(u64, u64, usize, c_int, c_int, Handle, Stream) -> c_int;
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Table(..)")
    }
}

impl Table {
    /// `what`, the name of a result code, and what NCCL last complained of.
    pub(super) fn words(&self, what: &str, code: c_int) -> String {
        // SAFETY: both give strings that stay until this thread's next call; without a communicator the last complaint is
        // that of the thread
        let (name, last) =
            unsafe { (text((self.ncclGetErrorString)(code)), text((self.ncclGetLastError)(std::ptr::null_mut()))) };
        let last = if last.is_empty() { last } else { format!("; {last}") };
        format!("{what}: NCCL result {code} ({name}{last})")
    }

    /// The result of a call that ends at once.
    pub(super) fn result(&self, what: &str, code: c_int) -> Result<(), String> {
        if code == SUCCESS { Ok(()) } else { Err(self.words(what, code)) }
    }
}

/// A string of NCCL's in one line; empty for a null pointer.
///
/// # Safety
///
/// Null or a string that ends in a zero byte.
unsafe fn text(words: *const c_char) -> String {
    if words.is_null() {
        return String::new();
    }
    // SAFETY: the caller's contract
    let words = unsafe { CStr::from_ptr(words) }.to_string_lossy();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn functions_that_are_missing_are_named() {
        let program = Library::from(libloading::os::unix::Library::this());
        let text = Table::of(&program).unwrap_err();
        assert!(text.starts_with("it has no ncclGetVersion, no ncclGetUniqueId, "), "{text}");
        assert!(text.ends_with("no ncclBroadcast"), "{text}");
    }

    #[test]
    fn the_configuration_is_as_large_as_in_every_release_since_2_18() {
        assert_eq!(size_of::<Config>(), 48);
        assert_eq!(size_of::<Id>(), 128);
    }
}
