//! Arguments that several commands share.

mod device;
pub(crate) mod gpu;
mod json;
mod names;
mod think;

pub use device::{Backend, Choice, Device, DeviceArgs, Work, thread_count, thread_pool};
pub use json::write_json;
pub use names::{DTYPES, Names, PRECISIONS, RULES, STORAGES, name_of, one_of};
pub use think::{Choose, KernelName, StepSize, ThinkArgs, by_flag, candidates, steps};
