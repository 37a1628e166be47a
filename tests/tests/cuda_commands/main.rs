//! Commands that compute on a GPU, as a user types them, on the stand-in for NVIDIA's libraries: what they print, and the
//! sentence and exit status where something is missing.
//!
//! The stand-in is no GPU: speed means nothing here, and a pass is not a pass on a GPU.
#![allow(clippy::unwrap_used)]
// the stand-in is built there only
#![cfg(target_os = "linux")]

mod bench;
mod doctor;
mod parity;
mod program;
mod refusals;
mod training;
