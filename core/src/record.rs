//! `Record<B>` keeps the outputs of a primal pass (handles, not copies); `Replay<B>` hands them out again in order.
//!
//! The tangent pass runs the model code a second time on `Dual::with_values(backend, &replay)`: values come from the
//! tape, only tangents are computed. That is the difference between 6 and 8 matrix products per weight and token
//! (guide/mathematics.md section 5.3). Memory against time is a choice of the caller: keep a tape (nothing recomputed), or
//! run the tangent pass on `Dual::new(backend)` (everything recomputed, nothing kept).
//!
//! Gradient-sink operations are not recorded: their values are never wanted twice.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use crate::compute::{AttentionOutput, Compute, Route, RouteSpec, Scope};
use crate::error::{Error, Result};
use crate::{for_each_fused, for_each_primitive, for_each_sink};

/// The outputs of a recorded pass.
#[derive(Clone, Debug)]
pub struct Tape<T, I> {
    tensors: Vec<T>,
    routes: Vec<Route<I>>,
}

impl<T, I> Default for Tape<T, I> {
    fn default() -> Self {
        Self { tensors: Vec::new(), routes: Vec::new() }
    }
}

impl<T, I> Tape<T, I> {
    /// An empty tape.
    pub fn new() -> Self {
        Self::default()
    }
    /// Number of recorded matrices.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }
    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty() && self.routes.is_empty()
    }
    /// Drops every handle and keeps the capacity.
    pub fn clear(&mut self) {
        self.tensors.clear();
        self.routes.clear();
    }
}

/// Runs on a backend and writes every output to a tape.
#[derive(Debug)]
pub struct Record<'a, B: Compute> {
    inner: &'a B,
    tape: RefCell<Tape<B::Tensor, B::Index>>,
}

impl<'a, B: Compute> Record<'a, B> {
    /// Records on `inner`, reusing the capacity of `tape`.
    pub fn new(inner: &'a B, mut tape: Tape<B::Tensor, B::Index>) -> Self {
        tape.clear();
        Self { inner, tape: RefCell::new(tape) }
    }
    /// The finished tape.
    pub fn finish(self) -> Tape<B::Tensor, B::Index> {
        self.tape.into_inner()
    }
    fn tensor(&self, run: impl FnOnce(&B) -> B::Tensor) -> B::Tensor {
        let t = run(self.inner);
        self.tape.borrow_mut().tensors.push(t.clone());
        t
    }
    fn pair(&self, run: impl FnOnce(&B) -> (B::Tensor, B::Tensor)) -> (B::Tensor, B::Tensor) {
        let (a, b) = run(self.inner);
        self.tape.borrow_mut().tensors.extend([a.clone(), b.clone()]);
        (a, b)
    }
    fn choice(&self, run: impl FnOnce(&B) -> Route<B::Index>) -> Route<B::Index> {
        let r = run(self.inner);
        self.tape.borrow_mut().routes.push(r.clone());
        r
    }
}

/// Hands out a tape's entries in order instead of computing.
#[derive(Debug)]
pub struct Replay<'a, B: Compute> {
    inner: &'a B,
    tape: &'a Tape<B::Tensor, B::Index>,
    next: Cell<usize>,
    next_route: Cell<usize>,
    overrun: Cell<bool>,
}

