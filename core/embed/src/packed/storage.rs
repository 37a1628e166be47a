//! How the values of a matrix are stored, and the decoding of half-precision numbers.

use serde::{Deserialize, Serialize};

/// Values of a row that are decoded together; also the block of [`Storage::Int4`] that shares a scale.
pub const GROUP: usize = 32;

/// Storage of a matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Storage {
    /// IEEE single precision.
    #[default]
    F32,
    /// IEEE half precision.
    F16,
    /// Brain float: the upper half of a single.
    Bf16,
    /// `scale q`, `q` in `-127 ..= 127`, one `f32` scale a row.
    Int8,
    /// `scale q`, `q` in `-8 ..= 7`, one `f16` scale for every 32 values of a row. A byte holds `q + 8` of two values,
    /// the first in its low half.
    Int4,
}

impl Storage {
    /// Every storage once, in the order of declaration.
    pub const ALL: [Storage; 5] = [Storage::F32, Storage::F16, Storage::Bf16, Storage::Int8, Storage::Int4];

    /// The name in lower case that settings and messages use (`bf16`).
    pub fn name(self) -> &'static str {
        match self {
            Storage::F32 => "f32",
            Storage::F16 => "f16",
            Storage::Bf16 => "bf16",
            Storage::Int8 => "int8",
            Storage::Int4 => "int4",
        }
    }

    /// The storage of that name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|storage| storage.name() == name)
    }

    /// Bytes of the values of a row.
    pub fn row_bytes(self, columns: usize) -> usize {
        match self {
            Storage::F32 => columns.saturating_mul(4),
            Storage::F16 | Storage::Bf16 => columns.saturating_mul(2),
            Storage::Int8 => columns,
            Storage::Int4 => columns.div_ceil(2),
        }
    }

    /// Bytes of the scales of a row.
    pub fn scale_bytes(self, columns: usize) -> usize {
        match self {
            Storage::F32 | Storage::F16 | Storage::Bf16 => 0,
            Storage::Int8 => 4,
            Storage::Int4 => columns.div_ceil(GROUP).saturating_mul(2),
        }
    }
}

/// The value of a half-precision number, exact; without arithmetic on subnormal singles, which some units flush to 0.
#[inline(always)]
pub(crate) fn half(bits: u16) -> f32 {
    const SMALLEST_NORMAL: u32 = 113 << 23;
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let subnormal = (f32::from_bits(magnitude | SMALLEST_NORMAL) - f32::from_bits(SMALLEST_NORMAL)).to_bits();
    let rebased = magnitude.wrapping_add(112 << 23);
    let normal = if magnitude >= 31 << 23 { rebased.wrapping_add(112 << 23) } else { rebased };
    f32::from_bits(sign | if magnitude < 1 << 23 { subnormal } else { normal })
}

/// The value of a brain float, exact.
#[inline(always)]
pub(crate) fn brain(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(all(test, feature = "pack"))]
mod tests {
    use super::*;

    #[test]
    fn every_half_and_brain_float_has_its_value() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (half(bits), half::f16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(), "{bits:#06x}");
            let (ours, theirs) = (brain(bits), half::bf16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(), "{bits:#06x}");
        }
    }
}
