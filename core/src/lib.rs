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
//! The guide (`core/guide`, and in this documentation the module `guide`) derives the mathematics, draws the architecture and
//! says how to add to it. Reading order: [`compute`] (primitives and fused operations), [`fused`] (their definitions), [`dual`], [`record`],
//! [`layer`], [`energy`], [`descent`], [`objective`], then training and files. [`plan`] runs the same code on shapes.
//!
//! Features: `std` (default) makes checksums at the speed of the CPU; `alloc` is the model and its training. Without both
//! the crate holds what a trained model is described by and read with, for programs without a heap: [`config`],
//! [`objective`], [`config_error`], [`random`] and [`checksum`]. Inference itself is the crate `ebt`.

#![no_std]
#![forbid(unsafe_code)]

pub mod checksum;
pub mod config;
pub mod config_error;
#[cfg(doc)]
pub mod guide;
pub mod objective;
mod operations;
pub mod random;

cfg_if::cfg_if! {
    if #[cfg(feature = "alloc")] {
        extern crate alloc;

        pub mod arena;
        pub mod average;
        pub mod compute;
        pub mod descent;
        pub mod dual;
        pub mod energy;
        pub mod error;
        pub mod fused;
        pub mod layer;
        pub mod loss_scale;
        pub mod lora;
        pub mod muon;
        pub mod optimizer;
        pub mod parameters;
        pub mod plan;
        pub mod record;
        pub mod reference;
        pub mod schedule;
        pub mod training;
        pub mod transformer;
    }
}
