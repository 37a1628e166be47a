//! The fixed part of a packed model, and how the model descends.

use ebt_core::config_error::{ConfigError, not_negative, positive, require};
use ebt_core::objective::InitialState;
use serde::{Deserialize, Serialize};

/// First bytes of every packed model.
pub const MAGIC: [u8; 8] = [0x89, b'E', b'B', b'P', b'\r', b'\n', 0x1a, b'\n'];

/// Version written, the newest that is read.
pub const VERSION: u32 = 4;

/// The oldest version that is read.
pub const OLDEST: u32 = 2;

/// Sections begin at multiples of this, so that mapped weights suit any vector unit.
pub const ALIGNMENT: usize = 64;

pub(super) const HEADER_START: usize = 24;
pub(super) const CHECKSUM_BYTES: usize = 4;

/// How the model descends unless it is asked otherwise: what it was trained with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DescentDefaults {
    /// Descent steps of a token, 1 to 4096: the most that training took.
    pub steps: usize,
    /// What the state `Y_0` starts from: normal noise, or zeros (the uniform distribution).
    pub initial: InitialState,
    /// Standard deviation of noise starts.
    pub sigma0: f32,
    /// Step size `alpha` of every step, finite and above 0.
    pub alpha: f32,
}

impl DescentDefaults {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        require("steps", self.steps as f64, (1..=4096).contains(&self.steps), "must be between 1 and 4096")?;
        not_negative("sigma0", f64::from(self.sigma0))?;
        positive("alpha", f64::from(self.alpha))
    }
}
