//! Inference on fixed memory: no allocation, no panic, the same bits on every target.
//!
//! The caller passes one block of memory; everything is allocated out of it once ([`arena`]). Nothing here allocates,
//! calls a transcendental function of the platform ([`math`] has its own) or holds a branch that could panic.

pub mod arena;
mod attend;
mod cache;
mod candidates;
pub mod descent;
pub mod error;
mod joint;
mod layer;
pub mod math;
mod number;
pub mod options;
mod pass;
mod scratch;
mod session;
mod sizes;
pub(crate) mod slices;

pub use error::Error;
pub use joint::{Problem, Solution, Solver};
pub use options::SessionOptions;
pub use session::Session;