impl<'a, B: Compute> Replay<'a, B> {
    /// Replays `tape` from its start.
    pub fn new(inner: &'a B, tape: &'a Tape<B::Tensor, B::Index>) -> Self {
        Self { inner, tape, next: Cell::new(0), next_route: Cell::new(0), overrun: Cell::new(false) }
    }
    /// Errors unless exactly as many results were asked for as were recorded.
    pub fn finish(self) -> Result<()> {
        let at = self.next.get();
        let whole = at == self.tape.tensors.len() && self.next_route.get() == self.tape.routes.len();
        if whole && !self.overrun.get() { Ok(()) } else { Err(Error::Replay { at }) }
    }
    /// The next entry; past the end the value is computed afresh, and [`Replay::finish`] will say so.
    fn tensor(&self, run: impl FnOnce(&B) -> B::Tensor) -> B::Tensor {
        let at = self.next.get();
        self.next.set(at + 1);
        match self.tape.tensors.get(at) {
            Some(t) => t.clone(),
            None => {
                self.overrun.set(true);
                run(self.inner)
            }
        }
    }
    fn choice(&self, run: impl FnOnce(&B) -> Route<B::Index>) -> Route<B::Index> {
        let at = self.next_route.get();
        self.next_route.set(at + 1);
        match self.tape.routes.get(at) {
            Some(r) => r.clone(),
            None => {
                self.overrun.set(true);
                run(self.inner)
            }
        }
    }
    fn pair(&self, run: impl FnOnce(&B) -> (B::Tensor, B::Tensor)) -> (B::Tensor, B::Tensor) {
        let at = self.next.get();
        self.next.set(at + 2);
        match (self.tape.tensors.get(at), self.tape.tensors.get(at + 1)) {
            (Some(a), Some(b)) => (a.clone(), b.clone()),
            _ => {
                self.overrun.set(true);
                run(self.inner)
            }
        }
    }
}

/// Operations whose results are kept, the same for both adapters: the adapter decides whether the backend runs.
macro_rules! recorded_primitives {
    ($($(#[$doc:meta])* $kind:ident $name:ident($($t:ident),*)($($x:ident: $type:ty),*);)*) => {
        $(fn $name(&self, $($t: &Self::Tensor,)* $($x: $type),*) -> Self::Tensor {
            self.tensor(|b| b.$name($($t,)* $($x),*))
        })*
    };
}
macro_rules! recorded_fused {
    ($(
        $(#[$doc:meta])*
        $runs:ident $kind:ident $name:ident($self:ident, $($x:ident: $type:ty),*) -> $out:ty $default:block
    )*) => {
        $(fn $name(&$self, $($x: $type),*) -> $out {
            $self.$kind(|b| b.$name($($x),*))
        })*
    };
}
macro_rules! passed_on {
    ($($(#[$doc:meta])* $name:ident($($x:ident: $type:ty),*);)*) => {
        $(fn $name(&self, $($x: $type),*) {
            self.inner.$name($($x),*);
        })*
    };
}

macro_rules! adapter {
    ($adapter:ident) => {
        impl<B: Compute> $adapter<'_, B> {
            fn attended(&self, run: impl FnOnce(&B) -> AttentionOutput<B::Tensor>) -> AttentionOutput<B::Tensor> {
                let (out, lse) = self.pair(|b| {
                    let AttentionOutput { out, lse } = run(b);
                    (out, lse)
                });
                AttentionOutput { out, lse }
            }
        }

        impl<B: Compute> Compute for $adapter<'_, B> {
            type Leaf = B::Leaf;
            type Tensor = B::Tensor;
            type Index = B::Index;

            fn lift(&self, leaf: &Self::Leaf) -> Self::Tensor {
                self.inner.lift(leaf)
            }
            fn slice_rows(&self, leaf: &Self::Leaf, start: usize, len: usize) -> Self::Leaf {
                self.inner.slice_rows(leaf, start, len)
            }
            fn shape(&self, a: &Self::Tensor) -> (usize, usize) {
                self.inner.shape(a)
            }
            fn enter(&self, scope: Scope) -> Scope {
                self.inner.enter(scope)
            }

            for_each_primitive!(recorded_primitives);
            for_each_fused!(recorded_fused);
            for_each_sink!(passed_on);

            fn add_outer_cotangent(&self, a: &Self::Tensor, leaf: &Self::Leaf) -> Self::Tensor {
                self.tensor(|b| b.add_outer_cotangent(a, leaf))
            }
            fn route(&self, gate: &Self::Tensor, bias: Option<&Self::Leaf>, spec: &RouteSpec) -> Route<Self::Index> {
                self.choice(|b| b.route(gate, bias, spec))
            }
        }
    };
}

adapter!(Record);
adapter!(Replay);
