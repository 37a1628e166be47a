//! A backend reduced to its primitives: every fused operation falls back to its composition.

use ebt_core::compute::{Compute, Route, RouteSpec, Scope};
use ebt_core::{for_each_primitive, for_each_sink};

/// Forwards primitives, hides every override of a fused operation. `planted` swaps one scale factor for another, which
/// makes a derivative rule that uses it wrong and leaves the value right: what a derivative check must catch.
#[derive(Debug)]
pub struct Composed<'a, C> {
    inner: &'a C,
    planted: Option<(f64, f64)>,
}

impl<'a, C: Compute> Composed<'a, C> {
    /// The primitives of `inner`.
    pub fn new(inner: &'a C) -> Self {
        Self { inner, planted: None }
    }
    /// With a wrong factor.
    pub fn with_planted(inner: &'a C, right: f64, wrong: f64) -> Self {
        Self { inner, planted: Some((right, wrong)) }
    }
}

/// Every primitive as it is, but for `scale`, which may be planted.
macro_rules! forward {
    ($($(#[$doc:meta])* $kind:ident $name:ident($($t:ident),*)($($x:ident: $type:ty),*);)*) => {
        $(forward! { @$name($($t),*)($($x: $type),*) })*
    };
    (@scale $($rest:tt)*) => {};
    (@$name:ident($($t:ident),*)($($x:ident: $type:ty),*)) => {
        fn $name(&self, $($t: &Self::Tensor,)* $($x: $type),*) -> Self::Tensor {
            self.inner.$name($($t,)* $($x),*)
        }
    };
}

/// Every sink as it is, but for that of the norm, which is put together from others.
macro_rules! forward_sink {
    ($($(#[$doc:meta])* $name:ident($($x:ident: $type:ty),*);)*) => {
        $(forward_sink! { @$name($($x: $type),*) })*
    };
    (@accumulate_norm $($rest:tt)*) => {};
    (@$name:ident($($x:ident: $type:ty),*)) => {
        fn $name(&self, $($x: $type),*) {
            self.inner.$name($($x),*);
        }
    };
}

impl<C: Compute> Compute for Composed<'_, C> {
    type Leaf = C::Leaf;
    type Tensor = C::Tensor;
    type Index = C::Index;

    for_each_primitive!(forward);
    for_each_sink!(forward_sink);

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
    fn route(&self, gate: &Self::Tensor, bias: Option<&Self::Leaf>, spec: &RouteSpec) -> Route<Self::Index> {
        self.inner.route(gate, bias, spec)
    }
    fn add_outer_cotangent(&self, a: &Self::Tensor, leaf: &Self::Leaf) -> Self::Tensor {
        self.inner.add_outer_cotangent(a, leaf)
    }

    fn scale(&self, a: &Self::Tensor, factor: f64) -> Self::Tensor {
        match self.planted {
            Some((right, wrong)) if factor == right => self.inner.scale(a, wrong),
            _ => self.inner.scale(a, factor),
        }
    }

    /// `dw += sum x r dy`, `db += sum dy`, from the primitive sinks.
    fn accumulate_norm(
        &self,
        dw: &mut Self::Leaf,
        db: Option<&mut Self::Leaf>,
        x: &Self::Tensor,
        r: &Self::Tensor,
        dy: &Self::Tensor,
    ) {
        self.accumulate_dot(dw, &self.mul(x, r), dy);
        if let Some(db) = db {
            self.accumulate(db, &self.sum_rows(dy));
        }
    }
}
