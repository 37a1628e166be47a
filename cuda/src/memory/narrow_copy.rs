//! Parameters in the storage type of products.
//!
//! Parameters are kept in single precision and multiplied in 16 bits. The rounded copy of a parameter is made when a
//! product first asks for it and kept beside the parameter's memory, so all handles and views share it. Who writes a
//! parameter either writes the copy too ([`Cuda::fresh_copy`]) or says that the copy is out of date
//! ([`Cuda::invalidate`]).
//!
//! A recorded step (see [`crate::graph`]) runs without this code. Its recording notes on which copies it relied and in
//! which state it left them; before a replay the first are brought up to date, after it the second are set.

use std::cell::RefCell;
use std::rc::Rc;

use super::matrix::{Matrix, NarrowCopy};
use super::narrow_copy_log::NarrowCopyLog;
use super::pool::COMMON;
use crate::Cuda;

impl Cuda {
    /// `m` in the storage type of activations: itself where that is its own, for a parameter a copy that is kept and
    /// brought up to date when the parameter was written.
    pub(crate) fn narrow_copy(&self, m: &Matrix) -> Matrix {
        let kind = self.stream_kind();
        if m.kind == kind {
            return m.clone();
        }
        let Some(slot) = &m.narrow_copy else { return self.cast(m, kind) };
        let changed_before =
            self.narrow_copy_log.borrow().as_ref().is_some_and(|log| log.changed.iter().any(|n| n.is(slot)));
        if slot.borrow().fresh {
            if !changed_before && let Some(log) = self.narrow_copy_log.borrow_mut().as_mut() {
                NarrowCopyLog::note(&mut log.relied, m, slot);
            }
        } else {
            self.refresh(m, slot);
            self.note_change(m, slot);
        }
        let copy = slot.borrow().copy.as_ref().map(|copy| copy.shaped(m.start, m.rows, m.columns));
        // without memory the failure is kept; the result is as unwritten as that of any failed operation
        copy.unwrap_or_else(|| Matrix { block: None, narrow_copy: None, kind, start: 0, ..m.clone() })
    }

    /// The copy of the whole parameter `m` if it is up to date: a kernel that writes `m` and the copy leaves it so.
    /// Without one, the writer calls [`Cuda::invalidate`].
    pub(crate) fn fresh_copy(&self, m: &Matrix) -> Option<Matrix> {
        let slot = m.narrow_copy.as_ref()?;
        let copy = {
            let narrow_copy = slot.borrow();
            narrow_copy.copy.as_ref().filter(|_| narrow_copy.fresh)?.shaped(m.start, m.rows, m.columns)
        };
        self.note_change(m, slot);
        Some(copy)
    }

    /// Says that `m` was written, so its copy is out of date. A recording notes that also where there is no copy yet: there
    /// may be one when it is replayed.
    pub(crate) fn invalidate(&self, m: &Matrix) {
        let Some(slot) = &m.narrow_copy else { return };
        slot.borrow_mut().fresh = false;
        self.note_change(m, slot);
    }

    fn note_change(&self, m: &Matrix, slot: &Rc<RefCell<NarrowCopy>>) {
        if let Some(log) = self.narrow_copy_log.borrow_mut().as_mut() {
            NarrowCopyLog::note(&mut log.changed, m, slot);
        }
    }

    /// Writes the copy of the whole block that `m` lies in, in place where there is one: recordings hold its address.
    fn refresh(&self, m: &Matrix, slot: &Rc<RefCell<NarrowCopy>>) {
        let kind = self.stream_kind();
        let original = Matrix { start: 0, rows: 1, columns: slot.borrow().elements, ..m.clone() };
        let copy = slot.borrow().copy.clone();
        let copy = match copy {
            Some(copy) => {
                let rounded = self.cast(&original, kind);
                if rounded.block.is_some() && self.is_sound() {
                    self.check(self.driver.copy(rounded.address(), copy.address(), copy.bytes()));
                }
                copy
            }
            None => {
                // it outlives a recorded step, like the parameter
                let arena = self.pool.enter(COMMON);
                let copy = self.cast(&original, kind);
                self.pool.enter(arena);
                copy
            }
        };
        let mut narrow_copy = slot.borrow_mut();
        narrow_copy.fresh = copy.block.is_some() && self.is_sound();
        narrow_copy.copy = Some(copy).filter(|copy| copy.block.is_some());
    }

    /// Brings the copies up to date that a recorded step relies on.
    pub(crate) fn before_replay(&self, log: &NarrowCopyLog) {
        for noted in &log.relied {
            let Some(original) = noted.original() else { continue };
            let Some(slot) = &original.narrow_copy else { continue };
            let stale = !slot.borrow().fresh;
            if stale {
                self.refresh(&original, slot);
            }
        }
    }

    /// Sets the states that a recorded step leaves copies in.
    pub(crate) fn after_replay(&self, log: &NarrowCopyLog) {
        for (noted, fresh) in log.changed.iter().zip(&log.states) {
            if let Some(slot) = noted.narrow_copy.upgrade() {
                slot.borrow_mut().fresh = *fresh;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Precision};

    #[test]
    fn clones_and_views_share_one_copy() {
        let cuda = Cuda::dry(Precision::F16);
        let w = cuda.upload(4, 3, &[0.5; 12]);
        let clone = w.clone();
        let copy = cuda.narrow_copy(&w);
        assert_eq!((copy.kind(), copy.rows(), copy.columns()), (Kind::F16, 4, 3));
        assert_eq!(cuda.narrow_copy(&clone).address(), copy.address());
        let row = cuda.narrow_copy(&w.shaped(6, 1, 3));
        assert_eq!((row.address(), row.rows(), row.columns()), (copy.address() + 12, 1, 3));
    }

    #[test]
    fn who_writes_a_view_puts_the_copy_out_of_date() {
        let cuda = Cuda::dry(Precision::Bf16);
        let w = cuda.upload(4, 3, &[0.5; 12]);
        assert!(cuda.fresh_copy(&w).is_none());
        let copy = cuda.narrow_copy(&w);
        assert_eq!(cuda.fresh_copy(&w).map(|m| m.address()), Some(copy.address()));
        cuda.write_f32(&mut w.shaped(3, 1, 3), &[1.0; 3]);
        assert!(cuda.fresh_copy(&w).is_none());
        assert_eq!(cuda.narrow_copy(&w).address(), copy.address());
        assert!(cuda.fresh_copy(&w).is_some());
    }

    #[test]
    fn single_precision_needs_no_copy() {
        let cuda = Cuda::dry(Precision::Tf32);
        let w = cuda.upload(2, 2, &[0.5; 4]);
        let before = cuda.memory_report();
        assert_eq!(cuda.narrow_copy(&w).address(), w.address());
        assert_eq!(cuda.memory_report(), before);
    }

    #[test]
    fn a_copy_does_not_keep_its_parameter_from_being_alone() {
        let cuda = Cuda::dry(Precision::Bf16);
        let w = cuda.upload(2, 2, &[0.5; 4]);
        cuda.narrow_copy(&w);
        assert!(w.is_alone());
    }
}
