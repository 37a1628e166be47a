//! What this package is built on, in one place.

pub use ebt_core::generate::descent::{
    Certificate, Choose, Continue, Noise, Potential, Sampling, StepReport, StepSize, Stop, Think, Tolerance,
};
pub use ebt_core::generate::{Error, Options, Session};
pub use ebt_core::packed::{Model, ReadError};
