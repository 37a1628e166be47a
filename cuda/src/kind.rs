//! Storage types of matrix elements.

/// How the elements of a matrix are stored; arithmetic is always single precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// IEEE single precision, four bytes.
    F32,
    /// Brain floating point: the upper two bytes of single precision, 8 exponent bits.
    Bf16,
    /// IEEE half precision, two bytes, 5 exponent bits.
    F16,
}

impl Kind {
    /// Bytes of an element.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
        }
    }

    /// Suffix of kernel names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }
}
