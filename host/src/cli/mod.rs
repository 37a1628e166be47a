//! Arguments that several commands share.

mod device;
mod storage;

pub use device::{Backend, Device, DeviceArgs};
pub use storage::Storage;
