//! The stand-in device itself: what it runs it runs right, and the mistakes it is there for it finds.
//!
//! Through the bindings that the backend uses, so that the libraries are found and called as they will be.

// helpers of tests fail as tests do
#![allow(clippy::unwrap_used)]
// the stand-in is built there only
#![cfg(target_os = "linux")]

mod copies;
mod device;
mod graphs;
mod kernels;
mod memory;
mod mistakes;
mod modules;
mod products;
mod programs;
mod ranks;
