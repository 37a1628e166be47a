//! Energy-based language models inside other programs: text in, text out.
//!
//! A model gives every candidate for the next token an energy and finds the token by descent on that energy; every token
//! comes with a certificate of how it was found. One block of memory, lent by the caller, is all that is ever used: there
//! is no heap, no operating system, no panic, and the same bits on every machine.
//!
//! ```no_run
//! use core::ops::ControlFlow;
//! use ebt::{Generator, Options, Settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = std::fs::read("model.packed")?; // or include_bytes!, or a memory map
//! let options = Options::default();
//! let mut memory = vec![0; Generator::bytes_needed(&file, &options)?]; // or a static array
//! let mut generator = Generator::new(&file, &options, &mut memory)?;
//! generator.prompt("Türkiye'nin başkenti")?;
//! let settings = Settings::default();
//! for _ in 0..32 {
//!     let step = &mut |step: &ebt::StepReport<'_>| {
//!         eprint!(" {:.3}", step.energy); // the energy falls
//!         ControlFlow::Continue(())
//!     };
//!     let Some(token) = generator.next(&settings, step)? else { break };
//!     print!("{}", token.text); // whole characters only
//!     eprintln!(" {} steps, probability {:.2}", token.certificate.steps, token.probability);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`c`] is the same for C and every language that can call C (header `include/ebt.h`); `wasm/` is the same for
//! JavaScript.
//!
//! Reading order: [`packed`] (the file that is used in place), [`engine`] (sessions: the network and the descent on lent
//! memory), [`Generator`] (text in, text out), [`Solver`] (joint models: problems in, answers out),
//! [`Restorer`] (damaged text in, restored text out), [`c`].
//!
//! **Features.** `std` (default) finds out at run time what the CPU can do; `pack` writes packed models. Without both the
//! crate is `no_std` and links neither `std` nor `alloc`.
//!
//! **Stability.** Versions are semantic. Before 1.0 a minor version may change the interface, and says so; a patch never
//! does. Errors, reports and certificates are `non_exhaustive` and may gain parts with a minor version; so may options, which
//! are given as `SessionOptions { rows: 2, ..SessionOptions::default() }`. The interface is written down, item by item, in
//! `public-api.txt`. For C: the order and size of struct fields and the numbers of codes change with a minor version only,
//! and [`c::ebt_version`] tells a program what it was linked with. A packed model names its format's version and is refused
//! by programs that do not know it. What a seed generates may change with a minor version, and does not with a patch.

#![no_std]
#![deny(unsafe_code)] // but for the boundary to C and the calls of kernels for a CPU that was detected (packed/kernel)

#[cfg(feature = "pack")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod c;
pub mod engine;
mod error;
mod generator;
mod mark;
pub mod packed;
mod restorer;
mod suggest;
mod token_generator;

pub use error::Error;
pub use generator::{Generator, Options, Score, Scored, Token};
pub use restorer::{Letter, Restorer};
pub use suggest::{SuggestOptions, Suggested, Suggestion, word_start};
pub use token_generator::{Delimiters, Settings, TokenGenerator};

pub use ebt_tokenizer::compact::Utf8Chunk;
pub use ebt_tokenizer::letters::Damage;
pub use engine::descent::{
    Assessment, Certificate, DescentOptions, Noise, Prior, Sampling, Selection, StepReport, StepSize, Stop, Tolerance,
};
pub use engine::{Error as EngineError, Problem, SessionOptions, Solution, Solver};
pub use packed::ReadError;

/// The version of this crate, `major.minor.patch`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
