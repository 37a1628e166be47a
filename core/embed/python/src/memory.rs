//! Things of the library together with what they borrow: the bytes of a model and the memory that they work in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ebt::engine::Session;
use ebt::{Generator, Restorer, Solver};
use pyo3::PyResult;
use self_cell::{MutBorrow, self_cell};

use crate::error::raised;

/// What is borrowed.
pub struct Borrowed {
    model: Arc<[u8]>,
    memory: MutBorrow<Vec<u32>>,
}

impl Borrowed {
    fn new(model: Arc<[u8]>, bytes: usize) -> Self {
        // words, because an arena starts at a multiple of four
        Self { model, memory: MutBorrow::new(vec![0; bytes.div_ceil(4)]) }
    }
}

macro_rules! cells {
    ($($cell:ident, $alias:ident, $of:ident;)*) => {$(
        type $alias<'a> = $of<'a, 'a>;

        self_cell!(
            pub struct $cell {
                owner: Borrowed,
                #[not_covariant]
                dependent: $alias,
            }
        );

        impl Cell for $cell {
            type Of<'a> = $of<'a, 'a>;

            fn build(
                model: Arc<[u8]>,
                bytes: usize,
                open: impl for<'a> FnOnce(&'a [u8], &'a mut [u8]) -> Result<$of<'a, 'a>, anyhow::Error>,
            ) -> Result<Self, anyhow::Error> {
                Self::try_new(Borrowed::new(model, bytes), |borrowed| {
                    open(&borrowed.model, bytemuck::cast_slice_mut(borrowed.memory.borrow_mut()))
                })
            }

            fn with<R>(&mut self, work: impl for<'a> FnOnce(&mut $of<'a, 'a>) -> R) -> R {
                self.with_dependent_mut(|_, of| work(of))
            }
        }
    )*};
}
cells! {
    SessionCell, SessionAlias, Session;
    GeneratorCell, GeneratorAlias, Generator;
    SolverCell, SolverAlias, Solver;
    RestorerCell, RestorerAlias, Restorer;
}

/// A thing of the library with what it borrows.
pub trait Cell: Sized {
    /// The thing.
    type Of<'a>;
    /// Opens it over a model, in so many bytes of memory.
    fn build(
        model: Arc<[u8]>,
        bytes: usize,
        open: impl for<'a> FnOnce(&'a [u8], &'a mut [u8]) -> Result<Self::Of<'a>, anyhow::Error>,
    ) -> Result<Self, anyhow::Error>;
    /// Works with it.
    fn with<R>(&mut self, work: impl for<'a> FnOnce(&mut Self::Of<'a>) -> R) -> R;
}

/// The same, for one thread at a time.
pub struct Shared<C>(Mutex<C>);

impl<C: Cell> Shared<C> {
    /// As [`Cell::build`].
    pub fn new(
        model: Arc<[u8]>,
        bytes: usize,
        open: impl for<'a> FnOnce(&'a [u8], &'a mut [u8]) -> Result<C::Of<'a>, anyhow::Error>,
    ) -> PyResult<Self> {
        Ok(Self(Mutex::new(C::build(model, bytes, open).map_err(raised)?)))
    }

    /// Works with it, after whoever works with it now. A call that panicked left it as it was between two calls of the library.
    pub fn with<R>(&self, work: impl for<'a> FnOnce(&mut C::Of<'a>) -> R) -> R {
        let mut cell: MutexGuard<'_, C> = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cell.with(work)
    }
}
