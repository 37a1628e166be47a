//! How much memory a session is given to work with.

use super::error::Error;
use crate::packed::Storage;

/// Extents of a session; they fix its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionOptions {
    /// Observed tokens computed together.
    pub block: usize,
    /// Candidate rows computed side by side.
    pub rows: usize,
    /// Longest trajectory: the most descent steps of a token.
    pub steps: usize,
    /// Whether trial states are kept, which backtracking and Metropolis tests need.
    pub trials: bool,
    /// Whether curvatures may be asked for (this includes the memory of trial states).
    pub curvature: bool,
    /// How observed keys and values are kept. Only with [`Storage::F32`] are results those of the model as it was trained;
    /// [`Storage::F16`] and [`Storage::Int8`] (a scale a head and token) take half and little more than a quarter of the memory.
    pub cache: Storage,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { block: 16, rows: 1, steps: 32, trials: true, curvature: false, cache: Storage::F32 }
    }
}

impl SessionOptions {
    /// Refuses extents of zero and beyond the numbers that key the noise.
    ///
    /// # Errors
    ///
    /// The first field out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        for (field, x) in [("block", self.block), ("rows", self.rows), ("steps", self.steps)] {
            if !(1..=65_535).contains(&x) {
                return Err(Error::Option { field, requirement: "must lie between 1 and 65535" });
            }
        }
        Ok(())
    }
}
