//! CPU backend, `f32`, `f64` and `f32` with products of brain floats ([`Mixed`]): the kernels of [`kernel`] over pooled matrices.
//!
//! Work runs on a rayon pool of the asked size. The thread that makes the first backend becomes one of the pool's
//! workers, so an operation starts without a hand-over; results are the same for every number of threads. Buffers come
//! from a pool: after the first step of a shape nothing is allocated.
//!
//! What goes in and what comes out are arrays of [`ndarray`]: [`Cpu::array`] makes a [`Matrix`] of a view with any
//! strides, [`Matrix::view`] borrows its elements as a view, without a copy. Between them, [`Cpu`] is a
//! [`Compute`](ebt_core::compute::Compute) and a [`Backend`](ebt_core::compute::Backend), and that is how models use it.
//! Operations do not return errors: the first shape that does not fit is kept for `status`.
//!
//! ```
//! use ebt_core::compute::{Backend, Compute, Layout};
//! use ebt_cpu::Cpu;
//! use ndarray::array;
//!
//! // The energy |W x|^2 / 2 of every row x of `states`, and its gradient, of which W^T W x is the transpose.
//! let (weights, states) = (array![[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]], array![[1.0, 0.5], [-2.0, 1.0]]);
//! let cpu = Cpu::<f64>::new(1);
//! let (w, x) = (cpu.array(weights.view()), cpu.array(states.view()));
//! let wx = cpu.matmul(&x, &w, Layout::NT);
//! let energies = cpu.scale(&cpu.sum_columns(&cpu.mul(&wx, &wx)), 0.5);
//! let gradient = cpu.matmul(&wx, &w, Layout::NN);
//! cpu.status()?;
//! assert_eq!(energies.view(), array![[8.25], [13.0]]);
//! assert_eq!(gradient.view(), array![[12.5, 8.0], [-15.0, -4.0]]);
//!
//! // A step down the gradient, by ndarray, from a view of the result.
//! let lower = &states - &(0.05 * &gradient.view());
//! let wx = cpu.matmul(&cpu.array(lower.view()), &w, Layout::NT);
//! assert!(wx.view().mapv(|y| y * y).sum() / 2.0 < energies.view().sum());
//! # Ok::<(), ebt_core::error::Error>(())
//! ```
//!
//! [`kernel`] holds the same operations on plain slices, without a backend.

#![deny(unsafe_op_in_unsafe_fn)]

mod attention;
mod backend;
mod band;
mod blend;
mod compute;
pub mod kernel;
mod matrix;
mod profile;
mod routing;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use ebt_core::compute::Scope;
use ebt_core::error::Error;
use ebt_ranks::Collective;
use kernel::element::Element;
pub use kernel::mixed::Mixed;
use matrix::Pool;
pub use matrix::{Matrix, OutOfMemory};
use profile::Profile;
pub use profile::ProfileEntry;

thread_local! {
    /// The pool this thread belongs to, kept for the thread's life: a worker cannot leave.
    static HOME: RefCell<Option<rayon::ThreadPool>> = const { RefCell::new(None) };
}

/// Cosines and sines of rotary angles, by (positions, width, bits of theta).
type RotaryTables<E> = HashMap<(usize, usize, u64), Rc<(Vec<E>, Vec<E>)>>;

/// The CPU backend.
#[derive(Debug)]
pub struct Cpu<E: Element> {
    pool: Rc<Pool<E>>,
    /// A pool of another size than this thread's own; none when this thread is a worker of the right one.
    workers: Option<rayon::ThreadPool>,
    threads: usize,
    rotary: RefCell<RotaryTables<E>>,
    scope: Cell<Scope>,
    profile: Option<RefCell<Profile>>,
    failure: RefCell<Option<Error>>,
    ranks: Option<Ranks>,
    name: String,
}

/// The ranks that add their gradients.
#[derive(Clone, Debug)]
pub struct Ranks {
    /// What carries them; used by the thread that makes the backend alone.
    pub collective: Rc<dyn Collective>,
    /// In the order that it finds fastest (single precision only), not in that of the canonical tree.
    pub fast: bool,
}

