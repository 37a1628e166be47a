//! Cortex-M without a vendor's library: vector table, start, and the call of semihosting.

use core::arch::{asm, global_asm};

// The vector table: the stack, the entry, and one place to stop for every fault.
global_asm!(
    ".section .start, \"a\"",
    ".word __stack_top",
    ".word _start",
    ".rept 14",
    ".word {fault}",
    ".endr",
    fault = sym fault,
);

// Memory as a Rust program expects it. The floating-point unit is off after a reset (CPACR, Armv7-M B3.2.20).
#[cfg(target_abi = "eabihf")]
global_asm!(
    ".section .text.fpu, \"ax\"",
    ".thumb_func",
    ".global fpu_on",
    "fpu_on:",
    "ldr r0, =0xE000ED88",
    "ldr r1, [r0]",
    "ldr r2, =0x00F00000",
    "orrs r1, r2",
    "str r1, [r0]",
    "dsb",
    "isb",
    "bx lr",
);
#[cfg(not(target_abi = "eabihf"))]
global_asm!(".section .text.fpu, \"ax\"", ".thumb_func", ".global fpu_on", "fpu_on:", "bx lr");

global_asm!(
    ".section .text.start, \"ax\"",
    ".thumb_func",
    ".global _start",
    "_start:",
    "bl fpu_on",
    "ldr r0, =__bss_start",
    "ldr r1, =__bss_end",
    "movs r2, #0",
    "b 2f",
    "1: stm r0!, {{r2}}",
    "2: cmp r0, r1",
    "blo 1b",
    "ldr r0, =__data_start",
    "ldr r1, =__data_end",
    "ldr r2, =__data_load",
    "b 4f",
    "3: ldm r2!, {{r3}}",
    "stm r0!, {{r3}}",
    "4: cmp r0, r1",
    "blo 3b",
    "bl {main}",
    "5: b 5b",
    main = sym crate::main,
);

extern "C" fn fault() -> ! {
    crate::semihosting::exit(3)
}

/// A request to the debugger, which is QEMU here.
pub fn semihost(operation: usize, argument: usize) -> usize {
    let result;
    // SAFETY: breakpoint 0xAB is a semihosting call: operation in r0, argument in r1, result in r0; the operations used
    // here read memory that the caller borrows and write none.
    unsafe { asm!("bkpt #0xAB", inout("r0") operation => result, in("r1") argument, options(nostack)) }
    result
}
