//! The scenario on a bare machine: no operating system, no allocator (the program would not link if anything asked for
//! memory), the models in the image, the arena in a region of its own.
//!
//! With the feature `no-panic` the panic handler calls a function that does not exist. The program then links only if
//! the optimiser found every call of the handler unreachable: the image holds no code that panics, whatever the model
//! bytes, the prompt, the board and the text. What is not covered: functions that the scenario does not call, and the text of
//! errors (`Display`), which a program that never prints them does not contain.

#![no_std]
#![no_main]

#[cfg_attr(target_arch = "arm", path = "machine/cortex_m.rs")]
#[cfg_attr(target_arch = "aarch64", path = "machine/aarch64.rs")]
#[cfg_attr(target_arch = "riscv32", path = "machine/riscv32.rs")]
mod machine;
mod semihosting;

use core::mem::MaybeUninit;
use core::panic::PanicInfo;

/// The models, in flash, where they are read.
#[repr(C, align(64))]
struct Aligned<B: ?Sized>(B);
static MODEL: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("EBT_MODEL")));
static SOLVER: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("EBT_SOLVER")));
static RESTORER: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("EBT_RESTORER")));

/// Everything that is written while text is generated, a board is filled in and text is restored.
#[repr(C, align(64))]
struct Arena(MaybeUninit<[u8; ARENA]>);
const ARENA: usize = 12 << 20;
#[unsafe(link_section = ".arena")]
static mut MEMORY: Arena = Arena(MaybeUninit::uninit());

/// Called once, by the start code, with a stack and zeroed memory.
extern "C" fn main() -> ! {
    // SAFETY: the only reference to MEMORY in the program, made once; any bytes are a valid `[u8]`, and these are memory
    // that nobody else has.
    let arena: &'static mut [u8] = unsafe { core::slice::from_raw_parts_mut((&raw mut MEMORY).cast::<u8>(), ARENA) };
    // the optimiser must not know the bytes: what is proved for these would say nothing of others
    let [model, solver, restorer] = core::hint::black_box([&MODEL.0, &SOLVER.0, &RESTORER.0]);
    let write = &mut semihosting::write;
    let done = scenario::run(model, arena, write)
        .and_then(|()| scenario::solve(solver, arena, write))
        .and_then(|()| scenario::restore(restorer, arena, write));
    match done {
        Ok(()) => semihosting::exit(0),
        Err(code) => {
            semihosting::write(b"error\n");
            semihosting::exit(code as usize)
        }
    }
}

#[cfg(not(feature = "no-panic"))]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    semihosting::write(b"panic\n");
    semihosting::exit(101)
}

#[cfg(feature = "no-panic")]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn ebt_code_that_panics_is_left() -> !;
    }
    // SAFETY: never runs: the function does not exist, so a program that could call it does not link.
    unsafe { ebt_code_that_panics_is_left() }
}
