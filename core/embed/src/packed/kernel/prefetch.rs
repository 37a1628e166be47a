//! Hints to the CPU about bytes that will be read soon.

/// Asks for bytes that will be read soon, where the CPU can be asked.
#[inline]
#[cfg_attr(all(target_arch = "x86_64", target_feature = "sse"), expect(unsafe_code, reason = "it takes a pointer"))]
pub fn fetch(bytes: &[u8]) {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse"))]
    for line in bytes.chunks(64) {
        use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch changes nothing and cannot fault, and the pointer is that of a slice.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) }
    }
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse")))]
    let _ = bytes;
}
