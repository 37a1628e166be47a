//! 32-bit RISC-V without an operating system: start, and the call of semihosting (RISC-V semihosting 0.4).

use core::arch::{asm, global_asm};

global_asm!(
    ".section .start, \"ax\"",
    ".global _start",
    "_start:",
    "la sp, __stack_top",
    "la t0, __bss_start",
    "la t1, __bss_end",
    "j 2f",
    "1: sw zero, 0(t0)",
    "addi t0, t0, 4",
    "2: bltu t0, t1, 1b",
    "la t0, __data_start",
    "la t1, __data_end",
    "la t2, __data_load",
    "j 4f",
    "3: lw t3, 0(t2)",
    "sw t3, 0(t0)",
    "addi t0, t0, 4",
    "addi t2, t2, 4",
    "4: bltu t0, t1, 3b",
    "call {main}",
    "5: j 5b",
    main = sym crate::main,
);

/// A request to the debugger.
pub fn semihost(operation: usize, argument: usize) -> usize {
    let result;
    // SAFETY: this sequence of uncompressed instructions is a semihosting call: operation in a0, argument in a1, result
    // in a0; the operations used here read memory that the caller borrows and write none.
    unsafe {
        asm!(".balign 16", ".option push", ".option norvc", "slli x0, x0, 0x1f", "ebreak", "srai x0, x0, 7",
            ".option pop", inout("a0") operation => result, in("a1") argument, options(nostack));
    }
    result
}
