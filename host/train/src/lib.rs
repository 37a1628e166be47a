//! Training: what a run is ([`run_config`]), its course from step to step ([`session`]), the state it is taken up from
//! ([`checkpoint`]), what it learns ([`task`], [`sudoku`]) and the numbers it writes down ([`metrics`]); and measuring the model that it leaves, a file of
//! [`ebt_model`], on text ([`evaluate`]) on boards ([`boards`]) or on letters ([`restored`], all by the descent of [`rollout`]).
//!
//! All of it is generic over the [`Backend`](ebt_core::compute::Backend): which device computes is chosen by the caller.

pub mod adapt;
pub mod boards;
pub mod candidates;
pub mod checkpoint;
pub mod confidence;
mod detection;
pub mod evaluate;
pub mod grow;
pub mod metrics;
pub mod restored;
pub mod rollout;
pub mod rounding;
pub mod run_config;
pub mod session;
pub mod sudoku;
pub mod task;
pub mod windows;
