//! What else may record a run, beside its lines of JSON.

use std::fmt::Debug;

use anyhow::Result;

use super::lines::StepLine;
use crate::checkpoint::Validation;

/// Records what a run reports.
pub trait Sink: Debug {
    /// A training step.
    ///
    /// # Errors
    ///
    /// What cannot be written; the message names the file.
    fn step(&mut self, line: &StepLine) -> Result<()>;

    /// A measurement on validation data, with energies of positions before every thinking step, where there are any.
    ///
    /// # Errors
    ///
    /// What cannot be written; the message names the file.
    fn validation(&mut self, validation: &Validation, energies: &[Vec<f32>]) -> Result<()>;
}

/// Where a run stands when it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// Steps done.
    pub step: u64,
    /// Tokens trained on.
    pub tokens: u64,
    /// Seconds of training.
    pub seconds: f64,
}
