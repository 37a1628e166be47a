//! Device memory: blocks by size class ([`pool`]), matrices and indices in them ([`matrix`]), the copies of parameters in
//! the storage type of products ([`shadow`]), and the way between host and device.

mod matrix;
mod pool;
mod shadow;
mod shadow_log;
mod transfer;

pub(crate) use matrix::Shadow;
pub use matrix::{Index, Matrix};
pub use pool::MemoryReport;
pub(crate) use pool::{Block, Pool};
pub(crate) use shadow_log::ShadowLog;
