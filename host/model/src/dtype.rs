//! How the values of a stored tensor are stored.

use half::{bf16, f16};

/// How the values of a tensor are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE single precision.
    #[default]
    F32,
    /// IEEE half precision.
    F16,
    /// Brain float: the upper half of a single.
    Bf16,
}

impl Dtype {
    /// The name of the format in reports, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
        }
    }

    /// `value` rounded to nearest; infinite where it is too large.
    pub fn round(self, value: f32) -> f32 {
        match self {
            Dtype::F32 => value,
            Dtype::F16 => f16::from_f32(value).to_f32(),
            Dtype::Bf16 => bf16::from_f32(value).to_f32(),
        }
    }

    /// Appends `value`, rounded to nearest, little-endian.
    pub fn encode(self, value: f32, out: &mut Vec<u8>) {
        match self {
            Dtype::F32 => out.extend_from_slice(&value.to_le_bytes()),
            Dtype::F16 => out.extend_from_slice(&f16::from_f32(value).to_le_bytes()),
            Dtype::Bf16 => out.extend_from_slice(&bf16::from_f32(value).to_le_bytes()),
        }
    }
}

impl From<Dtype> for safetensors::Dtype {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::Bf16 => Self::BF16,
        }
    }
}