impl<E: Element> Cpu<E> {
    /// A backend with `threads` threads; 0 = one per core.
    pub fn new(threads: usize) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        let mut failure = None;
        let workers = match join_home(threads) {
            Ok(workers) => workers,
            Err(error) => {
                failure = Some(Error::Device(format!("cannot start {threads} threads: {error}")));
                None
            }
        };
        Self {
            pool: Rc::new(Pool::default()),
            workers,
            threads,
            rotary: RefCell::new(HashMap::new()),
            scope: Cell::new(Scope::Other),
            profile: None,
            failure: RefCell::new(failure),
            ranks: None,
            name: format!("cpu {}, {threads} threads", E::NAME),
        }
    }

    /// As [`Cpu::new`], as one of many ranks.
    pub fn with_ranks(threads: usize, ranks: Ranks) -> Self {
        Self { ranks: Some(ranks), ..Self::new(threads) }
    }

    /// As [`Cpu::new`], measuring the time of every operation.
    pub fn with_profile(threads: usize) -> Self {
        Self { profile: Some(RefCell::default()), ..Self::new(threads) }
    }

    /// As [`Cpu::new`], with every fresh buffer filled with NaN first: an element left unwritten shows.
    pub fn poisoned(threads: usize) -> Self {
        Self { pool: Rc::new(Pool::poisoned()), ..Self::new(threads) }
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Bytes of all buffers, in use and waiting.
    pub fn pool_bytes(&self) -> usize {
        self.pool.bytes()
    }

    /// Buffers allocated from the system so far; constant in the steady state.
    pub fn allocations(&self) -> usize {
        self.pool.allocations()
    }

    /// Time by scope and operation since the last reset, longest first; empty unless made with a profile.
    pub fn profile(&self) -> Vec<ProfileEntry> {
        self.profile.as_ref().map(|p| p.borrow().entries()).unwrap_or_default()
    }

    /// Forgets measured times.
    pub fn reset_profile(&self) {
        if let Some(p) = &self.profile {
            *p.borrow_mut() = Profile::default();
        }
    }

    /// Runs a kernel on this backend's threads.
    fn run<R: Send>(&self, operation: &'static str, work: impl FnOnce() -> R + Send) -> R {
        let started = self.profile.as_ref().map(|_| std::time::Instant::now());
        let result = match &self.workers {
            None => work(),
            Some(pool) => pool.install(work),
        };
        if let (Some(profile), Some(started)) = (&self.profile, started) {
            profile.borrow_mut().add(self.scope.get(), operation, started.elapsed());
        }
        result
    }

    fn fail(&self, error: Error) {
        self.failure.borrow_mut().get_or_insert(error);
    }

    /// A new matrix written by `write`, which must set every element.
    fn write(
        &self,
        operation: &'static str,
        rows: usize,
        columns: usize,
        write: impl FnOnce(&mut [E]) + Send,
    ) -> Matrix<E> {
        let mut out = self.pool.take(rows, columns);
        let slice = out.own();
        self.run(operation, || write(slice));
        out
    }

    /// Two new matrices written together.
    fn write_two(
        &self,
        operation: &'static str,
        first: (usize, usize),
        second: (usize, usize),
        write: impl FnOnce(&mut [E], &mut [E]) + Send,
    ) -> (Matrix<E>, Matrix<E>) {
        let (mut a, mut b) = (self.pool.take(first.0, first.1), self.pool.take(second.0, second.1));
        let (x, y) = (a.own(), b.own());
        self.run(operation, || write(x, y));
        (a, b)
    }

    /// Changes a matrix in place (a copy first, if others read it).
    fn update(&self, operation: &'static str, a: &mut Matrix<E>, change: impl FnOnce(&mut [E]) + Send) {
        let slice = a.own();
        self.run(operation, || change(slice));
    }

    fn rotary_tables(&self, positions: usize, width: usize, theta: f64) -> Rc<(Vec<E>, Vec<E>)> {
        let key = (positions, width, theta.to_bits());
        let mut tables = self.rotary.borrow_mut();
        tables.entry(key).or_insert_with(|| Rc::new(kernel::rotary::tables(positions, width, theta))).clone()
    }
}

/// Makes this thread a worker of a pool of `threads`, or builds a pool beside the one it already belongs to.
fn join_home(threads: usize) -> Result<Option<rayon::ThreadPool>, rayon::ThreadPoolBuildError> {
    if rayon::current_thread_index().is_some() && rayon::current_num_threads() == threads {
        return Ok(None);
    }
    let build = || rayon::ThreadPoolBuilder::new().num_threads(threads);
    if rayon::current_thread_index().is_none() {
        let home = build().use_current_thread().build()?;
        HOME.with(|h| h.replace(Some(home)));
        return Ok(None);
    }
    build().build().map(Some)
}
