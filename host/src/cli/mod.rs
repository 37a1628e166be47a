//! Arguments that several commands share.

mod called;
mod choice;
mod descent;
mod json;
mod names;

pub use called::called_by;
pub use choice::{Choice, DeviceArgs, DeviceKind, thread_count, thread_pool};
pub use descent::{DescentArgs, StepSize, by_flag, candidates, kernel, steps};
pub use ebt_device::{BackendTask, Device};
pub use json::write_json;
pub use names::{DTYPES, KERNELS, KINDS, Names, PRECISIONS, RULES, SELECTIONS, SPLITS, STORAGES, name_of, one_of};
