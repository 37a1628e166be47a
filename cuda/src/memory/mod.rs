//! Device memory: blocks by size class ([`pool`]), matrices and indices in them ([`matrix`]), the copies of parameters in
//! the storage type of products ([`narrow_copy`]), and the way between host and device.

mod matrix;
mod narrow_copy;
mod narrow_copy_log;
mod pool;
mod transfer;

pub(crate) use matrix::NarrowCopy;
pub use matrix::{Index, Matrix};
pub(crate) use narrow_copy_log::NarrowCopyLog;
pub use pool::MemoryReport;
pub(crate) use pool::{Block, COMMON, Pool};
