//! What an operating system's library would bring: entry point, output, exit, copies of memory. x86-64 Linux.

use core::arch::{asm, global_asm};
use core::fmt::Write;

// The kernel enters with no return address and any alignment of frames; a call needs 16 bytes.
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {main}", "ud2", main = sym crate::main);

/// Standard output.
pub struct Output;

impl Write for Output {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        let mut rest = s.as_bytes();
        while !rest.is_empty() {
            let written: isize;
            // SAFETY: system call 1 (write) reads `rest.len()` bytes at `rest`, which are borrowed for the call;
            // it changes rax, rcx and r11 only, all declared.
            unsafe {
                asm!("syscall", inlateout("rax") 1isize => written, in("rdi") 1, in("rsi") rest.as_ptr(),
                    in("rdx") rest.len(), lateout("rcx") _, lateout("r11") _, options(nostack, readonly));
            }
            rest = usize::try_from(written).ok().and_then(|n| rest.get(n..)).ok_or(core::fmt::Error)?;
        }
        Ok(())
    }
}

/// Ends the process.
pub fn exit(code: i32) -> ! {
    // SAFETY: system call 60 (exit) takes a number and never returns.
    unsafe { asm!("syscall", in("rax") 60, in("rdi") code, options(noreturn, nostack)) }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = writeln!(Output, "{info}");
    exit(101)
}

/// # Safety
/// As in C: `n` bytes readable at `from` and writable at `to`, not overlapping.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    // SAFETY: the caller's promise is exactly what `rep movsb` needs; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep movsb", inout("rcx") n => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    to
}

/// # Safety
/// As in C: `n` bytes readable at `from` and writable at `to`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= n {
        // SAFETY: a forward copy reads every byte before it overwrites it, as `to` does not lie inside `from .. from + n`.
        return unsafe { memcpy(to, from, n) };
    }
    // SAFETY: a backward copy from the last byte on; the direction flag is cleared again as the ABI demands.
    unsafe {
        asm!("std", "rep movsb", "cld", inout("rcx") n => _, inout("rdi") to.wrapping_add(n).wrapping_sub(1) => _,
            inout("rsi") from.wrapping_add(n).wrapping_sub(1) => _, options(nostack));
    }
    to
}

/// # Safety
/// As in C: `n` bytes writable at `to`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, n: usize) -> *mut u8 {
    // SAFETY: the caller's promise is exactly what `rep stosb` needs; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep stosb", inout("rcx") n => _, inout("rdi") to => _, in("al") byte as u8,
            options(nostack, preserves_flags));
    }
    to
}

/// # Safety
/// As in C: `n` bytes readable at `a` and at `b`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    for i in 0..n {
        // SAFETY: `i < n` bytes are readable at both by the caller's promise; volatile, so that the loop is not
        // itself compiled to a call of memcmp.
        let (x, y) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
    }
    0
}

/// # Safety
/// As [`memcmp`].
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: the same promise.
    unsafe { memcmp(a, b, n) }
}

/// The precompiled core library's unwind tables name this; with `panic = "abort"` nothing ever unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() -> ! {
    exit(102)
}

/// As [`rust_eh_personality`].
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    exit(103)
}
