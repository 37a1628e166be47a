//! The library for C: `libebt`, header `include/ebt.h`.
//!
//! ```text
//! cargo rustc --release -p ebt --lib --crate-type staticlib     # target/release/libebt.a
//! cargo rustc --release -p ebt --lib --crate-type cdylib        # target/release/libebt.so
//! cc program.c -I core/embed/include target/release/libebt.a -lm -lpthread -ldl
//! ```
//!
//! `tests/c/generate.c` is a whole program. The rules of every function: it returns a [`Status`]; a null pointer where none is allowed and a length that no object
//! can have are refused; nothing is allocated and nothing has to be freed. What C must promise, because no function can
//! check it: pointers point to as many elements as the lengths say; model and memory stay where they are and are not
//! written by others until `ebt_close`; one generator is used by one thread at a time.
#![allow(unsafe_code)]

mod handle;
mod pointer;
mod restorer;
mod solver;
mod status;
mod types;
mod words;

pub use handle::{
    GeneratorHandle, ebt_accept, ebt_bytes_needed, ebt_close, ebt_energies, ebt_next, ebt_open, ebt_piece_bytes,
    ebt_prompt, ebt_reset, ebt_token_bytes, ebt_vocabulary,
};
pub use restorer::{
    RestorerHandle, ebt_restorer_bytes_needed, ebt_restorer_close, ebt_restorer_open, ebt_restorer_restore,
};
pub use solver::{
    SolverHandle, ebt_solver_bytes_needed, ebt_solver_close, ebt_solver_grid, ebt_solver_open, ebt_solver_sizes,
    ebt_solver_solve,
};
pub use status::{Status, ebt_strerror};
pub use types::{
    CCertificate, CGrid, CLetter, COptions, CSettings, CSolution, CSolverSettings, CStep, CToken, LetterFunction,
    NOISE_LANGEVIN, NOISE_METROPOLIS, NOISE_NONE, NOISE_TEMPERATURE, STEP_ARMIJO, STEP_CURVATURE, STEP_FIXED,
    STEP_MODEL, StepFunction,
};
pub use words::{
    CScore, CScored, CSuggestOptions, CSuggested, CSuggestion, ScoredFunction, SuggestionFunction, ebt_finished,
    ebt_score, ebt_suggest, ebt_suggest_bytes_needed, ebt_suggest_options_default, ebt_word_start,
};

use core::ffi::{CStr, c_char, c_int};

/// The version of the library, `major.minor.patch`; never null, never to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn ebt_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };
    VERSION.as_ptr()
}

/// Fills in the usual options.
///
/// # Safety
///
/// `options` is null or points to memory for options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_options_default(options: *mut COptions) -> c_int {
    // SAFETY: the caller's promise is that of `write`.
    unsafe { pointer::write(options, crate::Options::default().into()) }.map_or_else(Status::code, |()| 0)
}

/// Fills in the usual settings of a solver.
///
/// # Safety
///
/// `settings` is null or points to memory for settings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_solver_settings_default(settings: *mut CSolverSettings) -> c_int {
    // SAFETY: the caller's promise is that of `write`.
    unsafe { pointer::write(settings, CSolverSettings::usual()) }.map_or_else(Status::code, |()| 0)
}

/// Fills in the usual settings.
///
/// # Safety
///
/// `settings` is null or points to memory for settings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_settings_default(settings: *mut CSettings) -> c_int {
    // SAFETY: the caller's promise is that of `write`.
    unsafe { pointer::write(settings, CSettings::usual()) }.map_or_else(Status::code, |()| 0)
}
