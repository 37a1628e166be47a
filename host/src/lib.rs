//! CPU backend, files and commands of the energy-based transformer.
//!
//! The binary `host` is a thin shell around this library: every command in [`commands`] is a pair of an argument
//! structure and a `run` function, and everything they do is reachable from here.
//!
//! From text to a checkpoint, in the order in which data flow:
//!
//! | module | goes in | comes out |
//! |---|---|---|
//! | [`tokenization`] | text files | a tokenizer, and how well it does |
//! | [`corpus`] | dumps in many formats, a tokenizer | clean documents without duplicates, as shards of tokens |
//! | [`run_config`], [`presets`] | a preset, a file, `--set`, flags | one checked configuration of a run |
//! | [`data`] | text files or shards, seed and step | batches: tokens and targets `(B,T)`, gathered while a step computes |
//! | [`cpu`], or `ebt_cuda` | core's operations | their results: the backend that `ebt_core::training` runs on |
//! | [`metrics`] | the report of every step | a line of JSON each |
//! | [`evaluate`], [`rollout`] | a model, held-out text | losses after every descent step, bits per byte |
//! | [`checkpoint`] | weights, moments, average, replay buffer, position | a folder from which the run goes on, bit for bit |
//!
//! And from a checkpoint to text and to other programs:
//!
//! | module | goes in | comes out |
//! |---|---|---|
//! | [`model`] | a checkpoint, a run or a model file | configuration, weights, tokenizer |
//! | [`inference`], [`generate`], [`sampling`] | a model, a prompt | text, token by token, with certificates |
//! | [`interchange`] | a model; safetensors | safetensors; a model (`core/guide/interchange.md`) |
//! | [`parity`] | golden cases | every quantity against the reference implementation |
//! | [`plot`] | certificates, a model and a prompt | pictures of energies along a descent, of the landscape |
//!
//! [`file`](mod@file), [`digest`] and [`progress`] serve all of them; [`cli`] is what commands share.

#![deny(unsafe_op_in_unsafe_fn)]

pub mod certificate;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod corpus;
pub mod cpu;
pub mod data;
pub mod digest;
pub mod evaluate;
pub mod file;
pub mod inference;
pub mod interchange;
pub mod metrics;
pub mod model;
pub mod parity;
pub mod plot;
pub mod presets;
pub mod progress;
pub mod rollout;
pub mod run_config;
pub mod tokenization;
