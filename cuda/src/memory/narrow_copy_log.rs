//! What a recorded step assumes of the copies of parameters, and what it leaves behind.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use super::matrix::{Matrix, NarrowCopy};
use super::pool::Block;
use crate::kind::Kind;

/// A parameter's copy without keeping either alive.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    pub(super) block: Weak<Block>,
    pub(super) narrow_copy: Weak<RefCell<NarrowCopy>>,
}

impl Noted {
    pub(super) fn is(&self, slot: &Rc<RefCell<NarrowCopy>>) -> bool {
        std::ptr::eq(self.narrow_copy.as_ptr(), Rc::as_ptr(slot))
    }

    /// The parameter, if it still exists.
    pub(super) fn original(&self) -> Option<Matrix> {
        let (block, narrow_copy) = (self.block.upgrade()?, self.narrow_copy.upgrade()?);
        let columns = narrow_copy.borrow().elements;
        Some(Matrix { block: Some(block), narrow_copy: Some(narrow_copy), kind: Kind::F32, start: 0, rows: 1, columns })
    }
}

/// What a recorded step assumes of narrow copies and leaves behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct NarrowCopyLog {
    /// Fresh when the recording first met them, before it wrote them.
    pub(super) relied: Vec<Noted>,
    /// Written by the recording, or brought up to date in it.
    pub(super) changed: Vec<Noted>,
    /// State of `changed` at the end.
    pub(super) states: Vec<bool>,
}

impl NarrowCopyLog {
    pub(super) fn note(list: &mut Vec<Noted>, m: &Matrix, slot: &Rc<RefCell<NarrowCopy>>) {
        if !list.iter().any(|noted| noted.is(slot)) {
            let block = m.block.as_ref().map_or_else(Weak::new, Rc::downgrade);
            list.push(Noted { block, narrow_copy: Rc::downgrade(slot) });
        }
    }

    /// Ends a recording that is not to be used: nothing of it was done.
    pub(crate) fn spoil(&self) {
        for slot in self.changed.iter().filter_map(|noted| noted.narrow_copy.upgrade()) {
            slot.borrow_mut().fresh = false;
        }
    }

    /// Ends the recording. What it made for itself alone is forgotten.
    pub(crate) fn close(&mut self) {
        self.changed.retain(|noted| noted.narrow_copy.strong_count() > 0);
        let fresh = |noted: &Noted| noted.narrow_copy.upgrade().is_some_and(|slot| slot.borrow().fresh);
        self.states = self.changed.iter().map(fresh).collect();
    }
}
