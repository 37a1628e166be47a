//! `libebt` for microcontrollers: the functions of `include/ebt.h`, and what a program without `std` needs besides.
//!
//! The handler below is never called: `--features no-panic` links programs with one that does not exist.

#![no_std]

use core::panic::PanicInfo;

pub use ebt::c;

#[cfg(all(target_os = "none", not(feature = "no-panic")))]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

#[cfg(all(target_os = "none", feature = "no-panic"))]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn ebt_code_that_panics_is_left() -> !;
    }
    // SAFETY: never runs: the function does not exist, so a program that could call it does not link.
    unsafe { ebt_code_that_panics_is_left() }
}
