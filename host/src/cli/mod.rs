//! Arguments that several commands share.

mod device;
mod json;
mod storage;

pub use device::{Backend, Device, DeviceArgs, thread_count, thread_pool};
pub use json::write_json;
pub use storage::Storage;
