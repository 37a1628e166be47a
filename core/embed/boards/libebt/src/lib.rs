//! `libebt` for microcontrollers: the functions of `include/ebt.h`, and what a program without `std` needs besides.
//!
//! The handler below is never called: WebAssembly is linked from the same functions with one that does not exist (`tests/targets/run.sh`).

#![no_std]

use core::panic::PanicInfo;

pub use ebt::c;

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
