//! The compute trait on the device: every method is the method of the same name that [`crate::op`] gives [`Cuda`].

use ebt_core::compute::{Compute, Route, RouteSpec};
use ebt_core::{for_each_fused, for_each_primitive, for_each_sink};

use crate::{Cuda, Index, Matrix};

macro_rules! primitives {
    ($($(#[$doc:meta])* $kind:ident $name:ident($($t:ident),*)($($x:ident: $type:ty),*);)*) => {
        $(fn $name(&self, $($t: &Matrix,)* $($x: $type),*) -> Matrix {
            Cuda::$name(self, $($t,)* $($x),*)
        })*
    };
}
macro_rules! sinks {
    ($($(#[$doc:meta])* $name:ident($($x:ident: $type:ty),*);)*) => {
        $(fn $name(&self, $($x: $type),*) {
            Cuda::$name(self, $($x),*);
        })*
    };
}
macro_rules! fused {
    ($(
        $(#[$doc:meta])*
        $runs:ident $kind:ident $name:ident($self:ident, $($x:ident: $type:ty),*) -> $out:ty $default:block
    )*) => {
        $(fused! { @$runs $name($($x: $type),*) -> $out })*
    };
    (@composed $($rest:tt)*) => {};
    (@kernel $name:ident($($x:ident: $type:ty),*) -> $out:ty) => {
        fn $name(&self, $($x: $type),*) -> $out {
            Cuda::$name(self, $($x),*)
        }
    };
}

// a method of the trait that calls itself is one that `Cuda` lacks
#[deny(unconditional_recursion)]
impl Compute for Cuda {
    type Leaf = Matrix;
    type Tensor = Matrix;
    type Index = Index;

    for_each_primitive!(primitives);
    for_each_sink!(sinks);
    for_each_fused!(fused);

    fn lift(&self, leaf: &Matrix) -> Matrix {
        leaf.clone()
    }
    fn slice_rows(&self, a: &Matrix, start: usize, len: usize) -> Matrix {
        Cuda::slice_rows(self, a, start, len)
    }
    fn shape(&self, a: &Matrix) -> (usize, usize) {
        (a.rows(), a.columns())
    }
    fn route(&self, gate: &Matrix, bias: Option<&Matrix>, spec: &RouteSpec) -> Route<Index> {
        Cuda::route(self, gate, bias, spec)
    }
    fn add_outer_cotangent(&self, a: &Matrix, leaf: &Matrix) -> Matrix {
        self.add(a, leaf)
    }
}
