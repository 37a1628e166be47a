//! NCCL: how GPUs of several processes add their gradients. Opened at run time by a table of this crate's own, because the
//! bindings look for other file names, make their own stream, panic in a destructor and know no new result codes.

mod communicator;
mod library;
mod ranks;
mod table;
mod team;

pub(crate) use communicator::Communicator;
pub use library::nccl;
pub use ranks::{Lost, MOST_RANKS, Ranks, Sums, UniqueId, shared_device};
pub(crate) use team::{Room, Team};
