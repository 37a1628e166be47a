//! Which code computes products, by what was measured.
//!
//! `ebt bench product --against matrixmultiply` times both in turns at the shapes of training. How many times faster
//! this crate's loops were over all shapes, on one thread of an AMD EPYC (Zen 4) with matrixmultiply 0.3.11 (AVX-512 in
//! turns on a quiet machine, on two threads 1.09 and 1.05; the others in processor time, beside other work):
//!
//! | instruction set | f32 | f64 | taken |
//! |---|---|---|---|
//! | AVX-512 | 1.08 | 1.03 | [`Routine::Avx512`]; f64, in which checks are computed, follows f32, in which training is |
//! | AVX2 and FMA | 1.10 | 1.05 | [`Routine::Avx2`] |
//! | baseline x86-64 | 0.45 | 0.99 | [`Routine::Library`] |
//! | others | - | - | [`Routine::Library`], which has kernels for the NEON of aarch64: nothing was measured there |
//!
//! Products of brain floats have loops of their own where the processor has fast instructions for them. Elsewhere the loops of singles round
//! what they pack, at 0.87 of the speed of those of singles (Intel Xeon, model 207, products of 2,048 on two threads).
//!
//! `matrixmultiply` takes the best instruction set that it finds, of those which the environment variable
//! `MMTEST_FEATURE` names when it is compiled: `MMTEST_FEATURE=avx,avx2,fma cargo build --release --target-dir DIR`,
//! into a folder of its own, makes a program that compares in AVX2.

use super::super::element::Element;
use super::super::mixed::Mixed;
#[cfg(target_arch = "x86_64")]
use super::narrow::Narrow;
#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

/// Code for products.
#[derive(Clone, Copy, Debug)]
pub enum Routine {
    /// The blocked loops of this crate in AVX-512.
    #[cfg(target_arch = "x86_64")]
    Avx512(V4),
    /// The blocked loops of this crate in AVX2 with fused multiply-adds.
    #[cfg(target_arch = "x86_64")]
    Avx2(V3),
    /// Factors rounded to bf16 and sums in single precision, by AMX or AVX-512.
    #[cfg(target_arch = "x86_64")]
    Narrow(Narrow),
    /// The crate `matrixmultiply`.
    Library,
}

impl Routine {
    /// What products of singles and doubles are computed with on this machine.
    pub fn chosen() -> Self {
        #[cfg(target_arch = "x86_64")]
        match pulp::Arch::new() {
            pulp::Arch::V4(s) => return Self::Avx512(s),
            pulp::Arch::V3(s) => return Self::Avx2(s),
            _ => {}
        }
        Self::Library
    }

    /// What products of these numbers are computed with on this machine.
    pub fn of<E: Element>() -> Self {
        if E::NARROW { Self::narrow().unwrap_or_else(Self::chosen) } else { Self::chosen() }
    }

    /// Whether this machine has products of brain floats: `matrixmultiply` rounds nothing.
    pub fn rounds() -> bool {
        !matches!(Self::of::<Mixed>(), Self::Library)
    }

    /// Products by instructions for brain floats; none where the processor has none, or none that win anything.
    fn narrow() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return Narrow::detect().map(Self::Narrow);
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// The routine of this crate for the instruction set that `matrixmultiply` takes on this machine; none where it
    /// takes one that this crate has no routine for.
    pub fn comparable() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let named = option_env!("MMTEST_FEATURE").unwrap_or_default();
            let allowed = |set| named.is_empty() || named.split(',').any(|name| name == set);
            if let Some(s) = V4::try_new().filter(|_| allowed("avx512f")) {
                return Some(Self::Avx512(s));
            }
            if let Some(s) = V3::try_new().filter(|_| allowed("avx2") && allowed("fma")) {
                return Some(Self::Avx2(s));
            }
        }
        None
    }

    /// Name of the instruction set, or of the library.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Narrow(narrow) => narrow.name(),
            Self::Library => "matrixmultiply",
        }
    }

    /// Rows and columns of `C` that tasks are cut at multiples of: whole register tiles, so that an element is computed
    /// alike whatever the division. Tiles of `matrixmultiply` have 8 or 16 rows and 4, 8 or 16 columns.
    pub(super) fn grain(self) -> (usize, usize) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) | Self::Avx2(_) => (24, 48),
            #[cfg(target_arch = "x86_64")]
            Self::Narrow(_) => (32, 32),
            Self::Library => (48, 48),
        }
    }
}
