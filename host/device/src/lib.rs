//! The device of a command, and the long computations of this house made for each kind of it.
//!
//! Models are generic over their backend, so their code is compiled where a backend is named. That is here and, as far as
//! commands go, only here: [`Device::train`] and [`Device::evaluate`], the golden cases of [`parity`], the timed steps of
//! [`steps`], the products of [`products`], the sums of [`sums`](mod@sums) and the dry steps of [`plan`] and [`memory`](mod@memory) take no type of a backend, so whoever calls them compiles none of a model.
//! [`Device::with_backend`] is for short work of other kinds.

mod device;
pub mod gpu;
pub mod memory;
#[cfg(feature = "parity")]
pub mod parity;
pub mod plan;
pub mod products;
mod ranks;
pub mod scaling;
pub mod steps;
pub mod sums;
mod tasks;
pub mod turns;
pub mod weights;

pub use device::{BackendTask, Device, NO_MEMORY};
pub use ranks::Ranks;
pub use tasks::{Evaluating, Training};
