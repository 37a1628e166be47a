//! Output and exit through the debugger (Arm IHI 0077), which is QEMU here; the call itself is the machine's.

use crate::machine::semihost;

/// Writes bytes to the debugger's console.
pub fn write(bytes: &[u8]) {
    for byte in bytes {
        semihost(0x03, core::ptr::from_ref(byte) as usize);
    }
}

/// Ends the emulation with a status.
pub fn exit(status: usize) -> ! {
    let block = [0x20026, status];
    loop {
        semihost(0x20, block.as_ptr() as usize);
    }
}
