//! Files and commands of the energy-based transformer.
//!
//! The binaries `ebt` and `host` are thin shells around [`program`]: every command in [`commands`] is a pair of an argument
//! structure and a `run` function, and everything they do is reachable from here.
//!
//! From text to a checkpoint, in the order in which data flow:
//!
//! | module | goes in | comes out |
//! |---|---|---|
//! | [`ebt_data::text`] | files, folders, globs; prompts | documents, found, read and cleaned alike for all of these |
//! | [`tokenization`] | documents | a tokenizer, and how well it does |
//! | [`ebt_corpus`] | dumps in many formats, a tokenizer | clean documents without duplicates, as shards of tokens |
//! | [`ebt_train::run_config`] | a preset, a file, `--set`, flags | one checked configuration of a run |
//! | [`ebt_data`] | text files or shards, seed and step | batches: tokens and targets `(B,T)`, gathered while a step computes |
//! | [`ebt_device`] | the device asked for | a backend that [`ebt_core::training`] runs on: `ebt_cpu`, or `ebt_cuda` |
//! | [`ebt_train::session`] | a configuration, batches, a backend | training steps, measurements, a saved run |
//! | [`ebt_train::evaluate`], [`evaluate`] | a model, held-out text | losses after every descent step, bits per byte |
//! | [`ebt_train::checkpoint`] | weights, moments, average, replay buffer, position | a folder from which the run goes on, bit for bit |
//!
//! And from a checkpoint to text and to other programs:
//!
//! | module | goes in | comes out |
//! |---|---|---|
//! | [`ebt_model`] | a checkpoint, a run or a model file; safetensors of other programs | configuration, weights, tokenizer (`core/guide/interchange.md`) |
//! | [`packing`] | a model | a packed model, which [`ebt`] uses in place |
//! | [`hub`] | the name of a file on the hub | the file, in the cache |
//! | [`inference`], [`certificate`] | a model, what to think | a session of [`ebt`], and the certificates of its tokens |
//! | `serve` (feature `serve`) | requests over HTTP | completions, streams, counters |
//! | [`ebt_device::parity`] | golden cases | every quantity against the reference implementation |
//! | [`judge`] | a model, texts of which one is right | how often it says so |
//! | [`plot`] | certificates, a model and a prompt | pictures of energies along a descent, of the landscape |
//!
//! [`cli`] is what commands share.

#![deny(unsafe_op_in_unsafe_fn)]

pub mod certificate;
pub mod cli;
pub mod commands;
pub mod evaluate;
pub mod hub;
pub mod inference;
pub mod judge;
pub mod packing;
pub mod plot;
pub mod program;
#[cfg(feature = "serve")]
pub mod serve;
pub mod solver;
pub mod tokenization;
