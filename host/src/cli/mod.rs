//! Arguments that several commands share.

mod called;
mod choice;
mod descent;
mod json;
mod names;

pub use called::called_by;
pub use choice::{Backend, Choice, DeviceArgs, thread_count, thread_pool};
pub use descent::{DescentArgs, IsaName, StepSize, by_flag, candidates, steps};
pub use ebt_device::{BackendTask, Device};
pub use json::write_json;
pub use names::{DTYPES, Names, PRECISIONS, RULES, SELECTIONS, STORAGES, name_of, one_of};
