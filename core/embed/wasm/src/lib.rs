//! `libebt` as a WebAssembly module. The functions for C are exported as they are; numbers, structs and pointers are
//! those of the 32-bit C interface. Memory is JavaScript's to hand out: it grows the module's memory, puts the model there
//! and lends the rest. `ebt.js` does all that.
//!
//! A function of JavaScript is no C function pointer, so steps are told through the import `ebt.on_step` instead.

#![no_std]

use core::ffi::{c_char, c_int, c_void};
use core::panic::PanicInfo;

use ebt::c::{
    CLetter, CScore, CScored, CSettings, CSolution, CSolverSettings, CStep, CSuggestOptions, CSuggested, CSuggestion, CToken,
    GeneratorHandle, RestorerHandle, SolverHandle, ebt_next, ebt_restorer_restore, ebt_score, ebt_solver_solve, ebt_suggest,
};

#[link(wasm_import_module = "ebt")]
unsafe extern "C" {
    /// JavaScript's function: sees a step, returns 0 to go on.
    fn on_step(user: *mut c_void, step: *const CStep) -> c_int;
    /// JavaScript's function: sees a letter.
    fn on_letter(user: *mut c_void, letter: *const CLetter);
    /// JavaScript's function: sees a token that was scored.
    fn on_scored(user: *mut c_void, scored: *const CScored);
    /// JavaScript's function: sees a suggestion.
    fn on_suggestion(user: *mut c_void, suggestion: *const CSuggestion);
}

unsafe extern "C" fn tell_scored(user: *mut c_void, scored: *const CScored) {
    // SAFETY: JavaScript reads the token during the call and keeps no pointer.
    unsafe { on_scored(user, scored) }
}

unsafe extern "C" fn tell_suggestion(user: *mut c_void, suggestion: *const CSuggestion) {
    // SAFETY: JavaScript reads the suggestion during the call and keeps no pointer.
    unsafe { on_suggestion(user, suggestion) }
}

/// [`ebt_score`] with JavaScript's callback.
///
/// # Safety
///
/// That of [`ebt_score`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_score_told(
    generator: *mut GeneratorHandle,
    settings: *const CSettings,
    text: *const c_char,
    length: usize,
    user: *mut c_void,
    score: *mut CScore,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { ebt_score(generator, settings, text, length, Some(tell_scored), user, score) }
}

/// [`ebt_suggest`] with JavaScript's callback.
///
/// # Safety
///
/// That of [`ebt_suggest`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_suggest_told(
    generator: *mut GeneratorHandle,
    settings: *const CSettings,
    options: *const CSuggestOptions,
    text: *const c_char,
    length: usize,
    memory: *mut c_void,
    memory_length: usize,
    user: *mut c_void,
    done: *mut CSuggested,
) -> c_int {
    let told = Some(tell_suggestion as unsafe extern "C" fn(*mut c_void, *const CSuggestion));
    // SAFETY: the caller's promise.
    unsafe { ebt_suggest(generator, settings, options, text, length, memory, memory_length, told, user, done) }
}

unsafe extern "C" fn tell_letter(user: *mut c_void, letter: *const CLetter) {
    // SAFETY: JavaScript reads the letter during the call and keeps no pointer.
    unsafe { on_letter(user, letter) }
}

/// [`ebt_restorer_restore`] with JavaScript's callback.
///
/// # Safety
///
/// That of [`ebt_restorer_restore`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_restorer_restore_told(
    restorer: *mut RestorerHandle,
    damage: u32,
    steps: u32,
    text: *const c_char,
    length: usize,
    scratch: *mut c_char,
    scratch_length: usize,
    user: *mut c_void,
    restored: *mut *const c_char,
    restored_length: *mut usize,
) -> c_int {
    let told = Some(tell_letter as unsafe extern "C" fn(*mut c_void, *const CLetter));
    // SAFETY: the caller's promise.
    unsafe {
        ebt_restorer_restore(
            restorer, damage, steps, text, length, scratch, scratch_length, told, user, restored, restored_length,
        )
    }
}

unsafe extern "C" fn tell(user: *mut c_void, step: *const CStep) -> c_int {
    // SAFETY: JavaScript reads the step during the call and keeps no pointer.
    unsafe { on_step(user, step) }
}

/// [`ebt_next`] with JavaScript's callback.
///
/// # Safety
///
/// That of [`ebt_next`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_next_told(
    generator: *mut GeneratorHandle,
    settings: *const CSettings,
    user: *mut c_void,
    piece: *mut c_char,
    piece_length: usize,
    token: *mut CToken,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { ebt_next(generator, settings, Some(tell), user, piece, piece_length, token) }
}

/// [`ebt_solver_solve`] with JavaScript's callback.
///
/// # Safety
///
/// That of [`ebt_solver_solve`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_solver_solve_told(
    solver: *mut SolverHandle,
    settings: *const CSolverSettings,
    user: *mut c_void,
    allowed: *const u32,
    cells: usize,
    answer: *mut u32,
    solution: *mut CSolution,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { ebt_solver_solve(solver, settings, Some(tell), user, allowed, cells, answer, solution) }
}

#[cfg(all(target_arch = "wasm32", not(feature = "no-panic")))]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(all(target_arch = "wasm32", feature = "no-panic"))]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    #[link(wasm_import_module = "ebt")]
    unsafe extern "C" {
        fn ebt_code_that_panics_is_left() -> !;
    }
    // SAFETY: never runs: the test refuses a module that imports this function.
    unsafe { ebt_code_that_panics_is_left() }
}
