//! Sums of a block by AMX: four tiles of sums, two of either factor.
//!
//! The compiler has no stable names for these instructions, so they are written in assembly. It never uses tile registers itself, so
//! they keep what they hold between the blocks of assembly of a session.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::marker::PhantomData;

use super::tiles::{SIDE, Tile};

/// Proof that the processor has AMX with brain floats, and that the system lets this process use it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amx(());

/// What the tiles of a thread look like: all eight of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Shape {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

static SHAPE: Shape = Shape {
    palette: 1,
    start: 0,
    reserved: [0; 14],
    bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

impl Amx {
    /// Whether it is there; asks the system for leave.
    pub fn detect() -> Option<Self> {
        let (leaf, tile, brain) = (__cpuid_count(7, 0), 1 << 24, 1 << 22);
        (leaf.edx & (tile | brain) == tile | brain && granted()).then_some(Self(()))
    }

    /// Gives this thread tiles, until the session is dropped.
    pub fn begin(self) -> Session {
        // SAFETY: the processor has the instruction, the process has leave, and the shape is one that it knows.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const SHAPE, options(nostack, readonly)) };
        Session { tiles: PhantomData }
    }
}

/// Linux gives a process tiles when it asks for them (`arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)`).
#[cfg(target_os = "linux")]
fn granted() -> bool {
    let (call, request, feature) = (158i64, 0x1023i64, 18i64);
    let result: i64;
    // SAFETY: this system call changes nothing but what the process may use; it clobbers rcx and r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") call => result,
            in("rdi") request,
            in("rsi") feature,
            out("rcx") _,
            out("r11") _,
            options(nostack)
        );
    }
    result == 0
}

/// Of other systems it is not known here how they are asked.
#[cfg(not(target_os = "linux"))]
fn granted() -> bool {
    false
}

/// A thread with tiles; it stays on that thread.
#[derive(Debug)]
pub(super) struct Session {
    tiles: PhantomData<*const ()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the session had tiles.
        unsafe { asm!("tilerelease", options(nomem, nostack)) };
    }
}

impl Session {
    /// The product of two rows of tiles of `A` and two columns of tiles of `B`, each with as many tiles along the depth, to `to`, whose
    /// rows are `stride` numbers apart; added to what is there where `goes_on`.
    ///
    /// # Safety
    /// `to` must be valid for reads and writes of 32 numbers at each of 32 rows, and nothing else may access them meanwhile.
    pub unsafe fn sum(&self, a: &[Tile], b: &[Tile], to: *mut f32, stride: usize, goes_on: bool) {
        let tiles = a.len() / 2;
        let (a, b) = ([a[..tiles].as_ptr(), a[tiles..].as_ptr()], [b[..tiles].as_ptr(), b[tiles..].as_ptr()]);
        let step = 4 * stride;
        let (right, below) = (to.wrapping_add(SIDE), to.wrapping_add(SIDE * stride));
        let corner = below.wrapping_add(SIDE);
        // SAFETY: `to` is valid by the contract of this function, tiles are 16 lines of 64 bytes, and this thread has tile registers.
        unsafe {
            if goes_on {
                asm!(
                    "tileloadd tmm0, [{c0} + {s}*1]",
                    "tileloadd tmm1, [{c1} + {s}*1]",
                    "tileloadd tmm2, [{c2} + {s}*1]",
                    "tileloadd tmm3, [{c3} + {s}*1]",
                    c0 = in(reg) to, c1 = in(reg) right, c2 = in(reg) below, c3 = in(reg) corner, s = in(reg) step,
                    options(nostack, readonly)
                );
            } else {
                asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nomem, nostack));
            }
            for p in 0..tiles {
                asm!(
                    "tileloadd tmm4, [{a0} + {s}*1]",
                    "tileloadd tmm6, [{b0} + {s}*1]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tileloadd tmm7, [{b1} + {s}*1]",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "tileloadd tmm5, [{a1} + {s}*1]",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                    a0 = in(reg) a[0].add(p), a1 = in(reg) a[1].add(p), b0 = in(reg) b[0].add(p), b1 = in(reg) b[1].add(p),
                    s = in(reg) 64usize,
                    options(nostack, readonly)
                );
            }
            asm!(
                "tilestored [{c0} + {s}*1], tmm0",
                "tilestored [{c1} + {s}*1], tmm1",
                "tilestored [{c2} + {s}*1], tmm2",
                "tilestored [{c3} + {s}*1], tmm3",
                c0 = in(reg) to, c1 = in(reg) right, c2 = in(reg) below, c3 = in(reg) corner, s = in(reg) step,
                options(nostack)
            );
        }
    }
}
