//! Reference backend: portable, exact, the yardstick. f64 decides derivatives; f32 runs anywhere.
//!
//! All arrays live in an [`Arena`] of fixed size; after construction nothing is allocated. Every operation is a plain
//! loop in its textbook order, and every fused operation is its composition of primitives.

mod backend;
mod contraction;
mod decision;
mod primitive;

use alloc::string::String;
use core::cell::RefCell;

use crate::arena::{Handle, Store};
use crate::error::Error;

/// A floating-point type of the reference backend.
pub trait Real: Copy + Default + PartialOrd + core::fmt::Debug + 'static {
    /// Name of the type.
    const NAME: &'static str;
    /// Rounds from double precision.
    fn from_f64(x: f64) -> Self;
    /// The same number in double precision.
    fn to_f64(self) -> f64;
    /// `self + o`, rounded once.
    fn add(self, o: Self) -> Self;
    /// `self * o`, rounded once.
    fn mul(self, o: Self) -> Self;
    /// `e^self` of libm.
    fn exp(self) -> Self;
    /// Natural logarithm of libm.
    fn ln(self) -> Self;
    /// Square root, rounded once.
    fn sqrt(self) -> Self;
    /// `self / o`, rounded once.
    fn div(self, o: Self) -> Self;
}

macro_rules! real {
    ($t:ident, $name:literal, $exp:ident, $ln:ident, $sqrt:ident) => {
        impl Real for $t {
            const NAME: &'static str = $name;
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn add(self, o: Self) -> Self {
                self + o
            }
            fn mul(self, o: Self) -> Self {
                self * o
            }
            fn exp(self) -> Self {
                libm::$exp(self)
            }
            fn ln(self) -> Self {
                libm::$ln(self)
            }
            fn sqrt(self) -> Self {
                libm::$sqrt(self)
            }
            fn div(self, o: Self) -> Self {
                self / o
            }
        }
    };
}
real!(f32, "f32", expf, logf, sqrtf);
real!(f64, "f64", exp, log, sqrt);

/// Memory of a reference backend.
#[derive(Debug)]
pub struct Arena<E> {
    reals: Store<E>,
    integers: Store<u32>,
}

/// Most arrays alive at a time.
const BLOCKS: usize = 1 << 16;

impl<E: Real> Arena<E> {
    /// Room for `reals` numbers and `integers` indices.
    pub fn new(reals: usize, integers: usize) -> Self {
        Self {
            reals: Store::new(reals, BLOCKS.min(reals + 1)),
            integers: Store::new(integers, BLOCKS.min(integers + 1)),
        }
    }

    /// Numbers that the history so far needed room for.
    pub fn high_water(&self) -> usize {
        self.reals.high_water()
    }
}

/// A row-major matrix in an arena.
#[derive(Clone, Debug)]
pub struct Matrix<'a, E> {
    handle: Handle<'a, E>,
    rows: usize,
    columns: usize,
}

impl<E: Real> Matrix<'_, E> {
    fn get(&self, i: usize) -> E {
        self.handle.cells().get(i).map_or_else(E::default, core::cell::Cell::get)
    }
    fn at(&self, row: usize, column: usize) -> E {
        self.get(row * self.columns + column)
    }
    fn set(&self, i: usize, x: E) {
        if let Some(cell) = self.handle.cells().get(i) {
            cell.set(x);
        }
    }
    fn accumulate(&self, i: usize, x: E) {
        self.set(i, self.get(i).add(x));
    }
}

/// Integers in an arena.
#[derive(Clone, Debug)]
pub struct Indices<'a>(Handle<'a, u32>);

impl Indices<'_> {
    fn get(&self, i: usize) -> usize {
        self.0.cells().get(i).map_or(0, |c| c.get() as usize)
    }
    fn len(&self) -> usize {
        self.0.cells().len()
    }
}

/// Which capabilities of other devices the reference backend claims, so that the paths they need are tested in double
/// precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether matrices `(n,V)` are recomputed from logits instead of stored; they are stored by default.
    pub streams_vocabulary: bool,
    /// Whether the loss and the energy are scaled, as numbers of short range need; they are not by default.
    pub needs_loss_scale: bool,
}

/// The reference backend over an arena.
#[derive(Debug)]
pub struct Reference<'a, E> {
    arena: &'a Arena<E>,
    capabilities: Capabilities,
    failure: RefCell<Option<Error>>,
    name: String,
}

impl<'a, E: Real> Reference<'a, E> {
    /// A backend whose arrays live in `arena`.
    pub fn new(arena: &'a Arena<E>) -> Self {
        Self::with_capabilities(arena, Capabilities::default())
    }

    /// A backend that claims capabilities of other devices.
    pub fn with_capabilities(arena: &'a Arena<E>, capabilities: Capabilities) -> Self {
        Self { arena, capabilities, failure: RefCell::new(None), name: alloc::format!("reference {}", E::NAME) }
    }

    fn fail(&self, error: Error) {
        self.failure.borrow_mut().get_or_insert(error);
    }

    /// An uninitialised matrix; an empty one (and a failure on record) if the arena is full.
    fn take(&self, rows: usize, columns: usize) -> Matrix<'a, E> {
        match self.arena.reals.take(rows * columns) {
            Some(handle) => Matrix { handle, rows, columns },
            None => {
                let size = core::mem::size_of::<E>();
                self.fail(Error::Memory {
                    needed: rows * columns * size,
                    capacity: self.arena.reals.capacity() * size,
                });
                Matrix { handle: self.arena.reals.empty(), rows, columns }
            }
        }
    }

    fn take_indices(&self, len: usize) -> Indices<'a> {
        match self.arena.integers.take(len) {
            Some(handle) => Indices(handle),
            None => {
                self.fail(Error::Memory { needed: len * 4, capacity: self.arena.integers.capacity() * 4 });
                Indices(self.arena.integers.empty())
            }
        }
    }

    fn build(&self, rows: usize, columns: usize, f: impl Fn(usize, usize) -> E) -> Matrix<'a, E> {
        let out = self.take(rows, columns);
        for i in 0..rows {
            for j in 0..columns {
                out.set(i * columns + j, f(i, j));
            }
        }
        out
    }

    fn map(&self, a: &Matrix<'a, E>, f: impl Fn(E) -> E) -> Matrix<'a, E> {
        self.build(a.rows, a.columns, |i, j| f(a.at(i, j)))
    }

    /// `f(a, b)` with `b` broadcast against `a`.
    fn zip(&self, a: &Matrix<'a, E>, b: &Matrix<'a, E>, f: impl Fn(E, E) -> E) -> Matrix<'a, E> {
        self.require_shape(
            "an elementwise operand",
            (b.rows == a.rows || b.rows == 1) && (b.columns == a.columns || b.columns == 1),
            a,
            b,
        );
        let (down, across) = (usize::from(b.rows != 1), usize::from(b.columns != 1));
        self.build(a.rows, a.columns, |i, j| f(a.at(i, j), b.at(i * down, j * across)))
    }

    fn require_shape(&self, what: &str, fits: bool, a: &Matrix<'a, E>, b: &Matrix<'a, E>) {
        if !fits {
            let message = alloc::format!("{} x {} against {} x {}", a.rows, a.columns, b.rows, b.columns);
            self.fail(Error::Shape { what: String::from(what), message });
        }
    }

    /// A matrix that may be written: the same block if nobody else reads it, else a copy.
    fn own(&self, a: &mut Matrix<'a, E>) {
        if !a.handle.alone() {
            *a = self.map(a, |x| x);
        }
    }
}
