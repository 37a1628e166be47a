//! Arguments that several commands share.

mod called;
mod choice;
mod descent;
mod json;
mod mistake;
mod names;
mod number;
mod output;
mod paths;
mod team;

pub use called::called_by;
pub use choice::{Choice, DeviceArgs, DeviceKind, start_threads, thread_count, thread_pool, threads};
pub use descent::{
    DescentArgs, DynamicsArgs, MIN_P, MOST_CANDIDATES, MOST_PRODUCTS, MOST_STEPS, SearchArgs, StepSize, by_flag,
    candidates, kernel, noise, steps,
};
pub use ebt_device::{BackendTask, Device};
pub use json::{write_json, write_json_line};
pub use mistake::reporting_mistakes;
pub use names::{
    CHOICES, DTYPES, KERNELS, KINDS, LOGS, Names, PRECISIONS, RULES, SELECTIONS, SPLITS, STORAGES, name_of, one_of,
};
pub use number::{MOST_SIZE, real, taking_negative_numbers, whole};
pub use output::Output;
pub use paths::refuse_unnamed;
pub use team::{RanksArgs, Team};
