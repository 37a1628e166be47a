//! What a backend is made with.

use std::str::FromStr;

use crate::Kind;

/// Numbers that products are computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision throughout.
    #[default]
    F32,
    /// Single-precision storage, products on tensor cores with 10-bit mantissas.
    Tf32,
    /// Activations and products in bf16.
    Bf16,
    /// Activations and products in f16; needs loss scaling.
    F16,
}

impl Precision {
    /// All precisions.
    pub const ALL: [Self; 4] = [Self::F32, Self::Tf32, Self::Bf16, Self::F16];

    /// Storage type of activations.
    pub fn stream(self) -> Kind {
        match self {
            Self::F32 | Self::Tf32 => Kind::F32,
            Self::Bf16 => Kind::Bf16,
            Self::F16 => Kind::F16,
        }
    }

    /// Name as written in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("`{name}` is no precision; there are {names}")
        })
    }
}

/// What a backend is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Numbers that products are computed with.
    pub precision: Precision,
    /// Which of the GPUs, as the driver counts them.
    pub device: usize,
    /// Fills memory with values that are no numbers before it is given out: finds reads of what was never written.
    pub poison: bool,
    /// Records steps and replays them, see [`crate::Cuda::run_captured`].
    pub graphs: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { precision: Precision::default(), device: 0, poison: false, graphs: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_are_read_by_their_names_only() {
        for precision in Precision::ALL {
            assert_eq!(precision.name().parse(), Ok(precision));
        }
        for wrong in ["", "F32", "bf16 ", "fp16"] {
            let message = wrong.parse::<Precision>().unwrap_err();
            assert!(message.contains("f32, tf32, bf16, f16"), "{message}");
        }
    }
}
