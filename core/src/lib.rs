//! The energy-based transformer (EBT), written once over a compute trait.
//!
//! A network gives every candidate next-token distribution an energy; prediction is descent on that energy; training
//! differentiates through the descent. This crate is what the model *is*: it knows no device, file, thread or clock.
//!
//! | symbol | meaning | symbol | meaning |
//! |---|---|---|---|
//! | `B` | sequences of a batch | `H`, `K`, `d` | query heads, key/value heads, head width |
//! | `T` | positions of a sequence | `F` | feed-forward width |
//! | `n` | rows, `B T` | `S`, `N` | landscapes, descent steps |
//! | `V` | vocabulary | `P = softmax(Y)` | candidate distribution, its logits (the state) |
//! | `D` | width | `G` | `dE/dP` |
//!
//! Reading order: [`compute`] (primitives and fused operations), [`fused`] (their definitions), [`dual`], [`record`],
//! [`layer`], [`energy`], [`descent`], [`objective`], then training and files. [`plan`] runs the same code on shapes.
//!
//! Features: `std` (default) finds out at run time what the CPU can do; `alloc` is all that owns memory. Without both the
//! crate holds [`config`], [`random`], [`packed`] and [`generate`]: a model that is used in place, and sessions without heap.

#![no_std]
#![deny(unsafe_code)] // but where packed/kernel/mod.rs gives its reasons: calls of kernels for a CPU that was detected, a prefetch

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "alloc")]
pub mod arena;
#[cfg(feature = "alloc")]
pub mod average;
mod checksum;
#[cfg(feature = "alloc")]
pub mod compute;
pub mod config;
pub mod config_error;
#[cfg(feature = "alloc")]
pub mod descent;
#[cfg(feature = "alloc")]
pub mod dual;
#[cfg(feature = "alloc")]
pub mod energy;
#[cfg(feature = "alloc")]
pub mod error;
#[cfg(feature = "alloc")]
pub mod fused;
pub mod generate;
#[cfg(feature = "alloc")]
pub mod layer;
#[cfg(feature = "alloc")]
pub mod loss_scale;
#[cfg(feature = "alloc")]
pub mod model_file;
pub mod objective;
#[cfg(feature = "alloc")]
pub mod optimizer;
pub mod packed;
#[cfg(feature = "alloc")]
pub mod parameters;
#[cfg(feature = "alloc")]
pub mod plan;
pub mod random;
#[cfg(feature = "alloc")]
pub mod record;
#[cfg(feature = "alloc")]
pub mod reference;
#[cfg(feature = "alloc")]
pub mod schedule;
#[cfg(feature = "alloc")]
pub mod training;
#[cfg(feature = "alloc")]
pub mod transformer;
