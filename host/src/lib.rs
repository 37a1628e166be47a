//! Files and commands of the energy-based transformer.
//!
//! The binary `host` is a thin shell around this library: every command in [`commands`] is a pair of an argument
//! structure and a `run` function, and everything they do is reachable from here.

#![deny(unsafe_op_in_unsafe_fn)]

pub mod cli;
pub mod commands;
pub mod evaluate;
pub mod generate;
pub mod inference;
pub mod packing;
pub mod plot;
pub mod sampling;
pub mod tokenization;
