//! Golden cases: a training gradient held against that of the reference implementation.

mod batch;
mod case;
mod choices;
mod compare;
mod download;
mod errors;
mod joint;
mod outcome;
mod probe;
mod sensitivity;
mod tensors;

pub use case::{Case, Expected};
pub use compare::{CaseReport, compare, compare_in_double, run};
pub use errors::{Quantity, Tolerance};
pub use joint::ExpectedJoint;
pub use sensitivity::Sensitivity;
