//! 64-bit Arm without an operating system: start, and the call of semihosting.

use core::arch::{asm, global_asm};

// The floating-point and vector unit is off after a reset (CPACR_EL1.FPEN). Data need no copy: all of it is memory.
global_asm!(
    ".section .start, \"ax\"",
    ".global _start",
    "_start:",
    "mov x0, #(3 << 20)",
    "msr cpacr_el1, x0",
    "isb",
    "ldr x0, =__stack_top",
    "mov sp, x0",
    "ldr x0, =__bss_start",
    "ldr x1, =__bss_end",
    "b 2f",
    "1: stp xzr, xzr, [x0], #16",
    "2: cmp x0, x1",
    "b.lo 1b",
    "ldr x0, =__data_start",
    "ldr x1, =__data_end",
    "ldr x2, =__data_load",
    "b 4f",
    "3: ldp x3, x4, [x2], #16",
    "stp x3, x4, [x0], #16",
    "4: cmp x0, x1",
    "b.lo 3b",
    "bl {main}",
    "5: b 5b",
    main = sym crate::main,
);

/// A request to the debugger, which is QEMU here.
pub fn semihost(operation: usize, argument: usize) -> usize {
    let result;
    // SAFETY: `hlt 0xF000` is a semihosting call: operation in x0, argument in x1, result in x0; the operations used
    // here read memory that the caller borrows and write none.
    unsafe { asm!("hlt #0xF000", inout("x0") operation => result, in("x1") argument, options(nostack)) }
    result
}
