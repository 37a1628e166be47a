//! Arguments that several commands share.

mod choice;
mod json;
mod names;
mod think;

pub use choice::{Backend, Choice, DeviceArgs, thread_count, thread_pool};
pub use ebt_device::{Device, Work};
pub use json::write_json;
pub use names::{DTYPES, Names, PRECISIONS, RULES, STORAGES, name_of, one_of};
pub use think::{Choose, KernelName, StepSize, ThinkArgs, by_flag, candidates, steps};
