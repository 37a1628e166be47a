//! A solver of joint problems in memory of the caller.

use core::cell::{Cell, RefCell};
use core::ffi::{c_int, c_void};

use super::handle::{Marked, code, given, given_mut, head, open, options_of, place, telling};
use super::pointer::{read, slice, slice_mut, writable, write};
use super::types::{CCertificate, CGrid, COptions, CSolution, CSolverSettings, StepFunction};
use super::{Status, status};
use crate::engine::descent::DescentOptions;
use crate::packed::Model;
use crate::{Error, Prior, Problem, Solver};

/// A solver; lives in the memory that `ebt_solver_open` was given.
pub struct SolverHandle {
    /// [`OPEN`], and anything else after the end.
    mark: Cell<u32>,
    /// Most cells of a problem, and tokens that the model knows.
    cells: usize,
    vocabulary: usize,
    grid: CGrid,
    solver: RefCell<Solver<'static, 'static>>,
}

/// Marks a handle that is open.
const OPEN: u32 = 0x4542_5321;

impl Marked for SolverHandle {
    const OPEN: u32 = OPEN;
    fn mark(&self) -> u32 {
        self.mark.get()
    }
}

fn opening(error: impl Into<Error>) -> Status {
    status::of_open(error.into())
}

/// Writes to `bytes` how much memory a solver of this joint model with these options needs, whatever its alignment. Null
/// options are the usual ones; `rows` is the most candidates of a problem, `block` and `prompt` do not count.
///
/// # Safety
///
/// `model` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_solver_bytes_needed(
    model: *const u8,
    length: usize,
    options: *const COptions,
    bytes: *mut usize,
) -> c_int {
    code(|| {
        writable(bytes)?;
        // SAFETY: the caller's promise.
        let (model, options) = unsafe { (given(model, length)?, options_of(options)?) };
        let model = Model::read(model).map_err(opening)?;
        let needed = Solver::bytes_needed(&model.config, &options.session).map_err(opening)?;
        let needed = needed.checked_add(head::<SolverHandle>()).ok_or(Status::Size)?;
        // SAFETY: the caller's promise.
        unsafe { write(bytes, needed) }.map(|()| Status::Ok)
    })
}

/// Opens a solver in `memory`, and writes its handle to `solver`. Nothing has to be freed. Null options are the usual ones.
///
/// # Safety
///
/// `model` points to `length` bytes and `memory` to `memory_length`; both stay there, the model unchanged and the memory
/// used by nobody else, until the solver is no longer used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_solver_open(
    model: *const u8,
    length: usize,
    options: *const COptions,
    memory: *mut c_void,
    memory_length: usize,
    solver: *mut *mut SolverHandle,
) -> c_int {
    code(|| {
        writable(solver)?;
        // SAFETY: the caller's promise; whatever the memory holds is a valid `MaybeUninit`.
        let (model, options, memory) =
            unsafe { (given(model, length)?, options_of(options)?, given_mut(memory.cast(), memory_length)?) };
        let (place, memory) = place(memory)?;
        let model = Model::read(model).map_err(opening)?;
        let (cells, vocabulary) = (model.config.context, model.config.vocab);
        let grid = model.config.joint.grid.map(CGrid::from).unwrap_or_default();
        let opened = RefCell::new(Solver::new(model, &options.session, memory).map_err(opening)?);
        let handle = place.write(SolverHandle { mark: Cell::new(OPEN), cells, vocabulary, grid, solver: opened });
        // SAFETY: the caller's promise.
        unsafe { write(solver, core::ptr::from_mut(handle)) }.map(|()| Status::Ok)
    })
}

/// Writes how many cells a problem has at most (exactly, where cells are those of a grid), and how many tokens there are.
///
/// # Safety
///
/// `solver` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_solver_sizes(
    solver: *mut SolverHandle,
    cells: *mut usize,
    vocabulary: *mut usize,
) -> c_int {
    code(|| {
        writable(vocabulary)?;
        // SAFETY: the caller's promise.
        let handle = unsafe { open(solver)? };
        // SAFETY: the caller's promise.
        unsafe { write(cells, handle.cells).and_then(|()| write(vocabulary, handle.vocabulary)) }.map(|()| Status::Ok)
    })
}

/// Writes the grid that the cells of a problem are those of, row by row; all of it 0 where there is none.
///
/// # Safety
///
/// `solver` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_solver_grid(solver: *mut SolverHandle, grid: *mut CGrid) -> c_int {
    code(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { open(solver)? };
        // SAFETY: the caller's promise.
        unsafe { write(grid, handle.grid) }.map(|()| Status::Ok)
    })
}

/// Answers a problem of `cells` cells. `allowed` holds `(vocabulary + 31) / 32` words a cell: bit `v % 32` of word `v / 32` allows
/// token `v`, and a cell with one allowed token is given. `answer` takes a token a cell. Null settings are the usual ones;
/// `on_step` may be null, and its arrays are those of all cells. While it runs the solver is in use: `ebt_solver_sizes` and
/// `ebt_solver_grid` answer, every other function refuses with `EBT_STATUS_BUSY`.
///
/// # Safety
///
/// `solver` is open; `allowed` and `answer` hold as many numbers, `solution` points to a solution; `on_step` may be called with
/// `user` and returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_solver_solve(
    solver: *mut SolverHandle,
    settings: *const CSolverSettings,
    on_step: StepFunction,
    user: *mut c_void,
    allowed: *const u32,
    cells: usize,
    answer: *mut u32,
    solution: *mut CSolution,
) -> c_int {
    code(|| {
        writable(solution)?;
        // SAFETY: the caller's promise.
        let handle = unsafe { open(solver)? };
        let mut solver = handle.solver.try_borrow_mut().map_err(|_| Status::Busy)?;
        let words = cells.checked_mul(handle.vocabulary.div_ceil(32)).ok_or(Status::Length)?;
        // SAFETY: the caller's promise.
        let (allowed, answer) = unsafe { (slice(allowed, words)?, slice_mut(answer, cells)?) };
        let think = if settings.is_null() {
            DescentOptions::joint()
        } else {
            // SAFETY: the caller's promise.
            unsafe { read(settings) }?.think().ok_or(Status::Setting)?
        };
        // SAFETY: the caller's promise.
        let mut tell = unsafe { telling(on_step, user) };
        let solved = solver.solve(Problem { cells, allowed, prior: Prior::default() }, &think, &mut tell);
        let solved = solved.map_err(|error| status::of_use(error.into()))?;
        for (place, token) in answer.iter_mut().zip(solved.answer()) {
            *place = token;
        }
        let end = solved.certificate.end.ok_or(Status::Setting)?;
        let told = CSolution {
            energy: end.energy,
            free_energy: end.free,
            entropy: end.entropy,
            residual: end.residual,
            votes: end.votes,
            probabilities: solved.all_probabilities().as_ptr(),
            certificate: CCertificate::from(&solved.certificate),
        };
        // SAFETY: the caller's promise.
        unsafe { write(solution, told) }.map(|()| Status::Ok)
    })
}

/// Ends the use of a solver: from now on its handle is refused, and its memory may be used for anything else.
///
/// # Safety
///
/// `solver` came from `ebt_solver_open` and its memory is still there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_solver_close(solver: *mut SolverHandle) -> c_int {
    code(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { open(solver)? };
        let _nobody_uses_it = handle.solver.try_borrow_mut().map_err(|_| Status::Busy)?;
        handle.mark.set(0);
        Ok(Status::Ok)
    })
}
