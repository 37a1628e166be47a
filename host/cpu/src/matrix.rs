//! Pooled matrices: counted handles whose last owner gives the buffer back.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::kernel::element::Element;

/// Memory for a matrix that cannot be had. Operations have no result to say it in, so it unwinds to whoever opened the
/// backend, past the panic hook: the payload of [`std::panic::catch_unwind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes of the matrix.
    pub bytes: usize,
}

/// Buffers waiting for reuse, by exact length.
#[derive(Debug, Default)]
pub(super) struct Pool<E> {
    waiting: RefCell<HashMap<usize, Vec<Rc<Vec<E>>>>>,
    bytes: Cell<usize>,
    allocations: Cell<usize>,
    poison: bool,
}

impl<E: Element> Pool<E> {
    /// A pool whose fresh matrices hold NaN.
    pub(super) fn poisoned() -> Self {
        Self { poison: true, waiting: RefCell::default(), bytes: Cell::new(0), allocations: Cell::new(0) }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    pub(super) fn allocations(&self) -> usize {
        self.allocations.get()
    }

    /// A matrix whose elements are to be written; unwinds with [`OutOfMemory`] where there is none.
    pub(super) fn take(self: &Rc<Self>, rows: usize, columns: usize) -> Matrix<E> {
        let len = rows.saturating_mul(columns);
        let reused = self.waiting.borrow_mut().get_mut(&len).and_then(Vec::pop);
        let buffer = reused.unwrap_or_else(|| {
            // an allocation that fails without this question would abort the process
            if Vec::<E>::new().try_reserve_exact(len).is_err() {
                std::panic::resume_unwind(Box::new(OutOfMemory { bytes: len.saturating_mul(size_of::<E>()) }));
            }
            self.bytes.set(self.bytes.get() + len * size_of::<E>());
            self.allocations.set(self.allocations.get() + 1);
            Rc::new(vec![E::ZERO; len])
        });
        let mut out = Matrix { buffer: Some(buffer), pool: self.clone(), start: 0, rows, columns };
        if self.poison {
            out.own().fill(E::from_f64(f64::NAN));
        }
        out
    }
}

/// A row-major matrix in memory of a [`Cpu`](crate::Cpu), which makes it of an array; cloning copies a handle.
#[derive(Debug)]
pub struct Matrix<E: Element> {
    /// Present until drop.
    buffer: Option<Rc<Vec<E>>>,
    pool: Rc<Pool<E>>,
    start: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl<E: Element> Matrix<E> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements in row-major order.
    pub fn slice(&self) -> &[E] {
        self.buffer.as_deref().and_then(|b| b.get(self.start..self.start + self.len())).unwrap_or(&[])
    }

    /// The elements as an array `(rows, columns)`, in place; `view().to_owned()` copies them. What an operation made of
    /// shapes that do not fit (the backend's status says so) may have fewer elements than its shape: its view is empty.
    #[cfg(feature = "ndarray")]
    pub fn view(&self) -> ndarray::ArrayView2<'_, E> {
        let empty: &[[E; 0]] = &[];
        ndarray::ArrayView2::from_shape((self.rows, self.columns), self.slice()).unwrap_or_else(|_| empty.into())
    }

    /// The same elements under another shape.
    pub(super) fn shaped(&self, start: usize, rows: usize, columns: usize) -> Self {
        let mut out = self.clone();
        (out.start, out.rows, out.columns) = (self.start + start, rows, columns);
        out
    }

    /// The elements for writing: in place where this is the only handle, else in a copy.
    pub(super) fn own(&mut self) -> &mut [E] {
        let (start, len) = (self.start, self.len());
        let alone = self.buffer.as_mut().is_some_and(|b| Rc::get_mut(b).is_some());
        if !alone {
            let mut copy = self.pool.take(self.rows, self.columns);
            if let Some(to) = copy.buffer.as_mut().and_then(Rc::get_mut) {
                to.copy_from_slice(self.slice());
            }
            *self = copy;
            return self.buffer.as_mut().and_then(Rc::get_mut).map_or(&mut [], |b| b.as_mut_slice());
        }
        self.buffer.as_mut().and_then(Rc::get_mut).and_then(|b| b.get_mut(start..start + len)).unwrap_or(&mut [])
    }
}

impl<E: Element> Clone for Matrix<E> {
    fn clone(&self) -> Self {
        Self { buffer: self.buffer.clone(), pool: self.pool.clone(), ..*self }
    }
}

impl<E: Element> Drop for Matrix<E> {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take()
            && Rc::strong_count(&buffer) == 1
        {
            self.pool.waiting.borrow_mut().entry(buffer.len()).or_default().push(buffer);
        }
    }
}
