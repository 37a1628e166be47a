//! One training step, for either kind of model on any backend: micro-batches, accumulation, clip, update, average,
//! routing bias, replay buffer. The caller brings tokens and keeps time.
//!
//! Everything of a step that happens on the device reads its numbers from the device (`inputs.rs`) and leaves its
//! results there (`report.rs`), so that a backend may record a step and replay it.

mod device_sequences;
mod inputs;
mod lanes;
mod prepare;
mod problems;
mod replay_start;
mod report;
mod sequences;
mod step;
mod step_size;
mod trainer;

pub use device_sequences::DeviceSequences;
pub use lanes::Part;
pub use report::StepReport;
pub use sequences::{NO_TARGET, Prior, Sequences};
pub use trainer::{StepSettings, Trainer};
